// SPDX-License-Identifier: GPL-3.0-or-later

/// The parser of the text of a .npy header: a Python dictionary of three known keys.
///
///     dictionary = "{" [ entry { "," entry } [ "," ] ] "}"
///     entry      = string ":" value
///     value      = string | "True" | "False" | "(" [ integer { "," integer } [ "," ] ] ")"
///
/// White space may stand between any two symbols. There is no nesting, hence no recursion.
struct NPYDictionary {
  struct Fields {
    var descriptor: String
    var isFortranOrder: Bool
    var shape: [Int]
  }

  private let bytes: UnsafeRawBufferPointer
  /// Where `bytes` begin in the file.
  private let offset: Int
  private var position = 0

  init(bytes: UnsafeRawBufferPointer, offset: Int) {
    self.bytes = bytes
    self.offset = offset
  }

  mutating func parse() throws(TensorError) -> Fields {
    var descriptor: String?
    var isFortranOrder: Bool?
    var shape: [Int]?

    try expect("{")
    while !take("}") {
      skipSpace()
      let start = position
      let key = try string()
      try expect(":")
      switch key {
      case "descr" where descriptor == nil: descriptor = try self.descriptor()
      case "fortran_order" where isFortranOrder == nil: isFortranOrder = try boolean()
      case "shape" where shape == nil: shape = try extents()
      case "descr", "fortran_order", "shape": throw fault("the key '\(key)' is repeated", at: start)
      default: throw fault("the key '\(key.shortened(to: 64))' is unknown", at: start)
      }
      if !take(",") {
        try expect("}")
        break
      }
    }
    skipSpace()
    if position < bytes.count { throw fault("nothing may follow the dictionary") }
    guard let descriptor else { throw fault("there is no key 'descr'") }
    guard let isFortranOrder else { throw fault("there is no key 'fortran_order'") }
    guard let shape else { throw fault("there is no key 'shape'") }
    return Fields(descriptor: descriptor, isFortranOrder: isFortranOrder, shape: shape)
  }

  private mutating func descriptor() throws(TensorError) -> String {
    skipSpace()
    if peek == UInt8(ascii: "[") || peek == UInt8(ascii: "(") {
      // A structured type is a list, one with a shape a tuple; none of it is of use.
      let text = String(decoding: bytes[position...].prefix(64), as: UTF8.self)
      throw .unsupportedType(.npy, name: "\(text)… (structured)", tensor: nil)
    }
    return try string()
  }

  private mutating func boolean() throws(TensorError) -> Bool {
    if take("True") { return true }
    if take("False") { return false }
    throw fault("True or False is expected")
  }

  private mutating func extents() throws(TensorError) -> [Int] {
    try expect("(")
    var extents: [Int] = []
    var hasComma = false
    while !take(")") {
      guard extents.count < NPYHeader.maximumDimensions else {
        throw fault("the shape has more than \(NPYHeader.maximumDimensions) dimensions")
      }
      extents.append(try integer())
      if !take(",") {
        try expect(")")
        break
      }
      hasComma = true
    }
    if extents.count == 1 && !hasComma { throw fault("a shape of one extent needs a comma") }
    return extents
  }

  private mutating func integer() throws(TensorError) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while let digit = peek.map({ $0 &- 48 }), digit <= 9 {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(digit))
      if overflow || carry { throw fault("an extent is too large", at: start) }
      value = sum
      position += 1
    }
    if position == start {
      throw fault(
        peek == UInt8(ascii: "-") ? "an extent is negative" : "an integer is expected"
      )
    }
    if bytes[start] == UInt8(ascii: "0") && position > start + 1 {
      throw fault("an extent has a leading zero", at: start)
    }
    // Python 2 wrote long integers so.
    if peek == UInt8(ascii: "L") { position += 1 }
    return value
  }

  private mutating func string() throws(TensorError) -> String {
    skipSpace()
    guard let quote = peek, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw fault("a string is expected")
    }
    position += 1
    let start = position
    while let byte = peek, byte != quote {
      guard byte != UInt8(ascii: "\\"), byte >= 0x20 else {
        throw fault("a string has an escape or a control character")
      }
      position += 1
    }
    guard position < bytes.count else { throw fault("a string does not end", at: start - 1) }
    position += 1
    return String(decoding: bytes[start..<(position - 1)], as: UTF8.self)
  }

  // MARK: Symbols

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = peek, isWhitespace(byte) { position += 1 }
  }

  private mutating func take(_ symbol: String) -> Bool {
    skipSpace()
    guard bytes[position...].starts(with: symbol.utf8) else { return false }
    position += symbol.utf8.count
    return true
  }

  private mutating func expect(_ symbol: String) throws(TensorError) {
    if !take(symbol) { throw fault("\(symbol) is expected") }
  }

  private func fault(_ reason: String, at position: Int? = nil) -> TensorError {
    .malformedHeader(.npy, reason: reason, offset: offset + (position ?? self.position))
  }
}
