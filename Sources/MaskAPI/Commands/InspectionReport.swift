// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

/// What is found in a file.
public struct InspectionReport: Sendable {
  /// The forms of files.
  enum Format: String, Sendable {
    case npy
    case safetensors
  }

  let format: Format
  let metadata: [SafetensorsHeader.Metadata]
  let tensors: [TensorInspection]

  /// The report as lines of cells, the first of which has the names of the columns.
  public var table: [[String]] {
    var lines = [
      ["name", "dtype", "shape", "entries", "zeros", "density", "row", "column", "transposable"]
    ]
    for tensor in tensors {
      lines.append(
        [
          tensor.name.isEmpty ? "-" : tensor.name,
          tensor.typeName,
          tensor.shape.map { "\($0)" }.joined(separator: " x ").or("scalar"),
          "\(tensor.entries)",
          tensor.zeros.map { "\($0)" } ?? "-",
          tensor.density.map { Self.rounded($0) } ?? "-",
        ]
          + [Structure.row, .column, .transposable].map { structure in
            tensor.patterns[structure]?.tightest?.description ?? "-"
          }
      )
    }
    return lines
  }

  /// The report as a JSON object on one line.
  public var json: [UInt8] {
    var writer = JSONWriter(capacity: 512 * tensors.count + 1024)
    writer.beginObject()
    writer.member("format", format.rawValue)
    if format == .safetensors {
      writer.name("metadata")
      writer.beginObject()
      for pair in metadata { writer.member(pair.name, pair.value) }
      writer.endObject()
    }
    writer.name("tensors")
    writer.beginArray()
    for tensor in tensors { write(&writer, tensor) }
    writer.endArray()
    let entries = tensors.reduce(0) { $0 + $1.entries }
    writer.name("totals")
    writer.beginObject()
    writer.member("tensors", tensors.count)
    writer.member("entries", entries)
    writer.member("zeros", tensors.reduce(0) { $0 + ($1.zeros ?? 0) })
    writer.endObject()
    writer.member("engine", Engine.name)
    writer.endObject()
    return writer.bytes
  }

  private func write(_ writer: inout JSONWriter, _ tensor: TensorInspection) {
    writer.beginObject()
    if format == .safetensors { writer.member("name", tensor.name) }
    writer.member("dtype", tensor.typeName)
    writer.member("shape", tensor.shape)
    writer.member("entries", tensor.entries)
    if let zeros = tensor.zeros {
      writer.member("zeros", zeros)
    } else {
      writer.name("zeros")
      writer.null()
    }
    writer.member("density", tensor.density)
    if !tensor.patterns.isEmpty {
      writer.name("patterns")
      writer.beginObject()
      for structure in Structure.allCases {
        guard let patterns = tensor.patterns[structure] else { continue }
        writer.name(structure.rawValue)
        writer.beginObject()
        writer.member("tightest", patterns.tightest?.description)
        writer.name("most")
        writer.beginObject()
        for (groupSize, count) in patterns.most { writer.member("\(groupSize)", count) }
        writer.endObject()
        writer.endObject()
      }
      writer.endObject()
    }
    writer.endObject()
  }

  /// A share with four decimals; 1 and 0 only where it is that.
  private static func rounded(_ share: Double) -> String {
    let tenThousandths = (share * 10_000).rounded()
    guard tenThousandths > 0 || share == 0 else { return "<0.0001" }
    guard tenThousandths < 10_000 || share == 1 else { return ">0.9999" }
    return "\(tenThousandths / 10_000)"
  }
}

extension String {
  fileprivate func or(_ other: String) -> String { isEmpty ? other : self }
}
