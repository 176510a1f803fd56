// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SyntheticWeights

/// Stops the process, which libFuzzer takes for a find, where a property does not hold.
@inline(__always)
func require(
  _ holds: @autoclosure () -> Bool,
  _ property: @autoclosure () -> String,
  line: Int = #line
) {
  if !holds() { refute(property(), line) }
}

@inline(never)
func refute(_ property: String, _ line: Int) -> Never {
  complain("PROPERTY: \(property) (line \(line))")
  abort()
}

/// Writes a line to standard error.
func complain(_ line: String) {
  var line = line + "\n"
  line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// Choices that are a function of the input, so that the input alone repeats a find.
///
/// The generator is begun with the FNV-1a sum of the input.
struct Choices: RandomNumberGenerator {
  private var generator: SplitMix64

  init(of input: UnsafeRawBufferPointer) {
    generator = SplitMix64(
      seed: input.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    )
  }

  mutating func next() -> UInt64 { generator.next() }

  /// A number below `limit`, which must be small: its bias is of no matter here.
  mutating func below(_ limit: Int) -> Int { Int(truncatingIfNeeded: next() >> 33) % limit }
}

/// Where an input is cut into pieces.
enum Cuts {
  case none
  case everywhere
  case at(Int, Int)

  /// Some of the ways to cut so many bytes.
  static func some(_ count: Int, _ choices: inout Choices) -> Cuts {
    let first = choices.below(count + 1)
    return .at(first, first + choices.below(count - first + 1))
  }

  /// Hands the pieces over; each begins at an address of its own, so that reads past its end show.
  func pieces<Failure: Error>(
    of input: UnsafeRawBufferPointer,
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    switch self {
    case .none: try body(input)
    case .everywhere:
      for index in 0..<input.count {
        try body(UnsafeRawBufferPointer(rebasing: input[index..<(index + 1)]))
      }
    case .at(let first, let second):
      for range in [0..<first, first..<second, second..<input.count] {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count, alignment: 1)
        defer { piece.deallocate() }
        piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[range]))
        try body(UnsafeRawBufferPointer(piece))
      }
    }
  }
}

/// A reader of numbers from an input; zeros once it is used up.
struct ByteSource {
  private(set) var rest: UnsafeRawBufferPointer

  init(_ input: UnsafeRawBufferPointer) { rest = input }

  mutating func byte() -> Int {
    guard let first = rest.first else { return 0 }
    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
    return Int(first)
  }

  mutating func pick<Value>(_ values: [Value]) -> Value { values[byte() % values.count] }
}
