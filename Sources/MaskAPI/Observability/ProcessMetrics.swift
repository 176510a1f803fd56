// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// The metrics of the process that Prometheus clients have by convention, from /proc.
enum ProcessMetrics {
  typealias Metric = (name: String, type: String, help: String, value: String)

  static func read() -> [Metric] {
    var metrics: [Metric] = []
    // After the name in parentheses, which may hold spaces: state is field 3 of proc(5).
    if let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
      let close = stat.lastIndex(of: ")")
    {
      let fields = stat[stat.index(after: close)...].split(separator: " ")
      let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
      let page = sysconf(Int32(_SC_PAGESIZE))
      if fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]) {
        metrics.append(
          (
            "process_cpu_seconds_total", "counter", "Processor time.",
            "\((user + system) / ticks)"
          )
        )
      }
      if fields.count > 21, let virtual = Int(fields[20]), let resident = Int(fields[21]) {
        metrics.append(
          ("process_virtual_memory_bytes", "gauge", "Virtual memory.", "\(virtual)")
        )
        metrics.append(
          ("process_resident_memory_bytes", "gauge", "Resident memory.", "\(resident * page)")
        )
      }
    }
    if let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
      metrics.append(("process_open_fds", "gauge", "Open descriptors.", "\(descriptors.count)"))
    }
    return metrics
  }
}
