// SPDX-License-Identifier: GPL-3.0-or-later

import MaskAPI

/// Lines of cells as text, each column as wide as its widest cell.
func aligned(_ lines: [[String]]) -> String {
  let columnCount = lines.map(\.count).max() ?? 0
  let widths = (0..<columnCount).map { column in
    lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
  }
  return lines.map { line in
    line.enumerated().map { column, cell in
      column == line.count - 1
        ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
    }.joined()
  }.joined(separator: "\n")
}

/// Writes a line to standard output.
///
/// - Throws: `CommandError` where it cannot be written, which `print` would not say.
func printLine(_ text: String) throws(CommandError) {
  try OutputFile(path: "-").write(Array((text + "\n").utf8))
}
