// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// What is fuzzed: one parser, or the engine.
///
/// A target looks at one input and stops the process where a property does not hold.
enum FuzzTarget: String, CaseIterable {
  case json
  case npy
  case safetensors
  case inference
  case query
  case content
  case engine

  var run: (UnsafeRawBufferPointer) -> Void {
    switch self {
    case .json: fuzzJSON
    case .npy: fuzzNPY
    case .safetensors: fuzzSafetensors
    case .inference: fuzzInference
    case .query: fuzzQuery
    case .content: fuzzContent
    case .engine: fuzzEngine
    }
  }

  /// The target that the environment names; one binary holds all, as each link takes long.
  static let chosen: FuzzTarget = {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
      let names = allCases.map(\.rawValue).joined(separator: ", ")
      complain("FUZZ_TARGET must be one of \(names), not '\(name)'")
      exit(64)
    }
    return target
  }()
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  FuzzTarget.chosen.run(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}
