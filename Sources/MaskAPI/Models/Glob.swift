// SPDX-License-Identifier: GPL-3.0-or-later

/// A pattern of names: `*` stands for any run of characters, `?` for any one, all else for itself.
///
/// Dots and slashes are characters like others, so `encoder.*` takes in all that is below `encoder`.
struct Glob: Sendable {
  let text: String
  private let pattern: [Character]

  init(_ text: String) {
    self.text = text
    pattern = Array(text)
  }

  /// Whether the pattern stands for the whole of `name`.
  ///
  /// Only the last `*` is ever taken back, since a later one can make up for all before it.
  ///
  /// - Complexity: O(pattern * name).
  func matches(_ name: String) -> Bool {
    let name = Array(name)
    var (place, index) = (0, 0)
    var star: (place: Int, index: Int)?
    while index < name.count {
      if place < pattern.count, pattern[place] == "*" {
        star = (place, index)
        place += 1
      } else if place < pattern.count, pattern[place] == "?" || pattern[place] == name[index] {
        place += 1
        index += 1
      } else if let last = star {
        star = (last.place, last.index + 1)
        place = last.place + 1
        index = last.index + 1
      } else {
        return false
      }
    }
    return pattern[place...].allSatisfy { $0 == "*" }
  }
}
