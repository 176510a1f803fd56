// SPDX-License-Identifier: GPL-3.0-or-later

/// One group of m entries and everything that an estimator writes about it.
///
/// The buffers are allocated once per band, not once per group.
struct GroupWorkspace: ~Copyable {
  let m: Int
  /// The entries, signed.
  let entries: UnsafeMutablePointer<Double>
  /// Their magnitudes.
  let magnitudes: UnsafeMutablePointer<Double>
  /// The magnitudes of the entries that are sampled, as integers in a common unit; others zero.
  let scaled: UnsafeMutablePointer<UInt64>
  /// The output.
  let values: UnsafeMutablePointer<Float>
  /// Whether an entry is kept.
  let kept: UnsafeMutablePointer<Bool>
  /// Scratch for sums over prefixes and suffixes.
  let scratch: UnsafeMutablePointer<Double>

  init(m: Int) {
    self.m = m
    entries = .allocate(capacity: m)
    magnitudes = .allocate(capacity: m)
    scaled = .allocate(capacity: m)
    values = .allocate(capacity: m)
    kept = .allocate(capacity: m)
    scratch = .allocate(capacity: 2 * m)
  }

  deinit {
    entries.deallocate()
    magnitudes.deallocate()
    scaled.deallocate()
    values.deallocate()
    kept.deallocate()
    scratch.deallocate()
  }

  /// Takes in m entries that lie `stride` apart, and counts what is not zero.
  @inline(__always)
  borrowing func load(_ source: UnsafePointer<Double>, stride: Int) -> Int {
    var nonZeros = 0
    for index in 0..<m {
      let entry = source[index * stride]
      entries[index] = entry
      magnitudes[index] = abs(entry)
      values[index] = 0
      kept[index] = false
      nonZeros += entry != 0 ? 1 : 0
    }
    return nonZeros
  }

  /// The sum of squares, in the order of the entries.
  @inline(__always)
  borrowing func sumOfSquares() -> Double {
    var sum = 0.0
    for index in 0..<m { sum += magnitudes[index] * magnitudes[index] }
    return sum
  }

  /// Keeps an entry as it is, rounded to the nearest float32.
  ///
  /// - Returns: false if it is too large for float32.
  @inline(__always)
  borrowing func keepUnchanged(_ index: Int) -> Bool {
    let value = Float(entries[index])
    values[index] = value
    kept[index] = true
    return value.isFinite
  }

  /// Keeps an entry with a new magnitude and its own sign.
  @inline(__always)
  borrowing func keep(_ index: Int, magnitude: Float) {
    values[index] = entries[index] < 0 ? -magnitude : magnitude
    kept[index] = true
  }
}

/// What an estimator says about one group.
struct GroupOutcome {
  var kept = 0
  var variance = 0.0
  var squaredBias = 0.0
  /// The first position whose output cannot be a float32, or a negative number.
  var overflow = -1
}
