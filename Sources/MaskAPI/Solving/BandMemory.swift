// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
import Synchronization

/// The memory that bands are received into: mapped block by block, kept for the next band up to a
/// bound, and given back beyond it.
///
/// malloc would keep what a crowd of clients leaves behind, up to twice its largest block at the end
/// of each arena, where even `malloc_trim` does not look.
final class BandMemory: Sendable {
  /// The memory of one band, of one owner at a time.
  struct Block: @unchecked Sendable {
    // Sendable although it holds a pointer: it is filled by one thread, handed over, and read by
    // another.
    let base: UnsafeMutableRawPointer
    fileprivate let byteCount: Int
    fileprivate let isMapped: Bool
  }

  private struct Idle {
    var blocks: [Block] = []
    var byteCount = 0
  }

  /// Smaller blocks are malloc's.
  private static let leastMapped = 64 << 10
  /// Some bands for each of a few requests that come one after another.
  static let maximumIdle = 8 << 20

  private let idle = Mutex(Idle())

  deinit {
    idle.withLock { idle in
      for block in idle.blocks { munmap(block.base, block.byteCount) }
    }
  }

  /// The memory at rest, in bytes.
  var idleByteCount: Int { idle.withLock { $0.byteCount } }

  /// Memory of at least so many bytes, on a cache line of its own; what is in it is undefined.
  ///
  /// The process ends where there is none, as with every other allocation.
  func take(_ byteCount: Int) -> Block {
    if byteCount >= Self.leastMapped {
      if let block = takeIdle(byteCount) { return block }
      let area = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      if let area, area != MAP_FAILED {
        return Block(base: area, byteCount: byteCount, isMapped: true)
      }
    }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, byteCount), alignment: 64)
    return Block(base: memory, byteCount: byteCount, isMapped: false)
  }

  private func takeIdle(_ byteCount: Int) -> Block? {
    idle.withLock { idle in
      // Not one that is much too large: it would lie idle in a request for little.
      let fits = idle.blocks.lastIndex { (byteCount...(2 * byteCount)).contains($0.byteCount) }
      guard let fits else { return nil }
      let block = idle.blocks.remove(at: fits)
      idle.byteCount -= block.byteCount
      return block
    }
  }

  /// Takes back a block.
  func put(_ block: Block) {
    guard block.isMapped else { return block.base.deallocate() }
    let isKept = idle.withLock { idle in
      guard idle.byteCount + block.byteCount <= Self.maximumIdle else { return false }
      idle.blocks.append(block)
      idle.byteCount += block.byteCount
      return true
    }
    if !isKept { munmap(block.base, block.byteCount) }
  }
}
