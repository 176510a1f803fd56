// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// What a client is told of a sparse gradient.
struct GradientReply {
  let job: GradientJob

  func response(_ form: ReplyForm) throws(Problem) -> Response {
    switch form {
    case .json: return .json(json(withMatrices: true))
    case .npy: return binary(form, npy)
    case .safetensors:
      throw Problem(.notAcceptable, "A gradient is not made as safetensors.")
    case .octets:
      guard case .groups(let estimator) = job.parameters.plan else {
        throw Problem(.notAcceptable, "There is no compact form without groups.")
      }
      return binary(form, compact(estimator))
    }
  }

  private func binary(_ form: ReplyForm, _ bytes: [UInt8]) -> Response {
    Response(
      status: .ok,
      headers: [
        .contentType: form.rawValue,
        .gradientSummary: String(decoding: json(withMatrices: false), as: UTF8.self),
      ],
      body: .bytes(bytes)
    )
  }

  private func json(withMatrices: Bool) -> [UInt8] {
    let (rows, columns) = (job.rows, job.columns)
    let sums = job.sums
    var writer = JSONWriter()
    writer.beginObject()
    if withMatrices {
      writer.name("values")
      writer.matrix(job.valueBuffer, rows: rows, columns: columns)
      writer.name("mask")
      writer.mask(packedRows: job.maskBytes, rows: rows, columns: columns)
      if let probabilities = job.probabilityBuffer {
        writer.name("probabilities")
        writer.matrix(probabilities, rows: rows, columns: columns)
      }
    }
    writer.member("shape", [rows, columns])
    if case .groups(let estimator) = job.parameters.plan {
      writer.member("n", estimator.pattern.n)
      writer.member("m", estimator.pattern.m)
      writer.member("kept_per_group", estimator.pattern.n)
      writer.member("axis", estimator.axis.rawValue)
    }
    writer.member("method", job.parameters.method.rawValue)
    writer.seed(job.parameters.seed)
    if let threshold = job.threshold {
      writer.member("sparsity", threshold.sparsity)
      writer.member("threshold", Double(threshold.threshold))
      writer.name("lognormal")
      writer.beginObject()
      writer.member("mean", threshold.mean)
      writer.member("deviation", threshold.deviation)
      writer.endObject()
      writer.member(
        "achieved_sparsity",
        sums.count > 0 ? 1 - Double(sums.kept) / Double(sums.count) : nil
      )
    }
    writer.member("kept", sums.kept)
    writer.member("density", sums.count > 0 ? Double(sums.kept) / Double(sums.count) : nil)
    writer.member("unbiased", job.parameters.method.isUnbiased)
    writer.member("variance", sums.variance)
    writer.member("relative_variance", sums.relativeVariance)
    if !job.parameters.method.isUnbiased {
      writer.member("squared_bias", sums.squaredBias)
      writer.member("relative_squared_bias", sums.relativeSquaredBias)
    }
    writer.member("engine", Engine.name)
    writer.endObject()
    return writer.bytes
  }

  /// A .npy file of the values, float32.
  private var npy: [UInt8] {
    // Float32 has a descriptor, so this does not throw.
    let type = ElementType.numeric(.float32)
    let header = (try? NPYHeader.bytes(elementType: type, shape: [job.rows, job.columns])) ?? []
    return header + UnsafeRawBufferPointer(job.valueBuffer)
  }

  /// The kept values alone: for each group n float32 values, then for each group n positions within
  /// it as uint16, both little-endian, groups in their order.
  ///
  /// A group with fewer non-zeros than n is filled up with zeros at position 0.
  private func compact(_ estimator: GradientEstimator) -> [UInt8] {
    let (n, m) = (estimator.pattern.n, estimator.pattern.m)
    let (rows, columns) = (job.rows, job.columns)
    let groupCount = rows * columns / m
    let valueBytes = groupCount * n * MemoryLayout<Float>.size
    let total = valueBytes + groupCount * n * MemoryLayout<UInt16>.size
    let alongRow = estimator.axis == .row
    let step = alongRow ? 1 : columns
    return [UInt8](unsafeUninitializedCapacity: total) { bytes, count in
      let target = UnsafeMutableRawBufferPointer(bytes)
      let values = job.valueBuffer
      let mask = job.maskBytes
      let rowBytes = (columns + 7) / 8
      for group in 0..<groupCount {
        // Groups are numbered along a row, or down a column.
        let length = (alongRow ? columns : rows) / m
        let (line, place) = (group / length, group % length)
        let first = alongRow ? line * columns + place * m : place * m * columns + line
        var slot = group * n
        for position in 0..<m {
          let index = first + position * step
          let (row, column) = (index / columns, index % columns)
          guard mask[row * rowBytes + column / 8] >> UInt8(column % 8) & 1 == 1 else { continue }
          store(values[index], position, slot, target, valueBytes)
          slot += 1
        }
        while slot < (group + 1) * n {
          store(0, 0, slot, target, valueBytes)
          slot += 1
        }
      }
      count = total
    }
  }

  private func store(
    _ value: Float,
    _ position: Int,
    _ slot: Int,
    _ target: UnsafeMutableRawBufferPointer,
    _ valueBytes: Int
  ) {
    target.storeBytes(of: value.bitPattern.littleEndian, toByteOffset: 4 * slot, as: UInt32.self)
    target.storeBytes(
      of: UInt16(position).littleEndian,
      toByteOffset: valueBytes + 2 * slot,
      as: UInt16.self
    )
  }
}

extension JSONWriter {
  /// Writes the seed: as a string above 2^53, where readers of JSON lose digits.
  fileprivate mutating func seed(_ seed: UInt64) {
    if seed <= 1 << 53 {
      member("seed", seed)
    } else {
      member("seed", String(seed))
    }
  }
}
