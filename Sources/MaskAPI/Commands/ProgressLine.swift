// SPDX-License-Identifier: GPL-3.0-or-later

/// How far a solve has come, on one line.
public struct ProgressLine: Sendable {
  public var tensors = 0
  public var tensorsDone = 0
  public var weights = 0
  public var weightsDone = 0

  /// Makes a line of nothing done.
  public init() {}

  /// The share that is done, from 0 to 1.
  private var share: Double {
    if weights > 0 { return min(1, Double(weightsDone) / Double(weights)) }
    return tensors > 0 ? Double(tensorsDone) / Double(tensors) : 1
  }

  /// A bar with figures behind it, in ASCII.
  ///
  /// - Parameters:
  ///   - width: the most characters; figures that do not fit are left out.
  ///   - elapsed: the seconds since the start.
  public func text(width: Int, elapsed: Double) -> String {
    var percent = "\(Int(share * 100))%"
    percent = String(repeating: " ", count: 4 - percent.count) + percent
    let tensors = "\(tensorsDone)/\(tensors) tensors"
    let weights = "\(Self.short(weightsDone))/\(Self.short(weights)) weights"
    var rate: [String] = []
    var left: [String] = []
    if weightsDone > 0, elapsed > 0 {
      rate = ["\(Self.short(Int(Double(weightsDone) / elapsed)))/s"]
      left = ["\(Self.time(elapsed * (1 - share) / share)) left"]
    }
    let leastBar = 10
    var text = ""
    // The time left is of more use than the rate, and both of more than the weights.
    let choices: [[String]] = [
      [percent, tensors, weights] + rate + left, [percent, tensors] + rate + left,
      [percent, tensors] + left, [percent] + left, [percent],
    ]
    for choice in choices {
      text = choice.joined(separator: "  ")
      if text.count + leastBar + 3 <= width { break }
    }
    let room = min(40, width - text.count - 3)
    guard room >= leastBar else { return String(text.prefix(max(0, width))) }
    let filled = Int(share * Double(room))
    return "[" + String(repeating: "#", count: filled)
      + String(repeating: "-", count: room - filled) + "] " + text
  }

  /// A number with three digits or so and a letter for its size.
  static func short(_ number: Int) -> String {
    let units = [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)]
    // Rounded before the unit is chosen, so that 999,960 is 1.0M rather than 1000k.
    guard let (letter, unit) = units.first(where: { Double(number) / $0.1 >= 0.9995 }) else {
      return "\(number)"
    }
    let value = Double(number) / unit
    return value < 99.95
      ? "\((value * 10).rounded() / 10)\(letter)" : "\(Int(value.rounded()))\(letter)"
  }

  /// Minutes and seconds, and hours if need be.
  static func time(_ seconds: Double) -> String {
    let all = Int(min(seconds, 359_999).rounded(.up))
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let (hours, rest) = all.quotientAndRemainder(dividingBy: 3600)
    return (hours > 0 ? "\(hours):\(two(rest / 60))" : "\(rest / 60)") + ":\(two(rest % 60))"
  }
}
