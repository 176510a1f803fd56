// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

@testable import TensorIO

/// The JSON scanner and writer.
///
/// - The pieces that a text comes in change neither its value nor its fault.
/// - Every number is the Double that `strtod` reads, in the order of the text.
/// - What the writer makes of a value reads back as that value.
func fuzzJSON(_ input: UnsafeRawBufferPointer) {
  var choices = Choices(of: input)
  let whole = parse(input, .none)
  require(parse(input, .everywhere) == whole, "single bytes mean the same as the whole")
  require(parse(input, .some(input.count, &choices)) == whole, "pieces mean the same as the whole")

  let tight = JSONScanner.Limits(
    depth: 1 + choices.below(4),
    heldBytes: choices.below(2000),
    numberLength: 1 + choices.below(24)
  )
  let limited = parse(input, .none, tight)
  require(
    parse(input, .some(input.count, &choices), tight) == limited,
    "pieces meet a limit where the whole does"
  )
  guard case .success(let value) = whole else {
    if case .success = limited { refute("limits make no text valid", #line) }
    return
  }
  if case .success(let other) = limited { require(other == value, "limits change no value") }

  var leaves = Leaves()
  leaves.add(value)
  guard leaves.areAll else { return }
  compare(leaves.values, withNumbersOf: input)

  guard leaves.values.allSatisfy(\.isFinite) else { return }
  var writer = JSONWriter()
  writer.write(value)
  let again = writer.bytes.withUnsafeBytes { parse($0, .none) }
  guard case .success(let read) = again else { refute("what is written is valid", #line) }
  require(read.isSame(as: value), "what is written reads back as it was")
}

private func parse(
  _ input: UnsafeRawBufferPointer,
  _ cuts: Cuts,
  _ limits: JSONScanner.Limits = .init()
) -> Result<JSONValue, JSONError> {
  var scanner = JSONScanner(limits: limits)
  do throws(JSONError) {
    try cuts.pieces(of: input) { (piece) throws(JSONError) in try scanner.consume(piece) }
    return .success(try scanner.finish())
  } catch {
    return .failure(error)
  }
}

/// The numbers and booleans of a value, in the order of its text.
private struct Leaves {
  var values: [Double] = []
  /// Whether no array has been left off in its middle.
  var areAll = true

  mutating func add(_ value: JSONValue) {
    switch value {
    case .null, .string: break
    case .bool(let flag): values.append(flag ? 1 : 0)
    case .number(let number):
      values.append(number.value)
      require(
        Int64(number.text).map { number.int64 == $0 } ?? true,
        "an integer's text is that integer"
      )
    case .numbers(let array):
      if array.irregularity != nil { areAll = false }
      let count = TensorIndex.elementCount(of: array.shape)
      require(!areAll || count == array.values.count, "a regular array fills its shape")
      values += array.values
    case .array(let elements): for element in elements { add(element) }
    case .object(let object): for member in object.members { add(member.value) }
    }
  }
}

/// Looks for numbers and booleans outside the strings of a valid text, as simply as can be.
private func compare(_ values: [Double], withNumbersOf text: UnsafeRawBufferPointer) {
  var found = 0
  func take(_ value: Double) {
    require(
      found < values.count && values[found].bitPattern == value.bitPattern,
      "number \(found) of the text is \(value)"
    )
    found += 1
  }
  var index = 0
  while index < text.count {
    let byte = text[index]
    switch byte {
    case UInt8(ascii: "\""):
      index += 1
      while text[index] != UInt8(ascii: "\"") {
        index += text[index] == UInt8(ascii: "\\") ? 2 : 1
      }
    case UInt8(ascii: "t"):
      take(1)
      index += 3
    case UInt8(ascii: "f"):
      take(0)
      index += 4
    case UInt8(ascii: "n"): index += 3
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      let start = index
      while index < text.count, "0123456789+-.eE".utf8.contains(text[index]) { index += 1 }
      let number = text[start..<index].map { CChar(bitPattern: $0) } + [0]
      take(strtod(number, nil))
      continue
    default: break
    }
    index += 1
  }
  require(found == values.count, "the value has \(values.count) numbers, its text \(found)")
}

extension JSONWriter {
  fileprivate mutating func write(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let flag): self.value(flag)
    case .number(let number): self.value(number.value)
    case .string(let text): self.value(text)
    case .numbers(let array): write(array, axis: 0, from: 0, stride: array.values.count)
    case .array(let elements):
      beginArray()
      for element in elements { write(element) }
      endArray()
    case .object(let object):
      beginObject()
      for member in object.members {
        name(member.name)
        write(member.value)
      }
      endObject()
    }
  }

  private mutating func write(_ array: NumericArray, axis: Int, from start: Int, stride: Int) {
    guard axis < array.shape.count else {
      if array.leaf == .boolean {
        value(array.values[start] == 1)
      } else {
        value(array.values[start])
      }
      return
    }
    beginArray()
    let extent = array.shape[axis]
    let step = extent > 0 ? stride / extent : 0
    for index in 0..<extent {
      write(array, axis: axis + 1, from: start + index * step, stride: step)
    }
    endArray()
  }
}

extension JSONValue {
  /// Whether both are the same, but for the spelling of numbers and integers beyond 2^53.
  fileprivate func isSame(as other: JSONValue) -> Bool {
    switch (self, other) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left.value.bitPattern == right.value.bitPattern
    case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
    case (.numbers(let left), .numbers(let right)):
      left.shape == right.shape && left.leaf == right.leaf
        && left.values.elementsEqual(right.values) { $0.bitPattern == $1.bitPattern }
    case (.array(let left), .array(let right)):
      left.elementsEqual(right) { $0.isSame(as: $1) }
    case (.object(let left), .object(let right)):
      left.members.elementsEqual(right.members) {
        $0.name.utf8.elementsEqual($1.name.utf8) && $0.value.isSame(as: $1.value)
      }
    default: false
    }
  }
}
