// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO
import Testing

@testable import MaskAPI

/// The numbers of a binary body on their way to who wants them.
struct MatrixDataTests {
  private final class Sink: MatrixSink {
    let field = "weights"
    var count = 0

    func begin(_ header: MatrixHeader) {}
    func append(_ bytes: UnsafeRawBufferPointer) { count += bytes.count }
  }

  private func problem(_ pieces: [Int]) throws -> Problem? {
    let sink = Sink()
    let header = MatrixHeader(element: .numeric(.float32), rows: 4, columns: 4)
    let data = try MatrixData(header, sink: sink)
    do throws(Problem) {
      for count in pieces {
        let bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeBufferPointer { (bytes) throws(Problem) in
          try data.append(UnsafeRawBufferPointer(bytes))
        }
      }
      try data.finish()
      return nil
    } catch {
      #expect(sink.count <= 64)
      return error
    }
  }

  /// How much of a body has come when it turns out too long depends on the network.
  @Test func `a body that is too long is told the same in any pieces`() throws {
    let whole = try #require(try problem([171]))
    #expect(whole.detail.contains("longer than the 64 bytes"))
    #expect(whole.pointer == "/weights")
    for pieces in [[129, 42], [64, 107], [1, 64, 106], [65, 106]] {
      #expect(try problem(pieces)?.detail == whole.detail)
    }
    #expect(try problem([60])?.detail.contains("60 bytes") == true)
    #expect(try problem([60, 4]) == nil)
  }
}
