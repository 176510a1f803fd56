// SPDX-License-Identifier: GPL-3.0-or-later

/// The element type of a matrix in memory, little-endian, named as safetensors names it.
public enum DataType: String, Sendable, Hashable, CaseIterable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int8 = "I8"
  case uint8 = "U8"
  case int16 = "I16"
  case int32 = "I32"
  case int64 = "I64"

  /// The size of one element, in bytes.
  public var byteCount: Int {
    switch self {
    case .int8, .uint8: 1
    case .float16, .bfloat16, .int16: 2
    case .float32, .int32: 4
    case .float64, .int64: 8
    }
  }

  /// Whether the type has infinities and NaNs.
  public var isFloatingPoint: Bool {
    switch self {
    case .float64, .float32, .float16, .bfloat16: true
    case .int8, .uint8, .int16, .int32, .int64: false
    }
  }
}
