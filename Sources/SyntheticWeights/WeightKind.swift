// SPDX-License-Identifier: GPL-3.0-or-later

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Kinds of made-up weights, on which solvers behave differently.
public enum WeightKind: String, Sendable, Hashable, CaseIterable {
  /// Independent N(0, 1).
  case normal
  /// Independent on [0, 1).
  case uniform
  /// Lognormal with sigma 3, random signs.
  case lognormal3
  /// Lognormal with sigma 10, random signs.
  case lognormal10
  /// N(0, 1) rounded to bfloat16.
  case bf16
  /// N(0, 1) quantised to -128 ... 127.
  case int8
  /// N(0, 1) quantised to -8 ... 7.
  case int4
  /// -1, 0 or 1 with equal probability.
  case ternary
  /// N(0, 1), nine of ten entries zero.
  case sparse90
  case zeros
  case equal
  /// The product of two normal vectors.
  case rank1
  /// r_i + c_j of two uniform vectors: each mask of a tile that keeps exactly n scores the same.
  case additive
  /// The same of lognormal vectors, sigma 3: ties on top of large common parts.
  case additivelognormal
  /// The lesser of r_i and c_j of two uniform vectors: lines of equal entries that cross.
  case minimum
  /// Ascending from 1 in row-major order, in units of 2^-10.
  case ramp
  /// 10^U(-30, 30), random signs.
  case widerange
  /// 1 or the next float32 above: entries one rounding step apart.
  case adjacent

  /// A row-major `rows` x `columns` matrix, a function of the seed.
  ///
  /// - Complexity: O(rows * columns).
  public func matrix(rows: Int, columns: Int, seed: UInt64) -> [Float] {
    var generator = SplitMix64(seed: seed)
    let count = rows * columns
    switch self {
    case .zeros:
      return [Float](repeating: 0, count: count)
    case .equal:
      return [Float](repeating: 0.75, count: count)
    case .ramp:
      return (0..<count).map { Float($0 + 1) * 0x1p-10 }
    case .rank1:
      return cross(rows, columns, &generator, { $0.normal() }, *)
    case .additive:
      return cross(rows, columns, &generator, { $0.uniform() }, +)
    case .additivelognormal:
      return cross(rows, columns, &generator, { exp(3 * $0.normal()) }, +)
    case .minimum:
      return cross(rows, columns, &generator, { $0.uniform() }, min)
    default:
      return (0..<count).map { _ in entry(&generator) }
    }
  }

  /// Combines a number for each row with one for each column.
  private func cross(
    _ rows: Int,
    _ columns: Int,
    _ generator: inout SplitMix64,
    _ draw: (inout SplitMix64) -> Double,
    _ combine: (Double, Double) -> Double
  ) -> [Float] {
    let r = (0..<rows).map { _ in draw(&generator) }
    let c = (0..<columns).map { _ in draw(&generator) }
    return (0..<(rows * columns)).map { Float(combine(r[$0 / columns], c[$0 % columns])) }
  }

  private func entry(_ generator: inout SplitMix64) -> Float {
    switch self {
    case .uniform: Float(generator.uniform())
    case .lognormal3: generator.sign() * Float(exp(3 * generator.normal()))
    case .lognormal10: generator.sign() * Float(exp(10 * generator.normal()))
    case .bf16:
      // Truncated after adding half a unit: round half up.
      Float(bitPattern: (Float(generator.normal()).bitPattern &+ 0x8000) & 0xffff_0000)
    case .int8: Float(max(-128, min(127, (generator.normal() * 32).rounded())))
    case .int4: Float(max(-8, min(7, (generator.normal() * 2.5).rounded())))
    case .ternary: Float(Int(generator.next() % 3) - 1)
    case .sparse90: generator.next() % 10 == 0 ? Float(generator.normal()) : 0
    case .widerange: generator.sign() * Float(pow(10, generator.uniform() * 60 - 30))
    case .adjacent: generator.next() & 1 == 0 ? 1 : Float(1).nextUp
    default: Float(generator.normal())
    }
  }
}

/// The SplitMix64 generator (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014): small, and the same on every machine.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// Uniform on [0, 1).
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Standard normal, by Box and Muller.
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }

  mutating func sign() -> Float { next() & 1 == 0 ? 1 : -1 }
}
