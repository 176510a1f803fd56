// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

/// The masks of a file, and what can be made of them.
public struct SolvedFile: Sendable {
  enum Content: Sendable {
    case matrix(SolvedMatrix)
    case model(ModelReport, [SafetensorsHeader.Tensor])
  }

  let content: Content

  init(_ content: Content) { self.content = content }

  /// The report as a JSON object on one line: that of the service.
  public var report: [UInt8] {
    switch content {
    case .matrix(let matrix): matrix.reply.summary
    case .model(let report, _): report.json()
    }
  }

  /// The report as lines of a name and a value.
  public var table: [[String]] {
    switch content {
    case .matrix(let matrix): matrix.reply.table
    case .model(let report, _): report.table
    }
  }

  /// Writes the masks: of a matrix a .npy file of booleans, of a model the file that the service
  /// replies with.
  ///
  /// - Throws: `CommandError` where they cannot be written.
  /// - Complexity: memory for about a mebibyte beside the masks.
  public func writeMasks(to output: OutputFile) throws(CommandError) {
    switch content {
    case .matrix(let matrix): try matrix.reply.mask.writeNPY(to: output)
    case .model(let report, _):
      let file: ModelMaskFile
      do { file = try ModelMaskFile(report) } catch { throw CommandError(error) }
      try file.write { (bytes) throws(CommandError) in try output.write(bytes) }
    }
  }

  /// Writes the file again, with zeros in the place of what the masks drop.
  ///
  /// All else stays as it is, byte for byte: the header, tensors without a mask, and the bits of the
  /// weights that are kept.
  ///
  /// - Parameter input: the file that was solved, kept for rereading.
  /// - Throws: `CommandError` where it cannot be read again or cannot be written.
  /// - Complexity: memory for about a mebibyte.
  public func writePruned(
    _ input: InputFile,
    to output: OutputFile
  ) throws(CommandError) {
    var pruner = FilePruner(input, output)
    try input.rewind()
    switch content {
    case .matrix(let matrix):
      let header = matrix.header
      let mask = matrix.reply.mask
      try pruner.copy(header.dataOffset)
      try pruner.prune(
        header.dataByteCount,
        elementByteCount: header.elementType.byteCount,
        header.isFortranOrder
          ? .columns(mask)
          : .stream(mask.flatBits)
      )
    case .model(let report, let tensors):
      try pruner.copySafetensorsHeader()
      var outcomes = report.outcomes.makeIterator()
      for (plan, tensor) in zip(report.plans, tensors) {
        let byteCount = tensor.dataRange.count
        if plan.isMasked, let outcome = outcomes.next(), let type = tensor.elementType {
          try pruner.prune(
            byteCount,
            elementByteCount: type.byteCount,
            .stream(outcome.bits)
          )
        } else {
          try pruner.copy(byteCount)
        }
      }
    }
    try pruner.finish()
  }
}
