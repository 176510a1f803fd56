// SPDX-License-Identifier: GPL-3.0-or-later

/// The settings of the service above HTTP.
public struct ServiceConfiguration: Sendable {
  /// The number of solver threads.
  public var threads: Int
  /// The largest binary body, in bytes.
  public var maximumBody: Int
  /// The largest JSON body, in bytes.
  public var maximumJSONBody: Int

  /// Makes a configuration.
  public init(threads: Int, maximumBody: Int = 2 << 30, maximumJSONBody: Int = 64 << 20) {
    self.threads = threads
    self.maximumBody = maximumBody
    self.maximumJSONBody = maximumJSONBody
  }
}
