// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import MaskAPI

/// Lets a signal that ends the program remove what is half written, and then end it all the same.
///
/// To be called before there are other threads: they must not take the signals either. A thread waits
/// for them, because a signal that is blocked is kept until then, while one that comes before a
/// source of Dispatch listens would be lost.
func removeTemporariesOnSignals() {
  var signals = sigset_t()
  sigemptyset(&signals)
  for number in [SIGHUP, SIGINT, SIGTERM] {
    var action = sigaction()
    sigaction(number, nil, &action)
    // Whoever has a signal ignored, as nohup, means it.
    let handler = unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    if handler != 1 { sigaddset(&signals, number) }
  }
  pthread_sigmask(SIG_BLOCK, &signals, nil)
  let awaited = signals
  let thread = Thread {
    var signals = awaited
    var number: Int32 = 0
    guard sigwait(&signals, &number) == 0 else { return }
    OutputFile.removeTemporaries()
    signal(number, SIG_DFL)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    raise(number)
  }
  thread.name = "signals"
  thread.start()
}
