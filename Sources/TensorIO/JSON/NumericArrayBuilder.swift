// SPDX-License-Identifier: GPL-3.0-or-later

/// What a scanner may read next.
enum JSONPosition {
  /// A value.
  case value
  /// A value or the end of the array that has just begun.
  case firstElement
  /// A comma or the end of the container; at the top, nothing.
  case afterValue
  /// A name or the end of the object that has just begun.
  case firstName
  /// A name.
  case name
  /// A colon.
  case colon
  /// The inside of a string, a number or a literal that has begun.
  case string
  case number
  case literal
}

/// Builds one `NumericArray`, nested as it may be, straight from the text.
struct NumericArrayBuilder {
  /// Why `scan` came back.
  enum Stop {
    /// The bytes are used up.
    case exhausted
    /// The byte at the cursor is not one of a regular array of numbers; the scanner handles it.
    case other
    /// A number begins at the cursor and its end is not among the bytes.
    case partialNumber
    /// The outermost array has ended.
    case closed
    /// The byte at the cursor cannot stand in the number that begins at `start`.
    case malformedNumber(start: UnsafePointer<UInt8>)
    case longNumber
    case tooDeep
    case overBudget
  }

  private var values: [Double] = []
  private var large: [NumericArray.LargeInteger] = []
  /// For each open array, the outermost first, the number of its complete elements.
  private var counts: [Int] = [0]
  /// For each depth, the length of the first complete array there; -1 before there is one.
  private var lengths: [Int] = [-1]
  private var leafDepth = 0
  private var leaf = NumericArray.Leaf.none
  private var irregularity: NumericArray.Irregularity?
  private var firstOverflow: Int?
  /// Where numbers gather, so that the array is touched once in some hundreds of them.
  private var block: [Double] = []

  /// The number of open arrays.
  var depth: Int { counts.count }

  /// Whether nothing has been read since the outermost bracket.
  var isPristine: Bool { counts == [0] && lengths == [-1] && irregularity == nil }

  /// The array, once `scan` or `close` has said that it has ended.
  func finish() -> NumericArray {
    NumericArray(
      values: values,
      shape: irregularity == nil ? lengths : [],
      leaf: leaf,
      irregularity: irregularity,
      firstOverflow: firstOverflow,
      largeIntegers: large
    )
  }

  /// Makes room for all numbers, as many as the part of the text that was read lets expect, before
  /// the array would be moved again and again.
  ///
  /// Never for more numbers than bytes have come, so that a client's announcement takes no memory.
  ///
  /// - Parameters:
  ///   - read: the bytes that the numbers so far were read from.
  ///   - piece: the bytes that have come after them.
  mutating func makeRoom(read: Int, piece: Int, of total: Int, budget: Int) {
    guard irregularity == nil, values.count >= 1024, total > read else { return }
    let numbersPerByte = Double(values.count) / Double(read)
    let expected = numbersPerByte * Double(total)
    // With room for the numbers of this piece, nothing is moved yet.
    let next = Double(values.count) + 1.02 * numbersPerByte * Double(piece)
    guard expected > Double(values.capacity), next > Double(values.capacity) else { return }
    let allowed = min(read + piece, values.count + max(0, budget) / 8)
    let room = Int(min(1.02 * expected + 4096, Double(allowed)))
    // Else it is worth no move.
    guard Double(room) >= expected || room / 2 >= values.capacity else { return }
    values.reserveCapacity(room)
  }

  // MARK: Single events

  /// Opens an array inside the innermost one.
  mutating func open() {
    if counts.count == leafDepth { record(.arrayAmongLeaves) }
    counts.append(0)
    if lengths.count < counts.count { lengths.append(-1) }
  }

  /// Closes the innermost array; true if it was the outermost.
  mutating func close() -> Bool {
    let count = counts.removeLast()
    let depth = counts.count
    if lengths[depth] < 0 {
      lengths[depth] = count
    } else if lengths[depth] != count {
      record(.ragged(count: count, expected: lengths[depth]))
    }
    if counts.isEmpty { return true }
    counts[depth - 1] += 1
    return false
  }

  /// Takes a value that is neither a number nor a boolean nor an array.
  mutating func reject(_ value: JSONValue) {
    record(.wrongKind(found: value.kindName, expected: expectation))
    counts[counts.count - 1] += 1
  }

  /// Takes a leaf; false if the budget does not allow it.
  mutating func append(_ value: Double, as kind: NumericArray.Leaf, budget: inout Int) -> Bool {
    admit(kind)
    counts[counts.count - 1] += 1
    guard irregularity == nil else { return true }
    budget -= MemoryLayout<Double>.stride
    if budget < 0 { return false }
    values.append(value)
    return true
  }

  /// Records what is not plain about the number that was appended last.
  mutating func note(_ text: UnsafeBufferPointer<UInt8>, budget: inout Int) -> Bool {
    guard irregularity == nil, let value = values.last else { return true }
    if value.isInfinite {
      if firstOverflow == nil { firstOverflow = values.count - 1 }
    } else if value.magnitude >= 0x1p53, let exact = ExactInteger(numberText: text),
      exact.magnitude != UInt64(exactly: value.magnitude)
    {
      budget -= MemoryLayout<NumericArray.LargeInteger>.stride
      if budget < 0 { return false }
      large.append(.init(index: values.count - 1, value: exact))
    }
    return true
  }

  private var expectation: String {
    if lengths.count > counts.count { return "an array" }
    return leaf == .boolean ? "a boolean" : "a number"
  }

