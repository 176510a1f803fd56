// SPDX-License-Identifier: GPL-3.0-or-later

/// Keeps the n largest entries of each group along a row or down a column.
///
/// Groups are independent, so the choice is the optimum and its own proof: no entry left out is
/// larger than one that is kept. Among equal entries the one with the lower index is kept. With
/// weights >= 0 the best mask of at most n is one of exactly n, so both constraints agree.
///
/// - Complexity: O(log m) for each entry.
final class TopNSolver: MaskSolver {
  private let pattern: Pattern
  private let axis: Side
  private var keys: [UInt64]
  private var sorted: [UInt64]
  private var weights: [Double]

  init(pattern: Pattern, axis: Side) {
    self.pattern = pattern
    self.axis = axis
    keys = [UInt64](repeating: 0, count: pattern.m)
    sorted = keys
    weights = [Double](repeating: 0, count: pattern.m)
  }

  func solve(_ strip: MatrixView, columns: Int, into mask: MaskRows) -> MaskOutcome {
    var outcome = MaskOutcome()
    let step = axis == .rows ? pattern.m : 1
    for column in stride(from: 0, to: columns, by: step) {
      strip.dataType.accept(GroupLoader(solver: self, strip: strip, column: column))
      keepLargest(column: column, mask: mask, outcome: &outcome)
    }
    return outcome
  }

  private func keepLargest(column: Int, mask: MaskRows, outcome: inout MaskOutcome) {
    let (n, m) = (pattern.n, pattern.m)
    for index in 0..<m { sorted[index] = keys[index] }
    sorted.sort(by: >)
    let threshold = sorted[n - 1]
    // How many of the entries equal to the threshold there is room for.
    var room = n
    for index in 0..<n where sorted[index] > threshold { room -= 1 }
    var keptMagnitude = 0.0
    var totalMagnitude = 0.0
    for index in 0..<m {
      totalMagnitude += weights[index]
      guard keys[index] >= threshold else { continue }
      if keys[index] == threshold {
        guard room > 0 else { continue }
        room -= 1
      }
      keptMagnitude += weights[index]
      let (row, entryColumn) = axis == .rows ? (0, column + index) : (index, column)
      mask.write(1, count: 1, row: row, column: entryColumn)
    }
    outcome.kept += n
    outcome.keptMagnitude += keptMagnitude
    outcome.totalMagnitude += totalMagnitude
  }

  private struct GroupLoader: MatrixVisitor {
    let solver: TopNSolver
    let strip: MatrixView
    let column: Int

    func visit<Element: MatrixElement>(_ type: Element.Type) {
      let size = MemoryLayout<Element>.size
      let step = solver.axis == .rows ? size : strip.rowByteCount
      for index in 0..<solver.pattern.m {
        let element = strip.base.loadUnaligned(
          fromByteOffset: column * size + index * step,
          as: type
        )
        solver.keys[index] = element.orderingKey
        solver.weights[index] = element.absoluteDouble
      }
    }
  }
}
