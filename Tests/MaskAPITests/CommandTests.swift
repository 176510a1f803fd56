// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import HTTPTypes
import Sparsity
import Testing

@testable import MaskAPI

/// What commands do with files, and what they say meanwhile.
struct CommandTests {
  /// A folder that is gone after `body`.
  private func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
  }

  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  // MARK: Outputs

  @Test func outputTakesItsNameWhenWhole() throws {
    try withFolder { folder in
      let path = folder + "/out"
      do {
        let output = try OutputFile(path: path)
        try output.write([1, 2, 3])
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try names(folder).count == 1)
      }
      #expect(try names(folder).isEmpty)
      let output = try OutputFile(path: path)
      try output.write([4, 5])
      try output.commit()
      #expect(try names(folder) == ["out"])
      #expect(FileManager.default.contents(atPath: path) == Data([4, 5]))
    }
  }

  @Test func outputsThatAreRefused() throws {
    try withFolder { folder in
      let path = folder + "/in"
      #expect(FileManager.default.createFile(atPath: path, contents: Data([1])))
      let input = try InputFile(path: path)
      let first = try OutputFile(path: folder + "/out")
      #expect { try OutputFile(path: path, input: input) } throws: { Self.kind($0) == .usage }
      #expect { try OutputFile(path: folder + "/./out", others: [first]) } throws: {
        Self.kind($0) == .usage
      }
      #expect { try OutputFile(path: folder + "/no/out") } throws: { Self.kind($0) == .creation }
      #expect { try OutputFile(path: folder) } throws: { Self.kind($0) == .creation }
      #expect { try InputFile(path: folder) } throws: { Self.kind($0) == .input }
    }
  }

  private static func kind(_ error: any Error) -> CommandError.Kind? {
    (error as? CommandError)?.kind
  }

  // MARK: Solving

  private final class Notes: SolveObserver {
    var lines: [String] = []
    func began(tensors: Int, weights: Int) { lines.append("\(tensors) of \(weights)") }
    func advanced(weights: Int) { lines.append("+\(weights)") }
    func ended(_ tensor: TensorProgress) { lines.append(tensor.line) }
  }

  @Test func observerHearsOfAllWeights() throws {
    try withFolder { folder in
      let path = folder + "/m"
      let header = #"""
        {"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},\#
        "b":{"dtype":"F32","shape":[4,4],"data_offsets":[16,80]}}
        """#
      var file = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
      file += Data(header.utf8) + Data(repeating: 0, count: 80)
      #expect(FileManager.default.createFile(atPath: path, contents: file))
      let notes = Notes()
      let solver = try FileSolver(SolveOptions(n: 2, m: 4, threads: 1), observer: notes)
      _ = try solver.solve(InputFile(path: path))
      #expect(
        notes.lines == [
          "2 of 16", "a F32 [4] skipped: fewer than 2 dimensions", "+16", "b F32 [4, 4] masked",
        ]
      )
    }
  }

  @Test(arguments: [
    (400, CommandError.Kind.data), (413, .data), (422, .data), (408, .temporary), (503, .temporary),
    (504, .temporary), (500, .software),
  ])
  func statuses(_ status: Int, _ kind: CommandError.Kind) {
    #expect(CommandError(Problem(.init(code: status), "")).kind == kind)
  }

  // MARK: Progress

  @Test func barFitsItsWidth() {
    var line = ProgressLine()
    line.tensors = 104
    line.weights = 22_713_728
    for done in [0, 1, 11_356_864, 22_713_728] {
      line.weightsDone = done
      for width in 0...200 {
        let text = line.text(width: width, elapsed: 2)
        #expect(text.count <= width, "\(text)")
      }
    }
    line.weightsDone = 11_356_864
    line.tensorsDone = 34
    let figures = " 50%  34/104 tensors  11.4M/22.7M weights  5.7M/s  0:02 left"
    let bar = String(repeating: "#", count: 20) + String(repeating: "-", count: 20)
    #expect(line.text(width: 120, elapsed: 2) == "[\(bar)] " + figures)
    #expect(line.text(width: 55, elapsed: 2).hasSuffix("]  50%  34/104 tensors  5.7M/s  0:02 left"))
    #expect(line.text(width: 24, elapsed: 2).hasSuffix("]  50%"))
    #expect(line.text(width: 4, elapsed: 2) == " 50%")
  }

  @Test func emptyWorkIsDone() {
    #expect(ProgressLine().text(width: 80, elapsed: 0).hasSuffix("100%  0/0 tensors  0/0 weights"))
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1.0k"), (1234, "1.2k"), (99_949, "99.9k"), (99_950, "100k"),
    (999_499, "999k"), (999_500, "1.0M"), (22_713_728, "22.7M"), (2_000_000_000, "2.0G"),
  ])
  func shortNumbers(_ number: Int, _ text: String) { #expect(ProgressLine.short(number) == text) }

  @Test(arguments: [(0.0, "0:00"), (0.2, "0:01"), (59.5, "1:00"), (61, "1:01"), (3_661, "1:01:01")])
  func times(_ seconds: Double, _ text: String) { #expect(ProgressLine.time(seconds) == text) }
}
