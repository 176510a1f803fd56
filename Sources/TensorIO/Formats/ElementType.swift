// SPDX-License-Identifier: GPL-3.0-or-later

public import Sparsity

/// The type of the elements of a tensor in a file: a number, or a boolean of one byte.
public enum ElementType: Sendable, Hashable {
  case numeric(DataType)
  case bool

  /// The size of one element, in bytes.
  public var byteCount: Int {
    switch self {
    case .numeric(let type): type.byteCount
    case .bool: 1
    }
  }

  /// The name of the type in safetensors, as `F32` or `BOOL`.
  public var name: String {
    switch self {
    case .numeric(let type): type.rawValue
    case .bool: "BOOL"
    }
  }

  /// Makes the type of a safetensors name, if it is one that is handled.
  public init?(name: String) {
    if name == "BOOL" {
      self = .bool
    } else if let type = DataType(rawValue: name) {
      self = .numeric(type)
    } else {
      return nil
    }
  }

  /// The size of a tensor of this type, in bytes; nil if it does not fit an `Int`.
  func byteCount(ofShape shape: [Int]) -> Int? {
    guard let count = TensorIndex.elementCount(of: shape) else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: byteCount)
    return overflow ? nil : bytes
  }
}

/// What the first bytes of a file have told about its header.
public enum HeaderProgress<Header: Sendable>: Sendable {
  /// The header ends later; the next look needs at least `byteCount` bytes from the start.
  case incomplete(byteCount: Int)
  case complete(Header)
}
