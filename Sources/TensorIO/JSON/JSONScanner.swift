// SPDX-License-Identifier: GPL-3.0-or-later

/// A strict, incremental JSON parser (RFC 8259) that is fed a text in chunks.
///
/// The result, or the error, is the same however the text is cut. No input makes it recurse, and
/// what it holds is bounded by `Limits`. Beyond the grammar it refuses two members of one name in
/// an object, since readers disagree on which of them counts, and a byte order mark.
///
///     var scanner = JSONScanner()
///     for chunk in chunks { try scanner.consume(chunk) }
///     let value = try scanner.finish()
public struct JSONScanner: Sendable {
  /// What one text may use.
  public struct Limits: Sendable, Hashable {
    /// The number of containers that may be open at once.
    public var depth: Int
    /// The bytes that the parsed values may take in memory.
    public var heldBytes: Int
    /// The characters that one number may have.
    public var numberLength: Int

    /// Makes limits; the defaults suit a request of up to some tens of millions of numbers.
    public init(depth: Int = 16, heldBytes: Int = 512 << 20, numberLength: Int = 4096) {
      self.depth = depth
      self.heldBytes = heldBytes
      self.numberLength = numberLength
    }
  }

  let limits: Limits
  /// The length of the text, if it was announced.
  private let expectedBytes: Int?
  /// What is left of `limits.heldBytes`.
  var budget: Int
  var position = JSONPosition.value
  /// The open containers, outermost first; one of kind `.numbers` stands for all arrays in it.
  var frames: [JSONFrame] = []
  /// The number of open containers.
  var depth = 0
  /// The offset in the text of the chunk in hand.
  var chunkOffset = 0
  /// The bytes so far of a number that a chunk cut, or of a string, decoded.
  var token: [UInt8] = []
  /// The offset at which the string, number or literal in hand begins.
  var tokenOffset = 0
  var string = JSONStringState()
  var literal = JSONLiteral.null
  private var literalCount = 0
  private var root: JSONValue?
  private var failure: JSONError?

  /// Makes a parser for one text.
  ///
  /// - Parameter expectedBytes: the announced length of the text. Nothing depends on it but how
  ///   often an array of numbers is moved while it grows.
  public init(limits: Limits = Limits(), expectedBytes: Int? = nil) {
    self.limits = limits
    self.expectedBytes = expectedBytes
    budget = limits.heldBytes
  }

  /// Parses the next bytes of the text, which are not kept.
  ///
  /// - Throws: `JSONError`, at the first fault; the same again from then on.
  /// - Complexity: O(bytes).
  public mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(JSONError) {
    if let failure { throw failure }
    guard let base = bytes.baseAddress else { return }
    do throws(JSONError) {
      let start = base.assumingMemoryBound(to: UInt8.self)
      try scan(start, end: start + bytes.count)
    } catch {
      failure = error
      frames = []
      throw error
    }
    chunkOffset += bytes.count
  }

