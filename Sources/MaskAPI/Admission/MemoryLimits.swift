// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Foundation
import MicroHTTP
import Synchronization

/// The limits of memory that the system puts on this process.
///
/// The Swift runtime ends the process where an allocation fails, so what a request will take is
/// held against these before it is taken.
struct MemoryLimits {
  /// What is kept free for threads, their stacks and everything small.
  static let margin = 16 << 20

  private let root: String

  /// - Parameter root: what stands before the paths of /proc and /sys, for tests.
  init(root: String = "") { self.root = root }

  /// What requests may take together where no one says otherwise: half of the least of the
  /// machine's memory, that of the control group, and what the resource limits leave.
  var defaultBudget: Int {
    let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    return max(1, min(machine, controlGroup ?? .max, resourceHeadroom ?? .max) / 2)
  }

  /// The memory that the control group of the process, and those above it, may take.
  ///
  /// Version 2 of control groups, and the memory controller of version 1.
  var controlGroup: Int? {
    guard let groups = text("/proc/self/cgroup") else { return nil }
    var least: Int?
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let isUnified = fields[0] == "0" && fields[1].isEmpty
      guard isUnified || fields[1].split(separator: ",").contains("memory") else { continue }
      let (mount, name) =
        isUnified
        ? ("/sys/fs/cgroup", "memory.max")
        : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
      // In a container the path may be that of the host, and the group itself at the mount.
      var path = fields[2].split(separator: "/")
      while true {
        let folder = mount + path.map { "/\($0)" }.joined()
        if let limit = text("\(folder)/\(name)").flatMap({ Int($0) }) {
          least = min(least ?? limit, limit)
        }
        if path.isEmpty { break }
        path.removeLast()
      }
    }
    return least
  }

  /// What RLIMIT_AS and RLIMIT_DATA leave beside what the process has now; nil without such limits.
  var resourceHeadroom: Int? {
    let (addresses, data) = (ResourceLimit.addresses.current, ResourceLimit.data.current)
    guard addresses != nil || data != nil else { return nil }
    let pages = (text("/proc/self/statm") ?? "").split(separator: " ").compactMap { Int($0) }
    guard pages.count > 5 else { return nil }
    let size = sysconf(Int32(_SC_PAGESIZE))
    return min(
      addresses.map { $0 - pages[0] * size } ?? .max,
      data.map { $0 - pages[5] * size } ?? .max
    )
  }

  /// Whether the system would give `count` bytes more now.
  ///
  /// With resource limits that is reckoned, not tried: while one request tried, others would find
  /// the memory taken.
  func hasRoom(for count: Int) -> Bool {
    let (size, overflow) = count.addingReportingOverflow(Self.margin)
    guard !overflow else { return false }
    if hasResourceLimits, let resourceHeadroom, resourceHeadroom < size { return false }
    guard Self.isPromiseKept else { return true }
    let area = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let area, area != MAP_FAILED else { return false }
    munmap(area, size)
    return true
  }

  /// Whether there may be resource limits: that there were none is believed for 10 ms.
  ///
  /// Every request asks several times, and asking the system takes longer than small requests should.
  private var hasResourceLimits: Bool {
    let now = DispatchTime.now().uptimeNanoseconds
    if now < Self.unlimitedUntil.load(ordering: .relaxed) { return false }
    if ResourceLimit.isAnySet { return true }
    Self.unlimitedUntil.store(now + 10_000_000, ordering: .relaxed)
    return false
  }

  private static let unlimitedUntil = Atomic<UInt64>(0)

  /// Whether memory is promised by the system only as far as there is some: `overcommit_memory` 2.
  private static let isPromiseKept =
    MemoryLimits().text("/proc/sys/vm/overcommit_memory") == "2"

  /// A file without the end of its last line.
  private func text(_ path: String) -> String? {
    guard var text = try? String(contentsOfFile: root + path, encoding: .utf8) else { return nil }
    if text.last == "\n" { text.removeLast() }
    return text
  }
}
