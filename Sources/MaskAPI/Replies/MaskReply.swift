// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
public import Sparsity
import TensorIO

/// What a client, or a person at the terminal, is told of a mask.
public struct MaskReply: Sendable {
  private let solution: Solution
  private let diversity: (count: MatrixMaskCount, isExact: Bool)?
  private let additions: MaskAdditions

  init(
    solution: Solution,
    diversity: (count: MatrixMaskCount, isExact: Bool)?,
    additions: MaskAdditions = MaskAdditions()
  ) {
    self.solution = solution
    self.diversity = diversity
    self.additions = additions
  }

  /// Makes the reply of a solution, counting its pattern's masks.
  public init(_ solution: Solution) {
    self.init(solution: solution, diversity: DiversityCache().diversity(of: solution.layout))
  }

  /// The reply without the mask, as a JSON object on one line.
  public var summary: [UInt8] { json(mask: nil) }

  /// The mask.
  public var mask: Mask { solution.mask }

  /// The reply without the mask, as lines of a name and a value.
  public var table: [[String]] {
    let specification = solution.layout.specification
    var lines = [
      ["shape", "\(solution.layout.rows) x \(solution.layout.columns)"],
      [
        "pattern",
        "\(specification.pattern) (\(specification.pattern.n) kept of each \(specification.pattern.m))",
      ],
      ["structure", specification.structure.rawValue],
      ["constraint", specification.constraint.rawValue],
      ["method", specification.method.rawValue],
      ["kept", "\(solution.kept)"],
      ["density", solution.density.map { "\($0)" } ?? "none"],
      ["kept magnitude", "\(solution.keptMagnitude)"],
      ["total magnitude", "\(solution.totalMagnitude)"],
      ["retained", "\(solution.retained)"],
    ]
    if let certificate = solution.certificate {
      lines.append(["upper bound", "\(certificate.upperBound)"])
      lines.append(["relative gap", "\(certificate.relativeGap)"])
      lines.append(["optimal", certificate.isOptimal ? "yes" : "not proved"])
    } else {
      lines.append(["certificate", "none"])
    }
    if let diversity {
      lines.append(["log2 of masks", "\(diversity.count.log2)"])
      lines.append(["bits per weight", "\(diversity.count.bitsPerWeight)"])
    }
    return lines
  }

  func response(_ form: ReplyForm, _ encoding: MaskEncoding) throws(Problem) -> Response {
    let mask = solution.mask
    switch form {
    case .json:
      return .json(json(mask: encoding))
    case .npy where additions.values != nil, .octets where additions.values != nil:
      throw Problem(
        .notAcceptable,
        "With 'apply' there are two arrays to return, for which there are JSON and safetensors."
      )
    case .npy:
      return binary(form, mask.npy)
    case .safetensors:
      return try tensorFile()
    case .octets:
      return binary(form, mask.flatBits)
    }
  }

  private func binary(_ form: ReplyForm, _ bytes: [UInt8]) -> Response {
    var fields = HTTPFields()
    fields.reserveCapacity(8)
    fields.append(HTTPField(name: .contentType, value: form.rawValue))
    fields.append(HTTPField(name: .maskSummary, value: String(decoding: summary, as: UTF8.self)))
    return Response(status: .ok, headers: fields, body: .bytes(bytes))
  }

