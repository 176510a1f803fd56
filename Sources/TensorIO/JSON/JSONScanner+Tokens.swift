// SPDX-License-Identifier: GPL-3.0-or-later

/// Where the scanner is inside a string.
struct JSONStringState: Sendable {
  enum Part {
    case plain
    /// After a backslash.
    case escape
    /// Inside \uXXXX, with `digitsLeft` to come.
    case unicode
    /// After a high surrogate: a backslash, then a u, must follow.
    case lowBackslash
    case lowLetter
  }

  var isName = false
  var part = Part.plain
  /// The offset of the backslash of the escape in hand.
  var escapeOffset = 0
  var digitsLeft = 0
  var codeUnit: UInt32 = 0
  /// The high surrogate that waits for its other half; 0 if there is none.
  var highSurrogate: UInt32 = 0
  /// The number of UTF-8 continuation bytes to come, and the range of the next.
  var continuations = 0
  var lowest: UInt8 = 0x80
  var highest: UInt8 = 0xbf
}

extension JSONScanner {
  /// Decodes a string up to its closing quote or the end of the bytes.
  mutating func scanString(
    _ cursor: inout UnsafePointer<UInt8>,
    start: UnsafePointer<UInt8>,
    end: UnsafePointer<UInt8>
  ) throws(JSONError) {
    while cursor < end {
      if string.part == .plain && string.continuations == 0 {
        let run = cursor
        while cursor < end, isPlain(cursor.pointee) { cursor += 1 }
        try hold(UnsafeBufferPointer(start: run, count: cursor - run))
        if cursor == end { return }
      }
      let byte = cursor.pointee
      let offset = chunkOffset + (cursor - start)
      cursor += 1
      if string.part != .plain {
        try takeEscaped(byte, at: offset)
      } else if string.continuations > 0 {
        guard (string.lowest...string.highest).contains(byte) else {
          throw .syntax(reason: "the text is not UTF-8", offset: offset)
        }
        string.continuations -= 1
        string.lowest = 0x80
        string.highest = 0xbf
        try hold(byte)
      } else if byte == UInt8(ascii: "\"") {
        return try endString()
      } else if byte == UInt8(ascii: "\\") {
        string.part = .escape
        string.escapeOffset = offset
      } else if byte < 0x20 {
        throw .syntax(
          reason: "a string has the control character \(printable(byte)), which must be escaped",
          offset: offset
        )
      } else {
        try beginSequence(byte, at: offset)
      }
    }
  }

  /// Takes the first byte of a UTF-8 sequence (the Unicode Standard, table 3-7).
  private mutating func beginSequence(_ byte: UInt8, at offset: Int) throws(JSONError) {
    switch byte {
    case 0xc2...0xdf: string.continuations = 1
    case 0xe0...0xef: string.continuations = 2
    case 0xf0...0xf4: string.continuations = 3
    default: throw .syntax(reason: "the text is not UTF-8", offset: offset)
    }
    switch byte {
    case 0xe0: string.lowest = 0xa0
    case 0xed: string.highest = 0x9f
    case 0xf0: string.lowest = 0x90
    case 0xf4: string.highest = 0x8f
    default: break
    }
    try hold(byte)
  }

