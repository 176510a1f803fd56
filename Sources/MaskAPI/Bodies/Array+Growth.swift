// SPDX-License-Identifier: GPL-3.0-or-later

extension [UInt8] {
  /// Appends some of `total` bytes that come piece by piece.
  ///
  /// Room grows with what has come, because the rest may never come; but not beyond `total`, as it
  /// would by doubling, so that with the copy of a growing array at most 1.5 times `total` is taken.
  mutating func append(_ bytes: UnsafeRawBufferPointer, of total: Int) {
    let needed = count + bytes.count
    if needed > capacity { reserveCapacity(Swift.max(needed, Swift.min(total, 2 * capacity))) }
    append(contentsOf: bytes)
  }

  /// The memory that `append(_:of:)` takes at most on the way to `total` bytes.
  static func growthByteCount(to total: Int) -> Int {
    let (sum, overflow) = total.addingReportingOverflow(total / 2)
    return overflow ? .max : sum
  }
}
