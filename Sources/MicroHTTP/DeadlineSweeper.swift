// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// A thread that cuts connections past their deadline, and looks after memory on its way.
///
/// The library's own timer restarts with every byte, so a client that sends one now and then would
/// hold its connection for good; and it would count the time that a handler blocks.
struct DeadlineSweeper: ~Copyable {
  /// The time between two sweeps, in milliseconds: the accuracy of a deadline.
  static let interval: Int32 = 100

  private let thread: pthread_t
  private let wakeUp: Int32

  /// Starts sweeping; nil when there is no thread or pipe to be had.
  init?(_ engine: Engine) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let context = Unmanaged.passRetained(Context(engine: engine, wakeUp: ends[0]))
    var thread = pthread_t()
    let status = pthread_create(
      &thread,
      nil,
      {
        if let context = $0 {
          sweepUntilWoken(Unmanaged<Context>.fromOpaque(context).takeRetainedValue())
        }
        return nil
      },
      context.toOpaque()
    )
    guard status == 0 else {
      context.release()
      close(ends[0])
      close(ends[1])
      return nil
    }
    self.thread = thread
    self.wakeUp = ends[1]
  }

  /// Ends the thread and waits for it.
  consuming func stop() {
    close(wakeUp)
    pthread_join(thread, nil)
  }

  fileprivate final class Context {
    let engine: Engine
    let wakeUp: Int32

    init(engine: Engine, wakeUp: Int32) {
      self.engine = engine
      self.wakeUp = wakeUp
    }
  }
}

private func sweepUntilWoken(_ context: DeadlineSweeper.Context) {
  var entry = pollfd(fd: context.wakeUp, events: Int16(POLLIN), revents: 0)
  // The other end of the pipe is closed to stop; an interrupted wait is merely a short one.
  var bursts = BurstWatch()
  while poll(&entry, 1, DeadlineSweeper.interval) <= 0 {
    context.engine.expireConnections()
    context.engine.giveBackMemory(&bursts)
  }
  close(context.wakeUp)
}