  /// Checks that a leaf of this kind may stand at this depth.
  private mutating func admit(_ kind: NumericArray.Leaf) {
    if leafDepth == 0 && lengths.count == counts.count {
      leafDepth = counts.count
      leaf = kind
    } else if counts.count != leafDepth {
      record(.leafAmongArrays)
    } else if kind != leaf {
      let found = kind == .number ? "a number" : "a boolean"
      record(.wrongKind(found: found, expected: expectation))
    }
  }

  /// Notes the first fault, at the element that comes next; later ones are not looked at.
  private mutating func record(_ fault: NumericArray.Irregularity.Fault) {
    if irregularity == nil { irregularity = .init(path: counts, fault: fault) }
  }

  // MARK: The fast path

  /// Reads numbers, booleans, commas and brackets for as long as there is nothing else.
  ///
  /// - Parameters:
  ///   - position: `.value`, `.firstElement` or `.afterValue`, before and after.
  ///   - depthLimit: The number of arrays that may be open.
  mutating func scan(
    _ cursor: inout UnsafePointer<UInt8>,
    end: UnsafePointer<UInt8>,
    position: inout JSONPosition,
    depthLimit: Int,
    numberLimit: Int,
    budget: inout Int
  ) -> Stop {
    while true {
      while cursor < end, isWhitespace(cursor.pointee) { cursor += 1 }
      if cursor == end { return .exhausted }
      let byte = cursor.pointee
      if position == .afterValue {
        if byte == UInt8(ascii: ",") {
          position = .value
          cursor += 1
        } else if byte == UInt8(ascii: "]") {
          cursor += 1
          if close() { return .closed }
        } else {
          return .other
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        let stop = scanRun(&cursor, end: end, numberLimit: numberLimit, budget: &budget)
        if let stop { return stop }
        position = .afterValue
      case UInt8(ascii: "["):
        if counts.count == depthLimit { return .tooDeep }
        cursor += 1
        open()
        position = .firstElement
      case UInt8(ascii: "]") where position == .firstElement:
        cursor += 1
        if close() { return .closed }
        position = .afterValue
      case UInt8(ascii: "t") where isWord(0x6575_7274, at: cursor, end: end):
        cursor += 4
        position = .afterValue
        if !append(1, as: .boolean, budget: &budget) { return .overBudget }
      case UInt8(ascii: "f") where isWord(0x6573_6c61, at: cursor + 1, end: end):
        cursor += 5
        position = .afterValue
        if !append(0, as: .boolean, budget: &budget) { return .overBudget }
      default:
        return .other
      }
    }
  }

  /// Reads numbers and the commas between them, from a number at the cursor on.
  ///
  /// Nil when the byte at the cursor does not go on with the run; the last number is then read.
  @inline(__always)
  private mutating func scanRun(
    _ cursor: inout UnsafePointer<UInt8>,
    end: UnsafePointer<UInt8>,
    numberLimit: Int,
    budget: inout Int
  ) -> Stop? {
    admit(.number)
    let isKept = irregularity == nil
    if block.isEmpty { block = [Double](repeating: 0, count: 512) }
    var gathered: [Double] = []
    swap(&gathered, &block)
    defer { swap(&gathered, &block) }
    return gathered.withUnsafeMutableBufferPointer { block in
      let first = cursor
      var filled = 0
      var room = isKept ? min(block.count, budget / 8) : block.count
      defer { flush(block, &filled, budget: &budget) }
      while true {
        if cursor - first >= shortDecimalWindow, numberLimit >= shortDecimalWindow,
          let comma = readShortDecimals(cursor, end: end, into: block, filled: &filled, room: room)
        {
          // A space and the next number's first byte are among the bytes.
          var next = comma + 1
          if next.pointee == UInt8(ascii: " ") { next += 1 }
          guard isNumberStart(next.pointee) else {
            cursor = comma
            return nil
          }
          cursor = next
        }
        let start = cursor
        var next = cursor
        var value = 0.0
        if end - next >= 2, next[1] == UInt8(ascii: ","), next[0] &- 48 <= 9 {
          // Masks are made of single digits.
          value = Double(next[0] &- 48)
          next += 1
        } else {
          let outcome = readNumber(&next, end: end, isWhole: false, into: &value)
          if outcome == .incomplete {
            return end - start > numberLimit ? .longNumber : .partialNumber
          }
          if next - start > numberLimit { return .longNumber }
          if outcome == .malformed {
            cursor = next
            return .malformedNumber(start: start)
          }
        }
        if filled == room {
          flush(block, &filled, budget: &budget)
          room = isKept ? min(block.count, budget / 8) : block.count
          if room == 0 { return .overBudget }
        }
        block[filled] = value
        filled += 1
        cursor = next
        // One test for both oddities: beyond 2^53, or beyond everything.
        if value.magnitude >= 0x1p53 {
          flush(block, &filled, budget: &budget)
          let text = UnsafeBufferPointer(start: start, count: next - start)
          if !note(text, budget: &budget) { return .overBudget }
          room = isKept ? min(block.count, budget / 8) : block.count
        }
        guard next < end, next.pointee == UInt8(ascii: ",") else { return nil }
        next += 1
        if next < end, next.pointee == UInt8(ascii: " ") { next += 1 }
        guard next < end, isNumberStart(next.pointee) else { return nil }
        cursor = next
      }
    }
  }

  /// Moves the numbers of a block to the array.
  private mutating func flush(
    _ block: UnsafeMutableBufferPointer<Double>,
    _ filled: inout Int,
    budget: inout Int
  ) {
    counts[counts.count - 1] += filled
    if irregularity == nil {
      values.append(contentsOf: UnsafeBufferPointer(rebasing: block[..<filled]))
      budget -= filled * MemoryLayout<Double>.stride
    }
    filled = 0
  }
}
