// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import MaskAPI

/// Shows on standard error how far a solve has come: as a bar on a terminal, else one line a tensor.
final class ProgressView: SolveObserver {
  /// The least time between two bars.
  private static let interval = Duration.milliseconds(100)

  private let isTerminal: Bool
  private let start = ContinuousClock.now
  private var line = ProgressLine()
  private var lastDrawn: ContinuousClock.Instant?

  init() {
    isTerminal =
      isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  }

  func began(tensors: Int, weights: Int) {
    line.tensors = tensors
    line.weights = weights
    draw()
  }

  func advanced(weights: Int) {
    line.weightsDone += weights
    draw()
  }

  func ended(_ tensor: TensorProgress) {
    line.tensorsDone += 1
    if isTerminal {
      draw(anyway: line.tensorsDone == line.tensors)
    } else {
      write("\(line.tensorsDone)/\(line.tensors) \(tensor.line)\n")
    }
  }

  /// Takes the bar away, before something else is written.
  func clear() {
    guard lastDrawn != nil else { return }
    write("\r\u{1B}[K")
    lastDrawn = nil
  }

  private func draw(anyway: Bool = false) {
    guard isTerminal else { return }
    let now = ContinuousClock.now
    if let lastDrawn, now - lastDrawn < Self.interval, !anyway { return }
    lastDrawn = now
    let elapsed = now - start
    let seconds =
      Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    // One less than the width: a full line would go on to the next.
    write("\r" + line.text(width: width - 1, elapsed: seconds) + "\u{1B}[K")
  }

  /// The columns of the terminal now; it may change.
  private var width: Int {
    var size = winsize()
    if ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
      return Int(size.ws_col)
    }
    return 80
  }

  private func write(_ text: String) {
    // What cannot be shown is not missed.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
