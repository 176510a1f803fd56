// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// A safetensors file of a model's masks, each under the name of its weights, with the report in the
/// metadata.
struct ModelMaskFile {
  private let outcomes: [TensorOutcome]
  private let layout: SafetensorsLayout
  private let encoding: MaskEncoding

  /// - Throws: 500 where the header cannot be written, which the names have been checked for.
  init(_ report: ModelReport) throws(Problem) {
    outcomes = report.outcomes
    encoding = report.encoding
    let isPacked = encoding == .bits
    do throws(TensorError) {
      layout = try SafetensorsLayout(
        items: report.outcomes.map { outcome in
          isPacked
            ? .init(
              name: outcome.plan.name,
              elementType: .numeric(.uint8),
              shape: [outcome.bits.count]
            )
            : .init(name: outcome.plan.name, elementType: .bool, shape: outcome.plan.shape)
        },
        metadata: [
          .init(name: "mask_encoding", value: isPacked ? "bits" : "bool"),
          .init(name: "report", value: String(decoding: report.json(), as: UTF8.self)),
        ]
      )
    } catch {
      throw Problem(.internalServerError, error.message)
    }
  }

  /// The size of the file.
  var byteCount: Int { layout.header.count + layout.dataByteCount }

  /// Writes the file, piece by piece.
  ///
  /// - Complexity: O(file) time; memory for a mebibyte beside the masks.
  func write<Failure>(
    _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    try Self.pass(layout.header[...], to: sink)
    for outcome in outcomes {
      switch encoding {
      case .bits: try Self.pass(outcome.bits[...], to: sink)
      case .array: try Self.unpack(outcome.bits, count: outcome.plan.count, to: sink)
      }
    }
  }

  /// Writes bits as bytes of 0 and 1.
  static func unpack<Failure>(
    _ bits: [UInt8],
    count: Int,
    to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let step = 1 << 20
    var piece = [UInt8](repeating: 0, count: min(step, count))
    for start in stride(from: 0, to: count, by: step) {
      let length = min(step, count - start)
      bits.withUnsafeBytes { bits in
        piece.withUnsafeMutableBytes { piece in
          BitPacking.unpack(
            UnsafeRawBufferPointer(rebasing: bits[(start / 8)...]),
            into: UnsafeMutableRawBufferPointer(rebasing: piece[..<length])
          )
        }
      }
      try pass(piece[..<length], to: sink)
    }
  }

  private static func pass<Failure>(
    _ bytes: ArraySlice<UInt8>,
    to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(Failure) in try sink(bytes) }
    }
    try result.get()
  }
}
