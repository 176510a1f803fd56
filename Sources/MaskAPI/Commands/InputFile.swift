// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A file that a command reads, from its first byte to its last, once or again.
public final class InputFile {
  /// What tells a file from all others.
  struct Identity: Hashable {
    let device: UInt64
    let number: UInt64

    init(_ status: stat) {
      device = UInt64(status.st_dev)
      number = UInt64(status.st_ino)
    }
  }

  /// What the file is called in messages.
  let name: String
  /// The size in bytes, where it can be known before the end.
  let byteCount: Int?
  /// Nil for what is no regular file.
  let identity: Identity?

  private let descriptor: Int32
  /// Where reading began; standard input may be a file that was read before.
  private let start: off_t
  /// What has been read, to be read again, of an input that cannot be rewound.
  private var copy: FileCopy?
  private var source: Int32

  /// Opens a file.
  ///
  /// - Parameter path: `-` for standard input.
  /// - Throws: `CommandError` where there is no file that can be read.
  public init(path: String) throws(CommandError) {
    name = path == "-" ? "standard input" : "'\(path)'"
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw .system(.input, "\(name) cannot be read", errno)
    }
    var status = stat()
    let code = fstat(descriptor, &status) == 0 ? 0 : errno
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    guard code == 0, !isFolder else {
      if descriptor != STDIN_FILENO { close(descriptor) }
      throw .system(.input, "\(name) cannot be read", isFolder ? EISDIR : code)
    }
    self.descriptor = descriptor
    source = descriptor
    let isRegular = status.st_mode & S_IFMT == S_IFREG
    start = isRegular ? max(0, lseek(descriptor, 0, SEEK_CUR)) : 0
    byteCount = isRegular ? max(0, Int(status.st_size - start)) : nil
    identity = isRegular ? Identity(status) : nil
  }

  deinit { if descriptor != STDIN_FILENO { close(descriptor) } }

  /// Makes sure that the file can be read again after its end.
  ///
  /// What cannot be rewound, as a pipe, is copied to a file without a name while it is read.
  public func keepForRereading() throws(CommandError) {
    if identity == nil, copy == nil { copy = try FileCopy() }
  }

  /// Goes back to the first byte.
  func rewind() throws(CommandError) {
    if let copy { source = copy.descriptor }
    guard lseek(source, copy == nil ? start : 0, SEEK_SET) >= 0 else {
      throw .system(.input, "\(name) cannot be read again", errno)
    }
  }

  /// Reads until `target` is full or the file ends.
  ///
  /// - Returns: the number of bytes read.
  func read(into target: UnsafeMutableRawBufferPointer) throws(CommandError) -> Int {
    var filled = 0
    while filled < target.count, let base = target.baseAddress {
      let count = Foundation.read(source, base + filled, target.count - filled)
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(.input, "\(name) cannot be read", errno)
      }
      if let copy, source != copy.descriptor {
        try copy.append(UnsafeRawBufferPointer(start: base + filled, count: count))
      }
      filled += count
    }
    return filled
  }

  /// Reads to the end, a mebibyte at a time.
  func readAll(
    _ body: (UnsafeRawBufferPointer) throws(CommandError) -> Void
  ) throws(CommandError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    while true {
      let count = try read(into: buffer)
      if count > 0 { try body(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
      if count < buffer.count { return }
    }
  }
}

/// A file without a name, which is gone when it is closed.
private final class FileCopy {
  let descriptor: Int32

  init() throws(CommandError) {
    let folder = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    var path = Array("\(folder)/nmmask.XXXXXX".utf8CString)
    descriptor = mkstemp(&path)
    guard descriptor >= 0 else {
      throw .system(.creation, "A temporary file in '\(folder)' cannot be made", errno)
    }
    unlink(path)
  }

  deinit { close(descriptor) }

  func append(_ bytes: UnsafeRawBufferPointer) throws(CommandError) {
    try writeAll(bytes, to: descriptor, "A temporary file")
  }
}

/// Writes all of `bytes` to a file.
///
/// - Parameter name: what the file is called in messages.
func writeAll(
  _ bytes: UnsafeRawBufferPointer,
  to descriptor: Int32,
  _ name: String
) throws(CommandError) {
  var rest = bytes
  while let base = rest.baseAddress, !rest.isEmpty {
    let count = write(descriptor, base, rest.count)
    if count < 0 {
      if errno == EINTR { continue }
      throw .system(.output, "\(name) cannot be written", errno)
    }
    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
  }
}
