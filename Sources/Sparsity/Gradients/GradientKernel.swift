// SPDX-License-Identifier: GPL-3.0-or-later

import CKernels

/// The code that computes `minimumVariance`: the result does not depend on it, only the time.
public enum GradientKernel: String, Sendable, Hashable, CaseIterable {
  /// Group by group, in Swift: for every pattern and every number, and the oracle of the others.
  case scalar
  /// Eight groups abreast, with what every processor of this architecture has.
  case baseline
  case avx2
  case avx512

  private var instructionSet: gradients_set? {
    switch self {
    case .scalar: nil
    case .baseline: GRADIENTS_BASELINE
    case .avx2: GRADIENTS_AVX2
    case .avx512: GRADIENTS_AVX512
    }
  }

  /// Whether this machine can run it.
  public var isSupported: Bool {
    instructionSet.map { gradients_set_is_supported($0) != 0 } ?? true
  }

  /// The fastest that this machine can run.
  public static var best: GradientKernel {
    allCases.last { $0.isSupported } ?? .scalar
  }

  /// Whether it takes groups of a pattern; the elements must be exact in float32.
  func handles(_ pattern: Pattern) -> Bool {
    self != .scalar && pattern.m <= Int(GRADIENTS_MAXIMUM_M)
  }

  /// Where the kernel works.
  struct Strip {
    var pattern: Pattern
    var axis: GradientAxis
    var columns: Int
    var stream: gradients_stream
    var source: UnsafeRawPointer
    var values: UnsafeMutablePointer<Float>
    var mask: UnsafeMutablePointer<UInt8>
  }

  /// Estimates `blocks` blocks of eight groups from the first group of the strip on.
  ///
  /// - Returns: false if an entry is not finite or an estimate is too large for float32.
  func estimate(_ strip: Strip, blocks: Int, sums: inout gradients_sums) -> Bool {
    guard let set = instructionSet else { return false }
    var stream = strip.stream
    let n = Int32(strip.pattern.n)
    let m = Int32(strip.pattern.m)
    switch strip.axis {
    case .row:
      return blocks
        == gradients_estimate_rows(
          set,
          n,
          m,
          &stream,
          strip.source,
          blocks,
          strip.values,
          strip.mask,
          &sums
        )
    case .column:
      return blocks
        == gradients_estimate_columns(
          set,
          n,
          m,
          &stream,
          strip.source,
          strip.columns,
          blocks,
          strip.values,
          strip.mask,
          &sums
        )
    }
  }
}
