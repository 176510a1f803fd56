// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Sparsity
import Testing

@testable import MaskAPI

struct BandMemoryTests {
  @Test("Blocks are handed out again where they fit, and are not much too large")
  func reuse() {
    let memory = BandMemory()
    let block = memory.take(1 << 20)
    memory.put(block)
    #expect(memory.idleByteCount == 1 << 20)
    // Neither for more than it holds, nor for less than half of that.
    for count in [1 << 20 + 1, 1 << 19 - 1] {
      let other = memory.take(count)
      #expect(other.base != block.base && memory.idleByteCount == 1 << 20)
      memory.put(other)
      _ = memory.take(count)
      #expect(memory.idleByteCount == 1 << 20)
    }
    for count in [1 << 20, 1 << 19] {
      let again = memory.take(count)
      #expect(again.base == block.base && memory.idleByteCount == 0)
      memory.put(again)
    }
  }

  @Test("No more is kept than the bound, whatever was taken")
  func bound() {
    let memory = BandMemory()
    for count in [1, 1000, 65_536, 100_000, 300_000, BandMemory.maximumIdle, 40 << 20] {
      let blocks = (0..<50).map { _ in memory.take(count) }
      // Each is there to its last byte, and no other's.
      for (index, block) in blocks.enumerated() {
        block.base.storeBytes(of: UInt8(index), as: UInt8.self)
        (block.base + (count - 1)).storeBytes(of: UInt8(index), as: UInt8.self)
      }
      for (index, block) in blocks.enumerated() {
        #expect((block.base + (count - 1)).load(as: UInt8.self) == UInt8(index))
        memory.put(block)
      }
      #expect(memory.idleByteCount <= BandMemory.maximumIdle)
    }
  }

  @Test("A job gives its bands back, when it is done and when it is given up")
  func jobs() throws {
    let layout = try MaskLayout(
      MaskSpecification(pattern: Pattern(n: 2, m: 4)),
      rows: 1024,
      columns: 256
    )
    let bytes = [UInt8](repeating: 1, count: 1024 * 256 * 4)
    for count in [bytes.count, bytes.count - 100_000, 1] {
      let pool = SolverPool(threadCount: 2)
      defer { pool.stop() }
      // It is handed over in pieces that no band ends with.
      let job = MaskJob(layout: layout, dataType: .float32, pool: pool) { false }
      for start in stride(from: 0, to: count, by: 99_999) {
        try bytes[start..<min(count, start + 99_999)].withUnsafeBytes { try job.append($0) }
      }
      if count == bytes.count { _ = try job.finish() } else { job.cancel() }
      // A worker may let go of the job a moment later.
      weak let left = job
      _ = consume job
      for _ in 0..<1000 where left != nil { usleep(2000) }
      #expect(left == nil)
      #expect(pool.bands.idleByteCount >= 1024 * 256, "after \(count) bytes")
    }
  }
}
