// SPDX-License-Identifier: GPL-3.0-or-later

internal import CKernels

/// A set of vector instructions that the kernels are compiled for.
///
/// Masks and sums are the same with each; only the speed differs.
public enum InstructionSet: String, Sendable, Hashable, CaseIterable {
  /// What every processor of the architecture has.
  case baseline
  case avx2
  case avx512

  /// Whether this processor, and this build, has it.
  public var isAvailable: Bool { table != nil }

  /// The widest set that this processor has.
  public static var widest: InstructionSet {
    allCases.last { $0.isAvailable } ?? .baseline
  }

  /// The kernels; nil where the set is not available.
  var table: UnsafePointer<nmk_table>? {
    switch self {
    case .baseline: nmk_table_for(NMK_BASELINE)
    case .avx2: nmk_table_for(NMK_AVX2)
    case .avx512: nmk_table_for(NMK_AVX512)
    }
  }
}

extension DataType {
  /// The kernels' name of this type.
  var kernelType: nmk_dtype {
    switch self {
    case .float64: NMK_F64
    case .float32: NMK_F32
    case .float16: NMK_F16
    case .bfloat16: NMK_BF16
    case .int8: NMK_I8
    case .uint8: NMK_U8
    case .int16: NMK_I16
    case .int32: NMK_I32
    case .int64: NMK_I64
    }
  }
}
