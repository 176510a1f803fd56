// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// A matrix that comes as the bytes of a .npy file, solved strip by strip as it passes.
///
/// All is called on one thread.
final class MatrixStream {
  private let parameters: MaskParameters
  private let context: SolverContext
  private let name: String
  private let announced: Int?
  private let limit: Int
  private let observer: (any SolveObserver)?

  /// The bytes of an unfinished header.
  private var prefix: [UInt8] = []
  private var data: MatrixData?
  private var header: NPYHeader?
  private var job: MaskJob?
  private var elementByteCount = 1
  private var passed = 0

  /// - Parameters:
  ///   - input: what the matrix is from, for its name and its size.
  ///   - limit: the largest size of the data, in bytes.
  init(
    _ parameters: MaskParameters,
    _ context: SolverContext,
    _ input: InputFile,
    limit: Int,
    observer: (any SolveObserver)?
  ) {
    self.parameters = parameters
    self.context = context
    name = input.name
    announced = input.byteCount
    self.limit = limit
    self.observer = observer
  }

  /// Takes the next bytes of the file.
  func consume(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    if let data { return try data.append(bytes) }
    prefix += bytes
    guard let header = try readHeader() else { return }
    self.header = header
    if let announced {
      do throws(TensorError) {
        try header.check(fileByteCount: announced)
      } catch {
        throw Problem(error, field: field)
      }
    }
    guard header.dataByteCount <= limit else { throw MatrixBody.tooLarge(limit) }
    let data = try MatrixData(header, sink: self)
    self.data = data
    let rest = prefix
    prefix = []
    let result = rest[header.dataOffset...].withUnsafeBytes { bytes in
      Result { () throws(Problem) in try data.append(bytes) }
    }
    try result.get()
  }

  /// Waits for the last strips, after all bytes.
  func finish() throws(Problem) -> SolvedMatrix {
    guard let data, let header, let job else {
      throw Problem(TensorError.truncatedHeader(.npy, received: prefix.count), field: field)
    }
    try data.finish()
    do throws(MaskJob.Failure) {
      let solution = try job.finish()
      observer?.ended(
        TensorProgress(
          name: name,
          typeName: header.elementType.name,
          shape: header.shape,
          skipReason: nil
        )
      )
      let diversity = context.diversities.diversity(of: solution.layout)
      return SolvedMatrix(
        header: header,
        reply: MaskReply(solution: solution, diversity: diversity)
      )
    } catch {
      throw Problem(error, field: field)
    }
  }

  func cancel() { job?.cancel() }

  private func readHeader() throws(Problem) -> NPYHeader? {
    let result = prefix.withUnsafeBytes { bytes in
      Result { () throws(TensorError) in try NPYHeader.read(bytes) }
    }
    do throws(TensorError) {
      guard case .complete(let header) = try result.get() else { return nil }
      return header
    } catch {
      throw Problem(error, field: field)
    }
  }
}

extension MatrixStream: MatrixSink {
  var field: String { "weights" }

  func begin(_ header: MatrixHeader) throws(Problem) {
    guard case .numeric(let dataType) = header.element else {
      throw Problem(.unprocessableContent, "The weights must be numbers, not booleans.")
    }
    elementByteCount = dataType.byteCount
    let layout = try Problem.rethrow { () throws(SpecificationError) in
      try MaskLayout(parameters.specification, rows: header.rows, columns: header.columns)
    }
    job = try context.makeMaskJob(layout, dataType, parameters, replySize: 0)
    observer?.began(tensors: 1, weights: header.rows * header.columns)
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    do throws(MaskJob.Failure) {
      try job?.append(bytes)
    } catch {
      throw Problem(error, field: field)
    }
    let before = passed / elementByteCount
    passed += bytes.count
    observer?.advanced(weights: passed / elementByteCount - before)
  }
}

/// The mask of a matrix, and the header that the matrix had.
struct SolvedMatrix: Sendable {
  let header: NPYHeader
  let reply: MaskReply
}
