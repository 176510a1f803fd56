// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import HTTPTypes

/// A header that has been read and checked, so as to be recognised when its client sends it again.
///
/// Clients that post one matrix after another send the same header each time. What is compared is the
/// library's reading of it, field by field, and not its bytes: two headers that are the same bytes
/// once the library has split them could have been split differently.
struct KnownHeader: Sendable {
  /// Larger headers are read anew, so that no connection holds much for the next request.
  private static let maximumFieldBytes = 4096

  let request: Request
  let expectsContinue: Bool
  private let isHTTP10: Bool
  /// Names and values as they came, each followed by a zero, which none of them holds.
  private let fields: [UInt8]

  /// Remembers what was made of a header; nil if it is too large for that.
  init?(_ request: Request, expectsContinue: Bool, isHTTP10: Bool, fields: [UInt8]) {
    guard fields.count + request.target.utf8.count <= Self.maximumFieldBytes else { return nil }
    self.request = request
    self.expectsContinue = expectsContinue
    self.isHTTP10 = isHTTP10
    self.fields = fields
  }

  /// The request's target, if it is this text.
  func target(_ text: UnsafePointer<CChar>) -> String? {
    var target = request.target
    let isSame = target.withUTF8 {
      $0.elementsEqual(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
    return isSame ? request.target : nil
  }

  /// Whether `header` is this one again.
  ///
  /// - Complexity: O(bytes of the header), without an allocation.
  func isRepeated(in header: LibraryHeader, method: String, target: String?) -> Bool {
    // By bytes: two texts that Unicode holds equivalent are equal as strings.
    guard let target, request.target.utf8.elementsEqual(target.utf8),
      request.method.rawValue == method, isHTTP10 == header.isHTTP10
    else { return false }
    return fields.withUnsafeBytes { fields in
      var comparison = FieldComparison(
        rest: fields,
        placement: FieldPlacement(end: header.requestLineEnd)
      )
      header.forEachField { name, value in
        comparison.compare(name: name, value: value)
        return comparison.isSame
      }
      return comparison.isSame && comparison.rest.isEmpty
        && comparison.placement.reaches(header.end)
    }
  }
}

/// Holds the library's fields against known ones, in their order.
private struct FieldComparison {
  /// The known fields that have not come yet.
  var rest: UnsafeRawBufferPointer
  var placement: FieldPlacement
  var isSame = true

  mutating func compare(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    isSame =
      isSame && placement.takes(name: name, value: value) && next(is: name) && next(is: value)
  }

  private mutating func next(is text: UnsafeRawBufferPointer) -> Bool {
    guard let known = rest.baseAddress, let given = text.baseAddress, rest.count > text.count,
      rest[text.count] == 0, memcmp(known, given, text.count) == 0
    else { return false }
    rest = UnsafeRawBufferPointer(rebasing: rest[(text.count + 1)...])
    return true
  }
}
