// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

/// What a reply tells of a mask beside the mask itself, where the request asked for more.
struct MaskAdditions: Sendable {
  /// A sum over kept entries, and over all.
  struct Sums: Sendable {
    let kept: Double
    let total: Double

    /// The share that is kept; 1 where there is nothing.
    var retained: Double { total > 0 ? kept / total : 1 }
  }

  /// The magnitudes of the weights, where scores decided in their place.
  var magnitudes: Sums?
  /// Whether entries that are zero were kept out, the entries there were, and the groups that are
  /// short of others.
  var zeros: (count: Int, shortGroups: Int, first: ShortGroup?)?
  /// The entries in which the mask differs from the previous one, and how many there are in all.
  var flips: (count: Int, entries: Int)?
  /// The pruned weights.
  var values: (bytes: [UInt8], dataType: DataType)?

  /// Writes the members that follow those of every reply.
  func write(to writer: inout JSONWriter) {
    if let zeros {
      writer.name("zeros")
      writer.beginObject()
      writer.member("entries", zeros.count)
      writer.member("short_groups", zeros.shortGroups)
      writer.name("first_short_group")
      if let first = zeros.first {
        writer.beginObject()
        writer.member("axis", first.axis == .columns ? "column" : "row")
        writer.member("row", first.row)
        writer.member("column", first.column)
        writer.member("non_zeros", first.allowed)
        writer.endObject()
      } else {
        writer.null()
      }
      writer.endObject()
    }
    if let flips {
      writer.member("flips", flips.count)
      writer.member(
        "flip_rate",
        flips.entries > 0 ? Double(flips.count) / Double(flips.entries) : 0
      )
    }
  }
}
