// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import HTTPTypes
import Sparsity
import TensorIO

/// Why a command cannot be carried out, in a sentence for the user.
public struct CommandError: Error, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

/// The mask of a matrix in a .npy file, read strip by strip.
public final class MaskFileSolver {
  /// What to do, in the words of the service's parameters.
  public struct Options: Sendable {
    public var n: Int
    public var m: Int
    public var structure: String?
    public var constraint: String?
    public var method: String?
    public var remainder: String?
    public var threads: Int

    public init(n: Int, m: Int, threads: Int) {
      self.n = n
      self.m = m
      self.threads = threads
    }
  }

  private let parameters: MaskParameters
  private let pool: SolverPool
  private var job: MaskJob?

  /// Checks the options and starts the solver threads.
  public init(_ options: Options) throws(CommandError) {
    var set = ParameterSet()
    set.set("n", String(options.n))
    set.set("m", String(options.m))
    let choices = [
      ("structure", options.structure), ("constraint", options.constraint),
      ("method", options.method), ("remainder", options.remainder),
    ]
    for (name, value) in choices {
      if let value { set.set(name, value) }
    }
    do throws(Problem) {
      parameters = try MaskParameters(set)
    } catch {
      throw CommandError(error.detail)
    }
    pool = SolverPool(threadCount: options.threads)
  }

  deinit { pool.stop() }

  /// Solves the matrix in the file at `path`.
  ///
  /// - Throws: `CommandError` where the file cannot be read, is no .npy matrix, or has no mask.
  /// - Complexity: memory for some strips and the packed mask, unless the matrix is in Fortran order.
  public func solve(path: String) throws(CommandError) -> MaskReply {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw CommandError("'\(path)' cannot be read.")
    }
    defer { try? file.close() }
    do throws(Problem) {
      let data = try readHeader(file, path)
      while let chunk = try read(file, path) {
        let result = chunk.withUnsafeBytes { bytes in
          Result { () throws(Problem) in try data.append(bytes) }
        }
        try result.get()
      }
      try data.finish()
      guard let job else { throw Problem(.badRequest, "'\(path)' is empty.") }
      do throws(MaskJob.Failure) {
        return MaskReply(try job.finish())
      } catch {
        throw Problem(error, field: field)
      }
    } catch {
      throw CommandError(error.detail)
    }
  }

  /// Reads up to the data, and passes on what of them came with the header.
  private func readHeader(_ file: FileHandle, _ path: String) throws(Problem) -> MatrixData {
    var prefix: [UInt8] = []
    while let chunk = try read(file, path) {
      prefix += chunk
      let progress: HeaderProgress<NPYHeader>
      do throws(TensorError) {
        let result = prefix.withUnsafeBytes { bytes in
          Result { () throws(TensorError) in try NPYHeader.read(bytes) }
        }
        progress = try result.get()
      } catch {
        throw Problem(error, field: field)
      }
      guard case .complete(let header) = progress else { continue }
      let data = try MatrixData(header, sink: self)
      let result = prefix[header.dataOffset...].withUnsafeBytes { bytes in
        Result { () throws(Problem) in try data.append(bytes) }
      }
      try result.get()
      return data
    }
    throw Problem(TensorError.truncatedHeader(.npy, received: prefix.count), field: field)
  }

  private func read(_ file: FileHandle, _ path: String) throws(Problem) -> Data? {
    do {
      guard let data = try file.read(upToCount: 1 << 20), !data.isEmpty else { return nil }
      return data
    } catch {
      throw Problem(.badRequest, "'\(path)' cannot be read: \(error).")
    }
  }
}

extension MaskFileSolver: MatrixSink {
  var field: String { "weights" }

  func begin(_ header: MatrixHeader) throws(Problem) {
    guard case .numeric(let dataType) = header.element else {
      throw Problem(.unprocessableContent, "The weights must be numbers, not booleans.")
    }
    let layout = try Problem.rethrow { () throws(SpecificationError) in
      try MaskLayout(parameters.specification, rows: header.rows, columns: header.columns)
    }
    job = MaskJob(layout: layout, dataType: dataType, pool: pool) { false }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    do throws(MaskJob.Failure) {
      try job?.append(bytes)
    } catch {
      throw Problem(error, field: field)
    }
  }
}
