// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import MaskAPI

struct MemoryLimitsTests {
  /// A folder with files that stand for those of the system.
  private func withRoot<Result>(
    _ files: [String: String],
    _ body: (MemoryLimits) throws -> Result
  ) throws -> Result {
    let root = FileManager.default.temporaryDirectory
      .appending(path: "nmmask-\(UInt64.random(in: .min ... .max))")
    defer { try? FileManager.default.removeItem(at: root) }
    for (path, text) in files {
      let file = root.appending(path: path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(),
        withIntermediateDirectories: true
      )
      try Data(text.utf8).write(to: file)
    }
    return try body(MemoryLimits(root: root.path))
  }

  @Test(
    "The least of a group's limit and those above it counts",
    arguments: [
      (["proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"], nil),
      (["proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"], 536_870_912),
      (
        [
          "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "2000000\n",
          "sys/fs/cgroup/a/memory.max": "1000000\n",
        ], 1_000_000
      ),
      // The host's path, and the container's own group at the mount.
      (
        ["proc/self/cgroup": "0::/docker/0123\n", "sys/fs/cgroup/memory.max": "3000000\n"],
        3_000_000
      ),
      (
        [
          "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n",
          "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "4000000\n",
          "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        ], 4_000_000
      ),
      (["proc/self/cgroup": "1:name=systemd:/\n"], nil),
      ([:], nil),
    ] as [([String: String], Int?)]
  )
  func controlGroups(files: [String: String], limit: Int?) throws {
    try withRoot(files) { limits in
      #expect(limits.controlGroup == limit)
      let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
      #expect(limits.defaultBudget == min(machine, limit ?? .max) / 2)
    }
  }

  @Test("Without limits there is room for anything")
  func room() {
    #expect(MemoryLimits().hasRoom(for: 1 << 20))
  }
}