  /// Takes a byte of an escape sequence.
  private mutating func takeEscaped(_ byte: UInt8, at offset: Int) throws(JSONError) {
    switch string.part {
    case .escape:
      string.part = .plain
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): try hold(byte)
      case UInt8(ascii: "b"): try hold(0x08)
      case UInt8(ascii: "f"): try hold(0x0c)
      case UInt8(ascii: "n"): try hold(0x0a)
      case UInt8(ascii: "r"): try hold(0x0d)
      case UInt8(ascii: "t"): try hold(0x09)
      case UInt8(ascii: "u"): beginUnicode()
      default: throw .syntax(reason: "there is no escape \(printable(byte))", offset: offset)
      }
    case .unicode:
      guard let digit = hexadecimal(byte) else {
        throw .syntax(
          reason: "a hexadecimal digit is expected, not \(printable(byte))",
          offset: offset
        )
      }
      string.codeUnit = string.codeUnit << 4 | digit
      string.digitsLeft -= 1
      if string.digitsLeft == 0 { try endUnicode() }
    case .lowBackslash:
      guard byte == UInt8(ascii: "\\") else { throw loneSurrogate }
      string.part = .lowLetter
    case .lowLetter:
      guard byte == UInt8(ascii: "u") else { throw loneSurrogate }
      beginUnicode()
    case .plain: break
    }
  }

  private mutating func beginUnicode() {
    string.part = .unicode
    string.digitsLeft = 4
    string.codeUnit = 0
  }

  private mutating func endUnicode() throws(JSONError) {
    let unit = string.codeUnit
    string.part = .plain
    if string.highSurrogate != 0 {
      guard (0xdc00...0xdfff).contains(unit) else { throw loneSurrogate }
      try hold(scalar: 0x10000 + (string.highSurrogate - 0xd800) << 10 + (unit - 0xdc00))
      string.highSurrogate = 0
    } else if (0xd800...0xdbff).contains(unit) {
      string.highSurrogate = unit
      string.part = .lowBackslash
    } else {
      guard !(0xdc00...0xdfff).contains(unit) else { throw loneSurrogate }
      try hold(scalar: unit)
    }
  }

  private var loneSurrogate: JSONError {
    .syntax(reason: "half a surrogate pair stands alone", offset: string.escapeOffset)
  }

  private mutating func hold(scalar: UInt32) throws(JSONError) {
    guard let scalar = UnicodeScalar(scalar) else { throw loneSurrogate }
    for byte in UTF8.encode(scalar).unsafelyUnwrapped { try hold(byte) }
  }

  private mutating func hold(_ byte: UInt8) throws(JSONError) {
    try charge(1)
    token.append(byte)
  }

  private mutating func hold(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) {
    try charge(bytes.count)
    token.append(contentsOf: bytes)
  }

  private mutating func endString() throws(JSONError) {
    let text = String(decoding: token, as: UTF8.self)
    token.removeAll(keepingCapacity: token.capacity <= 4096)
    guard string.isName, let last = frames.indices.last else {
      return try deliver(.string(text))
    }
    guard frames[last].begin(name: text) else {
      throw .duplicateName(text, offset: tokenOffset)
    }
    position = .colon
  }

  // MARK: Numbers that stand alone or that a chunk has cut

  /// Gathers the text of a number up to its end or the end of the bytes.
  mutating func scanNumber(
    _ cursor: inout UnsafePointer<UInt8>,
    start: UnsafePointer<UInt8>,
    end: UnsafePointer<UInt8>
  ) throws(JSONError) {
    let run = cursor
    // One more than the limit tells the number that is too long from the one that just fits.
    let stop = run + min(end - run, limits.numberLength + 1 - token.count)
    while cursor < stop, isNumberByte(cursor.pointee) { cursor += 1 }
    token.append(contentsOf: UnsafeBufferPointer(start: run, count: cursor - run))
    if token.count > limits.numberLength {
      try endNumber(before: 0, offset: tokenOffset + token.count)
    } else if cursor < end {
      try endNumber(before: cursor.pointee, offset: tokenOffset + token.count)
    }
  }

  /// Ends the number in `token` at the byte that follows it, if one does.
  mutating func endNumber(before byte: UInt8?, offset: Int) throws(JSONError) {
    var value = 0.0
    let (outcome, length) = token.withUnsafeBufferPointer { text in
      guard var cursor = text.baseAddress else { return (NumberOutcome.malformed, 0) }
      let first = cursor
      let outcome = readNumber(&cursor, end: first + text.count, isWhole: true, into: &value)
      return (outcome, cursor - first)
    }
    if outcome == .complete && length <= limits.numberLength {
      let text = String(decoding: token[..<length], as: UTF8.self)
      let following = token[length...].first
      token.removeAll(keepingCapacity: true)
      try deliver(.number(JSONNumber(text: text, value: value)))
      // A sign or a point that begins nothing may be left.
      if let following { throw unexpected(following, at: tokenOffset + length) }
      return
    }
    guard outcome != .complete, length <= limits.numberLength else {
      throw .numberTooLong(limit: limits.numberLength, offset: tokenOffset)
    }
    guard let found = length < token.count ? token[length] : byte else {
      throw .unexpectedEnd(offset: offset)
    }
    throw .syntax(
      reason: numberFault(before: length > 0 ? token[length - 1] : 0, found: found),
      offset: tokenOffset + length
    )
  }
}
