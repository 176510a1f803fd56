// SPDX-License-Identifier: GPL-3.0-or-later

public import ArgumentParser
public import MaskAPI
public import Sparsity

// What an option takes by name; the parser lists the names in help and completions.

extension Structure: ExpressibleByArgument {}
extension Sparsity.Constraint: ExpressibleByArgument {}
extension MaskMethod: ExpressibleByArgument {}
extension GradientMethod: ExpressibleByArgument {}
extension Remainder: ExpressibleByArgument {}
extension MaskEncoding: ExpressibleByArgument {}

/// The groups of a convolution, as `conv.weight=32`.
struct GroupsArgument: ExpressibleByArgument {
  let name: String
  let count: Int

  init?(argument: String) {
    guard let sign = argument.lastIndex(of: "="), sign > argument.startIndex,
      let count = Int(argument[argument.index(after: sign)...]), count > 0
    else { return nil }
    name = String(argument[..<sign])
    self.count = count
  }
}
