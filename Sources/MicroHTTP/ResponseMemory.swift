// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import HTTPTypes

/// Keeps a body in memory while the library sends it.
private final class ResponseMemory {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The bytes' address, valid while this object lives.
  ///
  /// A native array keeps its elements in one block on the heap that moves only when the array is
  /// changed, and this one is constant.
  var address: UnsafeMutableRawPointer? {
    bytes.withUnsafeBytes { UnsafeMutableRawPointer(mutating: $0.baseAddress) }
  }
}

extension Response {
  /// Makes the library's form of this response, which owns the body until it is sent or dropped.
  ///
  /// - Returns: nil when memory is short.
  func makeLibraryResponse(closesConnection: Bool) -> OpaquePointer? {
    let made: OpaquePointer?
    switch body {
    case .bytes(let bytes) where !bytes.isEmpty:
      let memory = ResponseMemory(bytes)
      let owner = Unmanaged.passRetained(memory)
      made = MHD_create_response_from_buffer_with_free_callback_cls(
        bytes.count,
        memory.address,
        releaseResponseMemory,
        owner.toOpaque()
      )
      if made == nil { owner.release() }
    case .bytes, .none:
      made = MHD_create_response_from_buffer(0, nil, .RESPMEM_PERSISTENT)
    }
    guard let made else { return nil }
    for field in headers where !Self.isServerField(field.name) {
      // Passed by themselves, each text would become an array first.
      field.name.rawName.withCString { name in
        _ = field.value.withCString { MHD_add_response_header(made, name, $0) }
      }
    }
    if closesConnection { MHD_add_response_header(made, "Connection", "close") }
    return made
  }
}

private func releaseResponseMemory(_ owner: UnsafeMutableRawPointer?) {
  if let owner { Unmanaged<ResponseMemory>.fromOpaque(owner).release() }
}