  /// Parses the next bytes of the text.
  ///
  /// - Throws: `JSONError`, at the first fault; the same again from then on.
  /// - Complexity: O(bytes).
  public mutating func consume(_ bytes: [UInt8]) throws(JSONError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
      try consume(UnsafeRawBufferPointer(buffer))
    }
  }

  /// Ends the text and returns its value.
  ///
  /// - Throws: `JSONError.unexpectedEnd` if the text is not whole, or the fault found before.
  public mutating func finish() throws(JSONError) -> JSONValue {
    if let failure { throw failure }
    if position == .number { try endNumber(before: nil, offset: chunkOffset) }
    guard frames.isEmpty, position == .afterValue, let root else {
      throw .unexpectedEnd(offset: chunkOffset)
    }
    return root
  }

  // MARK: The state machine

  private mutating func scan(
    _ start: UnsafePointer<UInt8>,
    end: UnsafePointer<UInt8>
  ) throws(JSONError) {
    var cursor = start
    while cursor < end {
      switch position {
      case .string:
        try scanString(&cursor, start: start, end: end)
        continue
      case .number:
        try scanNumber(&cursor, start: start, end: end)
        continue
      case .literal:
        try scanLiteral(&cursor, start: start)
        continue
      default: break
      }

      if let last = frames.indices.last, frames[last].kind == .numbers {
        try scanNumbers(last, &cursor, start: start, end: end)
        if position == .number || cursor == end { continue }
      } else if isWhitespace(cursor.pointee) {
        cursor += 1
        continue
      }
      if isWhitespace(cursor.pointee) { continue }
      try take(cursor.pointee, at: chunkOffset + (cursor - start))
      if position != .number { cursor += 1 }
    }
  }

  /// Runs the fast path of the array builder in the innermost frame.
  private mutating func scanNumbers(
    _ last: Int,
    _ cursor: inout UnsafePointer<UInt8>,
    start: UnsafePointer<UInt8>,
    end: UnsafePointer<UInt8>
  ) throws(JSONError) {
    if let expectedBytes {
      frames[last].numbers.makeRoom(
        read: chunkOffset + (cursor - start),
        piece: end - cursor,
        of: expectedBytes,
        budget: budget
      )
    }
    let outside = depth - frames[last].numbers.depth
    let stop = frames[last].numbers.scan(
      &cursor,
      end: end,
      position: &position,
      depthLimit: limits.depth - outside,
      numberLimit: limits.numberLength,
      budget: &budget
    )
    depth = outside + frames[last].numbers.depth
    let offset = chunkOffset + (cursor - start)
    switch stop {
    case .exhausted, .other: break
    case .partialNumber:
      position = .number
      tokenOffset = offset
    case .closed:
      let array = frames.removeLast().numbers.finish()
      try deliver(.numbers(array))
    case .malformedNumber(let first):
      let before = cursor > first ? (cursor - 1).pointee : 0
      throw .syntax(
        reason: numberFault(before: before, found: cursor.pointee),
        offset: offset
      )
    case .longNumber:
      throw .numberTooLong(limit: limits.numberLength, offset: offset)
    case .tooDeep:
      throw .nestingTooDeep(limit: limits.depth, offset: offset)
    case .overBudget:
      throw .tooLarge(limit: limits.heldBytes)
    }
  }

  /// Takes one byte that is not white space, outside strings, numbers and literals.
  private mutating func take(_ byte: UInt8, at offset: Int) throws(JSONError) {
    switch (position, byte) {
    case (.value, UInt8(ascii: "\"")), (.firstElement, UInt8(ascii: "\"")),
      (.name, UInt8(ascii: "\"")), (.firstName, UInt8(ascii: "\"")):
      string = JSONStringState(isName: position == .name || position == .firstName)
      tokenOffset = offset
      position = .string
    case (.value, UInt8(ascii: "{")), (.firstElement, UInt8(ascii: "{")):
      try open(.object, at: offset)
      position = .firstName
    case (.value, UInt8(ascii: "[")), (.firstElement, UInt8(ascii: "[")):
      try open(.numbers, at: offset)
      position = .firstElement
    case (.value, _) where isNumberStart(byte), (.firstElement, _) where isNumberStart(byte):
      tokenOffset = offset
      position = .number
    case (.value, _), (.firstElement, _):
      guard let literal = JSONLiteral(first: byte) else { throw unexpected(byte, at: offset) }
      self.literal = literal
      literalCount = 1
      position = .literal
    case (.colon, UInt8(ascii: ":")): position = .value
    case (.firstName, UInt8(ascii: "}")): try closeObject()
    case (.afterValue, _):
      switch (frames.last?.kind, byte) {
      case (.object?, UInt8(ascii: ",")): position = .name
      case (.object?, UInt8(ascii: "}")): try closeObject()
      case (.elements?, UInt8(ascii: ",")): position = .value
      case (.elements?, UInt8(ascii: "]")):
        depth -= 1
        try deliver(.array(frames.removeLast().elements))
      default: throw unexpected(byte, at: offset)
      }
    default: throw unexpected(byte, at: offset)
    }
  }

  private mutating func open(_ kind: JSONFrame.Kind, at offset: Int) throws(JSONError) {
    guard depth < limits.depth else {
      throw .nestingTooDeep(limit: limits.depth, offset: offset)
    }
    depth += 1
    try charge(JSONFrame.overhead)
    frames.append(JSONFrame(kind: kind))
  }

  private mutating func closeObject() throws(JSONError) {
    depth -= 1
    try deliver(.object(JSONObject(members: frames.removeLast().members)))
  }

  private mutating func scanLiteral(
    _ cursor: inout UnsafePointer<UInt8>,
    start: UnsafePointer<UInt8>
  ) throws(JSONError) {
    let text = literal.text
    guard cursor.pointee == text.utf8Start[literalCount] else {
      throw unexpected(cursor.pointee, at: chunkOffset + (cursor - start))
    }
    cursor += 1
    literalCount += 1
    if literalCount == text.utf8CodeUnitCount { try deliver(literal.value) }
  }

  // MARK: Results

  /// Charges the budget for memory that is about to be held.
  mutating func charge(_ bytes: Int) throws(JSONError) {
    budget -= bytes
    if budget < 0 { throw .tooLarge(limit: limits.heldBytes) }
  }

  /// Hands a complete value to the container that it stands in.
  mutating func deliver(_ value: JSONValue) throws(JSONError) {
    position = .afterValue
    guard let last = frames.indices.last else {
      root = value
      return
    }
    if frames[last].kind == .numbers {
      switch value {
      case .number(let number):
        var text = number.text
        let isHeld = text.withUTF8 { text in
          frames[last].numbers.append(number.value, as: .number, budget: &budget)
            && frames[last].numbers.note(text, budget: &budget)
        }
        if !isHeld { throw .tooLarge(limit: limits.heldBytes) }
        return
      case .bool(let flag):
        if !frames[last].numbers.append(flag ? 1 : 0, as: .boolean, budget: &budget) {
          throw .tooLarge(limit: limits.heldBytes)
        }
        return
      default:
        guard frames[last].numbers.isPristine else {
          frames[last].numbers.reject(value)
          return
        }
        frames[last] = JSONFrame(kind: .elements)
      }
    }
    try charge(MemoryLayout<JSONObject.Member>.stride)
    frames[last].add(value)
  }
}
