// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// The exchange that the calling thread is in, from its request line to its end.
///
/// The library's log names no connection, but it writes on the connection's own thread.
enum CurrentExchange {
  private static let key: pthread_key_t? = {
    var key = pthread_key_t()
    return pthread_key_create(&key, nil) == 0 ? key : nil
  }()

  /// Sets the exchange, which must outlive this thread's interest in it.
  static func set(_ exchange: Exchange?) {
    guard let key else { return }
    pthread_setspecific(key, exchange.map { Unmanaged.passUnretained($0).toOpaque() })
  }

  static func get() -> Exchange? {
    guard let key, let pointer = pthread_getspecific(key) else { return nil }
    return Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
  }
}
