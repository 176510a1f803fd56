// SPDX-License-Identifier: GPL-3.0-or-later

/// Appends the shortest decimal text that reads back as a finite value.
@inline(__always)
func append(
  shortest value: some BinaryFloatingPoint & LosslessStringConvertible,
  to text: inout [UInt8]
) {
  text.append(contentsOf: value.description.utf8)
}
