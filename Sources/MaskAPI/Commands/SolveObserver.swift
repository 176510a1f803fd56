// SPDX-License-Identifier: GPL-3.0-or-later

/// Is told how far a solve has come, on the thread that reads the file.
public protocol SolveObserver: AnyObject {
  /// So much is to be done.
  func began(tensors: Int, weights: Int)
  /// So many more weights have been taken in.
  func advanced(weights: Int)
  /// A tensor has been taken in; tensors end in the order of the file.
  func ended(_ tensor: TensorProgress)
}

/// A tensor that is done.
public struct TensorProgress: Sendable, Hashable {
  public let name: String
  /// The type as safetensors names it.
  public let typeName: String
  public let shape: [Int]
  /// Why it has no mask, in one clause; nil where it has one.
  public let skipReason: String?

  /// One line for people.
  public var line: String {
    let what = skipReason.map { "skipped: \($0)" } ?? "masked"
    return "\(name) \(typeName) \(shape) \(what)"
  }
}
