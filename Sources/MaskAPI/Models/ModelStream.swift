// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// A model that comes as the bytes of a safetensors file, whose tensors are solved as they pass.
///
/// All is called on one thread.
final class ModelStream {
  private let query: ParameterSet
  private let context: SolverContext
  private let limit: Int
  private let announced: Int?
  private let observer: (any SolveObserver)?

  /// The bytes of an unfinished header.
  private var prefix: [UInt8] = []
  private var run: ModelRun?
  /// The tensors in the order of the file, once the header is known.
  private(set) var tensors: [SafetensorsHeader.Tensor] = []
  /// The tensor whose data come next, and how many of its bytes have come.
  private var tensorIndex = 0
  private var filled = 0
  private var received = 0

  /// Prepares for a file.
  ///
  /// - Parameters:
  ///   - query: read once the header is known to be right.
  ///   - limit: the largest size of the data, in bytes.
  ///   - announced: the size of the file, where it is known.
  init(
    _ query: ParameterSet,
    _ context: SolverContext,
    limit: Int,
    announced: Int?,
    observer: (any SolveObserver)? = nil
  ) {
    self.query = query
    self.context = context
    self.limit = limit
    self.announced = announced
    self.observer = observer
  }

  /// Takes the next bytes of the file.
  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    received += bytes.count
    guard run == nil else { return try distribute(bytes) }
    prefix += bytes
    guard let header = try TensorFile.header(prefix) else { return }
    try begin(header)
    let rest = prefix
    prefix = []
    let result = rest[header.dataOffset...].withUnsafeBytes { bytes in
      Result { () throws(Problem) in try distribute(bytes) }
    }
    try result.get()
  }

  /// Waits for the last tensor, after all bytes.
  func finish() throws(Problem) -> ModelReport {
    guard let run else {
      throw Problem(
        .badRequest,
        TensorError.truncatedHeader(.safetensors, received: received).message
      )
    }
    guard tensorIndex == tensors.count else { throw wrongLength(received) }
    try run.solver.finish()
    return run.report
  }

  func cancel() { run?.solver.cancel() }

  private func begin(_ header: SafetensorsHeader) throws(Problem) {
    if let announced {
      do throws(TensorError) {
        try header.check(fileByteCount: announced)
      } catch {
        throw Problem(.badRequest, error.message)
      }
    }
    // Before any size is reckoned with that no file within the limit can have.
    guard header.dataByteCount <= limit else { throw MatrixBody.tooLarge(limit) }
    tensors = header.tensors
    let run = try ModelRun(
      try ModelParameters(query),
      tensors.map { ($0.name, $0.typeName, $0.elementType, $0.shape) },
      context
    )
    self.run = run
    observer?.began(
      tensors: tensors.count,
      weights: run.plans.reduce(0) { $0 + ($1.isMasked ? $1.count : 0) }
    )
    try beginTensor()
  }

  /// Hands bytes to the tensors that they belong to.
  private func distribute(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    var rest = bytes
    while !rest.isEmpty {
      guard tensorIndex < tensors.count, let run else { throw wrongLength(nil) }
      let tensor = tensors[tensorIndex]
      let size = tensor.dataRange.count
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(size - filled))
      try run.solver.append(part)
      filled += part.count
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      if let observer, let type = tensor.elementType, run.plans[tensorIndex].isMasked {
        observer.advanced(
          weights: filled / type.byteCount - (filled - part.count) / type.byteCount
        )
      }
      if filled == size {
        try endTensor(run)
        try beginTensor()
      }
    }
  }

  /// Begins the next tensor that has data, and does those before it, which have none.
  private func beginTensor() throws(Problem) {
    while let run, tensorIndex < tensors.count {
      try run.solver.begin(run.plans[tensorIndex])
      guard tensors[tensorIndex].dataRange.isEmpty else { return }
      try endTensor(run)
    }
  }

  private func endTensor(_ run: ModelRun) throws(Problem) {
    try run.solver.end()
    observer?.ended(run.plans[tensorIndex].progress)
    tensorIndex += 1
    filled = 0
  }

  /// - Parameter received: the size of the whole file; nil where it goes on, since how much has come
  ///   by now depends on the network.
  private func wrongLength(_ received: Int?) -> Problem {
    let expected = tensors.last?.dataRange.upperBound ?? 0
    let found = received.map { "but the whole file \($0)" } ?? "and more follow"
    return Problem(
      .badRequest,
      "The file is not as long as its header says: the tensors have \(expected) bytes, \(found)."
    )
  }
}
