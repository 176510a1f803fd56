// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Synchronization

/// A file that a command writes, which takes its name once it is whole.
///
/// Until then it is a temporary file in the same folder, so that a fault on the way leaves what was
/// there before. Standard output and what is no regular file, as a device, are written directly.
public final class OutputFile {
  /// The temporary files that are there now.
  private static let temporaries = Mutex<Set<String>>([])

  private let name: String
  private let descriptor: Int32
  /// Where the file comes to be, without symbolic links; nil where it is written directly.
  private let target: String?
  private var temporary: String?

  /// Makes a place to write to.
  ///
  /// - Parameters:
  ///   - path: `-` for standard output.
  ///   - input: what is being read, which must be another file.
  ///   - others: the outputs of the same command, which must be other files.
  /// - Throws: `CommandError` where nothing can be written there.
  public init(
    path: String,
    input: InputFile? = nil,
    others: [OutputFile] = []
  ) throws(CommandError) {
    guard path != "-" else {
      name = "standard output"
      descriptor = STDOUT_FILENO
      target = nil
      guard !others.contains(where: { $0.descriptor == STDOUT_FILENO }) else {
        throw CommandError(.usage, "Only one thing can be written to standard output.")
      }
      return
    }
    name = "'\(path)'"
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists, let identity = input?.identity, identity == InputFile.Identity(status) {
      throw CommandError(.usage, "\(name) is the file that is read; write to another one.")
    }
    guard !exists || status.st_mode & S_IFMT == S_IFREG else {
      target = nil
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw .system(.creation, "\(name) cannot be written", errno) }
      return
    }
    let target = try Self.resolved(path, exists: exists)
    guard !others.contains(where: { $0.target == target }) else {
      throw CommandError(.usage, "\(name) is to be written twice; name two files.")
    }
    // What may not be changed is not to be replaced either.
    guard !exists || access(target, W_OK) == 0 else {
      throw .system(.creation, "\(name) cannot be written", errno)
    }
    let (folder, last) = Self.parts(of: target)
    var template = Array("\(folder)/.\(last.prefix(100)).XXXXXX".utf8CString)
    // Made and noted in one step: a signal in between would leave it.
    let (descriptor, code, temporary) = Self.temporaries.withLock { paths in
      let descriptor = mkstemp(&template)
      let code = errno
      let path = template.withUnsafeBufferPointer { text in
        text.baseAddress.map { String(cString: $0) } ?? ""
      }
      if descriptor >= 0 { paths.insert(path) }
      return (descriptor, code, path)
    }
    self.descriptor = descriptor
    guard descriptor >= 0 else { throw .system(.creation, "\(name) cannot be made", code) }
    let mask = umask(0)
    umask(mask)
    fchmod(descriptor, exists ? status.st_mode & 0o777 : 0o666 & ~mask)
    self.target = target
    self.temporary = temporary
  }

  deinit {
    if descriptor != STDOUT_FILENO { close(descriptor) }
    if let temporary {
      unlink(temporary)
      Self.temporaries.withLock { _ = $0.remove(temporary) }
    }
  }

  /// Whether this is standard output.
  public var isStandardOutput: Bool { descriptor == STDOUT_FILENO }

  /// Appends bytes.
  ///
  /// - Throws: `CommandError` of kind `output`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(CommandError) {
    try writeAll(bytes, to: descriptor, name)
  }

  /// Appends bytes.
  ///
  /// - Throws: `CommandError` of kind `output`.
  public func write(_ bytes: [UInt8]) throws(CommandError) {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(CommandError) in try write(bytes) }
    }
    try result.get()
  }

  /// Gives the file its name, in the place of what may have had it before.
  ///
  /// - Throws: `CommandError` where what was written cannot be brought to the disk.
  public func commit() throws(CommandError) {
    guard let temporary, let target else { return }
    // A full disk may show only now, while the old file is still there.
    guard fsync(descriptor) == 0, rename(temporary, target) == 0 else {
      throw .system(.output, "\(name) cannot be written", errno)
    }
    Self.temporaries.withLock { _ = $0.remove(temporary) }
    self.temporary = nil
  }

  /// Removes the files that have no name yet, before a signal ends the process.
  public static func removeTemporaries() {
    temporaries.withLock { paths in
      for path in paths { unlink(path) }
      paths.removeAll()
    }
  }

  /// The path without symbolic links.
  private static func resolved(_ path: String, exists: Bool) throws(CommandError) -> String {
    func real(_ path: String) -> String? {
      guard let text = realpath(path, nil) else { return nil }
      defer { free(text) }
      return String(cString: text)
    }
    if exists, let real = real(path) { return real }
    let (folder, last) = parts(of: path)
    guard !last.isEmpty, let folder = real(folder) else {
      throw .system(.creation, "'\(path)' cannot be made", last.isEmpty ? EISDIR : errno)
    }
    return folder == "/" ? "/\(last)" : "\(folder)/\(last)"
  }

  /// The folder of a path, and its name in there.
  private static func parts(of path: String) -> (folder: String, last: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    let folder = path[..<slash]
    return (folder.isEmpty ? "/" : String(folder), String(path[path.index(after: slash)...]))
  }
}
