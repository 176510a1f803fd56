// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// The counts of one pattern on one matrix, side by side.
public struct DiversityReport: Sendable {
  private let matrix: MatrixDiversity
  private let group: MaskCount
  private let tile: MaskCount?
  private let paperTile: MaskCount?

  init(_ parameters: ParameterSet, _ cache: DiversityCache) throws(Problem) {
    let n = try parameters.requiredInteger("n")
    let m = try parameters.requiredInteger("m")
    let rows = try parameters.requiredInteger("rows")
    let columns = try parameters.requiredInteger("columns")
    for (name, side) in [("rows", rows), ("columns", columns)] where side < 0 {
      throw Problem(
        .unprocessableContent,
        "'\(name)' must not be negative, as \(side) is.",
        pointer: "/\(name)"
      )
    }
    let pattern: Pattern
    do { pattern = try Pattern(n: n, m: m) } catch { throw Problem(error) }
    guard m <= Pattern.maximumGroupSize(for: .row) else {
      throw Problem(.groupSizeTooLarge(m: m, structure: .row))
    }
    do throws(DiversityError) {
      matrix = try MatrixDiversity(rows: rows, columns: columns, pattern: pattern)
    } catch {
      throw Problem(error)
    }
    group = cache.group(pattern)
    tile = cache.tile(pattern)
    paperTile = try? Diversity.paperTile(pattern)
  }

  /// Makes the report without a service.
  ///
  /// - Throws: `CommandError` with a sentence for the user.
  public init(rows: Int, columns: Int, n: Int, m: Int) throws(CommandError) {
    do {
      var parameters = ParameterSet()
      parameters.set("rows", String(rows))
      parameters.set("columns", String(columns))
      parameters.set("n", String(n))
      parameters.set("m", String(m))
      try self.init(parameters, DiversityCache())
    } catch {
      throw CommandError(error)
    }
  }

  /// The report as a JSON object.
  public var json: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("rows", matrix.rows)
    writer.member("columns", matrix.columns)
    writer.member("n", matrix.pattern.n)
    writer.member("m", matrix.pattern.m)
    write(&writer, "unstructured", matrix.unstructured, per: nil, nil)
    write(&writer, "row", matrix.row(group), per: "per_group", group)
    write(&writer, "column", matrix.column(group), per: "per_group", group)
    if let tile {
      write(&writer, "transposable", matrix.transposable(tile), per: "per_tile", tile)
    }
    if let paperTile {
      write(
        &writer,
        "transposable_paper",
        matrix.transposable(paperTile),
        per: "per_tile",
        paperTile
      )
    }
    writer.endObject()
    return writer.bytes
  }

  /// The lines of a table: what is counted, masks of a group or tile, log2 and bits per weight.
  public var table: [[String]] {
    func line(_ name: String, _ count: MatrixMaskCount?, _ unit: MaskCount?) -> [String] {
      // Numbers that no terminal has room for are better as powers of two.
      let masks = unit.map { unit in
        unit.decimal.flatMap { $0.count <= 48 ? $0 : nil } ?? "2^\(unit.log2)"
      }
      guard let count else { return [name, masks ?? "", "does not divide", ""] }
      return [name, masks ?? "", "\(count.log2)", "\(count.bitsPerWeight)"]
    }
    var lines = [["structure", "masks per group or tile", "log2", "bits per weight"]]
    lines.append(line("unstructured", matrix.unstructured, nil))
    lines.append(line("row", matrix.row(group), group))
    lines.append(line("column", matrix.column(group), group))
    if let tile { lines.append(line("transposable", matrix.transposable(tile), tile)) }
    if let paperTile {
      lines.append(line("transposable_paper", matrix.transposable(paperTile), paperTile))
    }
    return lines
  }

  /// A structure that does not divide the matrix is null.
  private func write(
    _ writer: inout JSONWriter,
    _ name: String,
    _ count: MatrixMaskCount?,
    per unitName: String?,
    _ unit: MaskCount?
  ) {
    guard let count else {
      writer.name(name)
      writer.null()
      return
    }
    writer.name(name)
    writer.beginObject()
    writer.member("log2", count.log2)
    writer.member("bits_per_weight", count.bitsPerWeight)
    if let unitName, let unit {
      if let decimal = unit.decimal { writer.member(unitName, decimal) }
      if name == "transposable" {
        writer.member("exact", unit.isExact)
        if !unit.isExact { writer.member("relative_error", unit.relativeError) }
      }
    }
    writer.endObject()
  }
}
