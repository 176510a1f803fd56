// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import Glibc
internal import HTTPTypes

/// The header of a request as the library parsed it, and the checks that it leaves out.
///
/// libmicrohttpd 0.9.75 accepts two lengths, a length beside a transfer encoding, unknown
/// encodings and folded fields. Where another reader of the same bytes (a proxy in front) would
/// see another body, a second request can be smuggled in (RFC 9112 sections 6.3 and 11.2).
struct Framing {
  var fields: HTTPFields
  var contentLength: Int?
  var isChunked = false
  /// Names and values as they came, each followed by a zero.
  let fieldBytes: [UInt8]

  /// Reads and checks the fields of the connection's current request.
  init(_ header: LibraryHeader) throws(TransportRefusal) {
    let isHTTP10 = header.isHTTP10
    var collector = FieldCollector(placement: FieldPlacement(end: header.requestLineEnd))
    header.forEachField { name, value in
      collector.append(name: name, value: value)
      return true
    }
    guard !collector.isMalformed, collector.placement.reaches(header.end) else {
      throw .malformedHeader
    }
    fields = collector.fields
    fieldBytes = collector.bytes

    switch collector.hosts {
    case 0 where !isHTTP10: throw .missingHost
    case 0, 1: break
    default: throw .repeatedHost
    }

    let lengths = fields[values: .contentLength]
    let encodings = fields[values: .transferEncoding]
    if let encoding = encodings.first {
      guard lengths.isEmpty else { throw .contentLengthWithTransferEncoding }
      // The library takes a blank after the name for a part of it, and would then read no chunks.
      guard encodings.count == 1, encoding.lowercased() == "chunked", !isHTTP10,
        collector.encodingLength == encoding.utf8.count
      else {
        throw .unsupportedTransferEncoding(encodings.joined(separator: ", "))
      }
      isChunked = true
    } else if let length = lengths.first {
      guard lengths.count == 1 else { throw .repeatedContentLength }
      let isNumber = !length.isEmpty && length.utf8.allSatisfy { (0x30...0x39).contains($0) }
      guard isNumber else { throw .malformedContentLength }
      guard let value = Int(length) else { throw .contentLengthTooLarge }
      contentLength = value
    }
  }

  /// Whether the client waits for `100 Continue` before it sends the body.
  ///
  /// - Throws: `TransportRefusal.unsupportedExpectation` for any other expectation.
  func expectsContinue(isHTTP10: Bool) throws(TransportRefusal) -> Bool {
    guard !isHTTP10, let expectation = fields[.expect] else { return false }
    guard expectation.lowercased() == "100-continue" else {
      throw .unsupportedExpectation(expectation)
    }
    return contentLength ?? 0 > 0 || isChunked
  }
}

/// Where the library keeps the header of a request; valid during its first call for it.
struct LibraryHeader {
  let handle: OpaquePointer
  let method: UnsafePointer<CChar>
  let version: UnsafePointer<CChar>

  var isHTTP10: Bool { strcmp(version, "HTTP/1.0") == 0 }
  /// The size from the request line to the empty line, in bytes.
  var size: Int { microhttp_header_size(handle) }
  var requestLineEnd: UnsafeRawPointer { UnsafeRawPointer(version + strlen(version)) }
  var end: UnsafeRawPointer { UnsafeRawPointer(method + size) }

  /// Calls `body` with the name and the value of each field, in their order, until it returns false.
  func forEachField(_ body: FieldVisitor) {
    withoutActuallyEscaping(body) { body in
      var body = body
      withUnsafeMutablePointer(to: &body) { body in
        _ = MHD_get_connection_values_n(handle, .HEADER_KIND, visitField, body)
      }
    }
  }
}

typealias FieldVisitor = (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool

private func visitField(
  context: UnsafeMutableRawPointer?,
  kind: MHD_ValueKind,
  name: UnsafePointer<CChar>?,
  nameSize: Int,
  value: UnsafePointer<CChar>?,
  valueSize: Int
) -> MHD_Result {
  guard let visitor = context?.assumingMemoryBound(to: FieldVisitor.self) else { return .NO }
  let goesOn = visitor.pointee(
    UnsafeRawBufferPointer(start: name, count: nameSize),
    UnsafeRawBufferPointer(start: value, count: valueSize)
  )
  return goesOn ? .YES : .NO
}

/// Where the library has put the fields of a header, which tells whether it read them well.
///
/// It splits the header where it lies in memory, with one or two zeros for a line end. Any other
/// distance between two fields means that it joined a folded line, wrongly, or that the value holds a
/// NUL and goes on behind it.
struct FieldPlacement {
  /// The end of what was seen so far.
  private var end: UnsafeRawPointer

  init(end: UnsafeRawPointer) { self.end = end }

  /// Goes on to a field; false if it is not where the next one must be.
  mutating func takes(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
    guard let start = name.baseAddress, let valueStart = value.baseAddress,
      (1...2).contains(start - end)
    else { return false }
    end = valueStart + value.count
    return true
  }

  /// Whether only the line end and the empty line lie between the last field and `headerEnd`.
  func reaches(_ headerEnd: UnsafeRawPointer) -> Bool { (2...4).contains(headerEnd - end) }
}

/// Gathers fields from the library's iterator.
private struct FieldCollector {
  var fields = HTTPFields()
  var bytes: [UInt8] = []
  var placement: FieldPlacement
  var isMalformed = false
  /// The number of Host fields.
  var hosts = 0
  /// The length of the last Transfer-Encoding as the library sees it.
  var encodingLength = 0

  init(placement: FieldPlacement) {
    self.placement = placement
    bytes.reserveCapacity(512)
  }

  mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    guard placement.takes(name: name, value: value) else {
      isMalformed = true
      return
    }
    for text in [name, value] {
      bytes += text
      bytes.append(0)
    }
    let rawLength = value.count

    var value = value[...]
    while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
    guard let name = HTTPField.Name(String(decoding: name, as: UTF8.self)),
      HTTPField.isValidValue(value)
    else {
      isMalformed = true
      return
    }
    if name.canonicalName == "host" { hosts += 1 }
    if name == .transferEncoding { encodingLength = rawLength }
    fields.append(HTTPField(name: name, value: value))
  }
}