  private func json(mask encoding: MaskEncoding?) -> [UInt8] {
    let specification = solution.layout.specification
    var writer = JSONWriter()
    writer.beginObject()
    switch encoding {
    case .array?:
      writer.name("mask")
      solution.mask.bytes.withUnsafeBytes {
        writer.mask(packedRows: $0, rows: solution.mask.rows, columns: solution.mask.columns)
      }
    case .bits?:
      writer.name("mask")
      writer.beginObject()
      writer.member("encoding", "bits-le-base64")
      writer.name("data")
      solution.mask.flatBits.withUnsafeBytes { writer.base64($0) }
      writer.endObject()
    case nil: break
    }
    if encoding != nil, let values = additions.values {
      writer.name("values")
      values.bytes.withUnsafeBytes {
        writer.matrix(
          $0,
          dataType: values.dataType,
          rows: solution.mask.rows,
          columns: solution.mask.columns
        )
      }
    }
    writer.member("shape", [solution.layout.rows, solution.layout.columns])
    specification.writeMembers(to: &writer)
    writer.member("kept", solution.kept)
    writer.member("density", solution.density)
    let scores = MaskAdditions.Sums(
      kept: solution.keptMagnitude,
      total: solution.totalMagnitude
    )
    let magnitudes = additions.magnitudes ?? scores
    writer.name("score")
    writer.beginObject()
    writer.member("kept_magnitude", magnitudes.kept)
    writer.member("total_magnitude", magnitudes.total)
    writer.member("retained", magnitudes.retained)
    writer.endObject()
    if additions.magnitudes != nil {
      writer.name("own_score")
      writer.beginObject()
      writer.member("kept", scores.kept)
      writer.member("total", scores.total)
      writer.member("retained", scores.retained)
      writer.endObject()
    }
    if let certificate = solution.certificate {
      writer.name("certificate")
      writer.beginObject()
      writer.member("upper_bound", certificate.upperBound)
      writer.member("relative_gap", certificate.relativeGap)
      writer.member("optimal", certificate.isOptimal)
      writer.endObject()
    } else {
      writer.name("certificate")
      writer.null()
    }
    if let diversity {
      writer.name("diversity")
      writer.beginObject()
      writer.member("log2", diversity.count.log2)
      writer.member("bits_per_weight", diversity.count.bitsPerWeight)
      writer.member("exact", diversity.isExact)
      writer.endObject()
    } else {
      writer.name("diversity")
      writer.null()
    }
    additions.write(to: &writer)
    writer.member("engine", Engine.name)
    writer.endObject()
    return writer.bytes
  }

  /// The mask, and the pruned weights where they are wanted.
  private func tensorFile() throws(Problem) -> Response {
    let shape = [solution.mask.rows, solution.mask.columns]
    var items: [TensorFileReply.Item] = []
    // Wider elements first, so that each is aligned.
    if let values = additions.values {
      items.append(
        .init(
          name: "values",
          elementType: .numeric(values.dataType),
          shape: shape,
          bytes: values.bytes
        )
      )
    }
    items.append(
      .init(name: "mask", elementType: .bool, shape: shape, bytes: solution.mask.booleans)
    )
    var response = try TensorFileReply(items: items, metadata: []).response()
    response.headers[.maskSummary] = String(decoding: summary, as: UTF8.self)
    return response
  }
}

/// What made a reply.
public enum Engine {
  /// The version, by semantic versioning.
  public static let version = "0.1.0"
  static let name = "nmmask \(version)"
}

extension Mask {
  /// numpy's `packbits(bitorder="little")` of the mask, flattened in row-major order.
  var flatBits: [UInt8] {
    // Rows of whole bytes follow each other without a gap already.
    if columns % 8 == 0 { return bytes }
    return bytes.withUnsafeBytes {
      BitPacking.flatStream(packedRows: $0, rows: rows, columns: columns)
    }
  }

  /// A .npy file of booleans.
  public var npy: [UInt8] {
    let count = rows * columns
    // Booleans have a descriptor, so this does not throw.
    let header = (try? NPYHeader.bytes(elementType: .bool, shape: [rows, columns])) ?? []
    return [UInt8](unsafeUninitializedCapacity: header.count + count) { target, used in
      for index in header.indices { target[index] = header[index] }
      let data = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(target)[header.count...]
      )
      unpack(0..<rows, into: data)
      used = header.count + count
    }
  }
}

extension MaskSpecification {
  /// Writes what was asked for, as a reply repeats it.
  func writeMembers(to writer: inout JSONWriter) {
    writer.member("n", pattern.n)
    writer.member("m", pattern.m)
    writer.member("kept_per_group", pattern.n)
    writer.member("structure", structure.rawValue)
    writer.member("constraint", constraint.rawValue)
    writer.member("method", method.rawValue)
    if remainder != .error { writer.member("remainder", remainder.rawValue) }
  }
}
