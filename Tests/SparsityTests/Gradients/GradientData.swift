// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// Kinds of entries that have broken estimators.
enum GradientData: String, CaseIterable, Sendable {
  case normal, lognormal, laplace, uniform
  case lattice, mostlyZero, equal, wide, subnormal, dominant, powers

  func sample(_ generator: inout SplitMix64) -> Float {
    let u = 1 - generator.uniform()
    let v = generator.uniform()
    let gauss = (-2 * log(u)).squareRoot() * cos(2 * Double.pi * v)
    let sign: Double = generator.next() & 1 == 0 ? 1 : -1
    let value: Double =
      switch self {
      case .normal: gauss
      case .lognormal: sign * exp(gauss)
      case .laplace: sign * -log(u)
      case .uniform: u
      case .lattice: (gauss * 3).rounded()
      case .mostlyZero: v < 0.7 ? 0 : gauss
      case .equal: sign
      case .wide: sign * exp2(250 * u - 140)
      case .subnormal: sign * (u * 20).rounded(.down) * 0x1p-149
      case .dominant: v < 0.15 ? sign * 1e8 : gauss * 1e-3
      case .powers: sign * exp2((u * 80 - 40).rounded())
      }
    return Float(value)
  }

  func matrix(count: Int, seed: UInt64) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in sample(&generator) }
  }
}
