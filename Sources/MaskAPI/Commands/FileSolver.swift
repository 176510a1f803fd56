// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import HTTPTypes
import Sparsity
import TensorIO

/// Finds the masks of what is in a file: a matrix of a .npy file, or the model of a safetensors file.
///
/// The file is read once, from its first byte to its last, and solved as it passes, by what solves the
/// bodies of requests.
public final class FileSolver {
  /// Beyond the size of any file, so that sums of sizes do not overflow.
  private static let maximumBytes = 1 << 52

  private let options: SolveOptions
  private let context: SolverContext
  private let observer: (any SolveObserver)?

  /// Checks the options and starts the solver threads.
  ///
  /// - Parameter observer: is told how far the work has come.
  /// - Throws: `CommandError` for options that are impossible whatever the file is.
  public init(
    _ options: SolveOptions,
    observer: (any SolveObserver)? = nil
  ) throws(CommandError) {
    self.options = options
    self.observer = observer
    do { _ = try ModelParameters(options.parameters) } catch { throw CommandError(error) }
    let memory = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    context = SolverContext(
      pool: SolverPool(threadCount: options.threads),
      diversities: DiversityCache(),
      solveTimeout: .seconds(Int64.max / 2),
      holdsReply: false,
      isCancelled: { false },
      reserve: { (bytes) throws(Problem) in
        guard bytes <= memory else {
          throw Problem(.contentTooLarge, "A tensor would take \(bytes) bytes of memory.")
        }
      }
    )
  }

  deinit { context.pool.stop() }

  /// Finds the masks.
  ///
  /// - Throws: `CommandError` where the file cannot be read, or has no masks.
  /// - Complexity: memory for some strips and the packed masks; a matrix in Fortran order and the
  ///   weights of one convolution are held whole.
  public func solve(_ input: InputFile) throws(CommandError) -> SolvedFile {
    var format: BodyFormat?
    var matrix: MatrixStream?
    var model: ModelStream?
    try input.readAll { (bytes) throws(CommandError) in
      do throws(Problem) {
        if format == nil {
          // A piece that is not full is the last.
          format = BodyFormat.sniff(bytes, isWhole: true)
          switch format {
          case .npy: matrix = try makeMatrixStream(input)
          case .safetensors: model = makeModelStream(input)
          default: throw Self.unknownFormat(input)
          }
        }
        try matrix?.consume(bytes)
        try model?.append(bytes)
      } catch {
        matrix?.cancel()
        model?.cancel()
        throw CommandError(error)
      }
    }
    do throws(Problem) {
      if let matrix { return SolvedFile(.matrix(try matrix.finish())) }
      if let model {
        return SolvedFile(.model(try model.finish(), model.tensors))
      }
      throw Problem(.badRequest, "\(input.name) is empty.")
    } catch {
      throw CommandError(error)
    }
  }

  private func makeMatrixStream(_ input: InputFile) throws(Problem) -> MatrixStream {
    let names = options.namesForModels
    guard names.isEmpty else {
      throw Problem(
        .badRequest,
        "\(names.joined(separator: ", ")): for whole models; \(input.name) is a .npy file."
      )
    }
    return MatrixStream(
      try MaskParameters(options.parameters),
      context,
      input,
      limit: Self.maximumBytes,
      observer: observer
    )
  }

  private func makeModelStream(_ input: InputFile) -> ModelStream {
    ModelStream(
      options.parameters,
      context,
      limit: Self.maximumBytes,
      announced: input.byteCount,
      observer: observer
    )
  }

  static func unknownFormat(_ input: InputFile) -> Problem {
    Problem(.badRequest, "\(input.name) is neither a .npy file nor a safetensors file.")
  }
}
