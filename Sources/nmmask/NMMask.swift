// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser

@main
struct NMMask: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "nmmask")
}
