// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Foundation
import MaskAPI

/// Lets a signal that ends the program remove what is half written, and then end it all the same.
///
/// - Returns: what listens, for as long as it is kept.
func removeTemporariesOnSignals() -> [any DispatchSourceSignal] {
  var sources: [any DispatchSourceSignal] = []
  for number in [SIGHUP, SIGINT, SIGTERM] {
    var action = sigaction()
    sigaction(number, nil, &action)
    // Whoever has a signal ignored, as nohup, means it.
    let handler = unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    guard handler != 1 else { continue }
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler {
      OutputFile.removeTemporaries()
      signal(number, SIG_DFL)
      kill(getpid(), number)
    }
    source.activate()
    sources.append(source)
  }
  return sources
}
