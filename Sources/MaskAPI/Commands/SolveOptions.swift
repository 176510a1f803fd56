// SPDX-License-Identifier: GPL-3.0-or-later

public import Sparsity
import TensorIO

/// What to do with a file, in the words of the service's parameters.
public struct SolveOptions: Sendable {
  public var n: Int
  public var m: Int
  public var threads: Int
  public var structure: Structure?
  public var constraint: Constraint?
  public var method: MaskMethod?
  public var remainder: Remainder?
  public var encoding: MaskEncoding?
  public var timeoutMilliseconds: Int?
  /// Patterns of the names of tensors.
  public var include: [String] = []
  public var exclude: [String] = []
  /// The groups of convolutions, by the names of their weights.
  public var groups: [(name: String, count: Int)] = []
  public var isStrict = false
  public var tellsTimes = false

  /// Makes options of the defaults.
  public init(n: Int, m: Int, threads: Int) {
    self.n = n
    self.m = m
    self.threads = threads
  }

  /// What only whole models have a use for, in the words of the command line.
  var namesForModels: [String] {
    var names: [String] = []
    if encoding != nil { names.append("--mask-encoding") }
    if !include.isEmpty { names.append("--include") }
    if !exclude.isEmpty { names.append("--exclude") }
    if !groups.isEmpty { names.append("--groups") }
    if isStrict { names.append("--strict") }
    if tellsTimes { names.append("--timings") }
    return names
  }

  /// The parameters that a request would have.
  var parameters: ParameterSet {
    var set = ParameterSet()
    set.set("n", String(n))
    set.set("m", String(m))
    let texts = [
      ("structure", structure?.rawValue), ("constraint", constraint?.rawValue),
      ("method", method?.rawValue), ("remainder", remainder?.rawValue),
      ("mask_encoding", encoding?.rawValue),
      ("timeout_ms", timeoutMilliseconds.map { String($0) }),
      ("strict", isStrict ? "true" : nil), ("timings", tellsTimes ? "true" : nil),
    ]
    for (name, text) in texts {
      if let text { set.set(name, text) }
    }
    // Not as texts, in which a comma ends a pattern.
    for (name, patterns) in [("include", include), ("exclude", exclude)] where !patterns.isEmpty {
      set.set(name, JSONValue.array(patterns.map { .string($0) }))
    }
    if !groups.isEmpty {
      var writer = JSONWriter()
      writer.beginObject()
      for group in groups { writer.member(group.name, group.count) }
      writer.endObject()
      set.set("groups", String(decoding: writer.bytes, as: UTF8.self))
    }
    return set
  }
}
