// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// The work of a model on one input, which comes as bytes.
protocol InferenceRun: MatrixSink {
  /// Finishes the work, after all bytes.
  func finish() throws(Problem) -> InferenceResult
  /// Drops the work.
  func cancel()
}

/// What a model has made of one input.
struct InferenceResult {
  /// Something that is told beside the tensors.
  enum Figure {
    case number(Double)
    case integer(Int)
    case boolean(Bool)
    case text(String)
  }

  /// All that the model returns, in the order of `InferenceModel.outputs`.
  let tensors: [InferenceTensor]
  let figures: [(name: String, value: Figure)]
  /// What owns the memory of the tensors.
  let owner: AnyObject?
}

/// Finds a mask while the weights arrive.
final class MaskRun: InferenceRun {
  let field = "weights"
  private let parameters: MaskParameters
  private let context: RequestContext
  private var job: MaskJob?

  init(_ parameters: MaskParameters, _ context: RequestContext) {
    self.parameters = parameters
    self.context = context
  }

  func begin(_ header: MatrixHeader) throws(Problem) {
    let dataType = try header.numericType(field: field)
    let layout = try Problem.rethrow { () throws(SpecificationError) in
      try MaskLayout(parameters.specification, rows: header.rows, columns: header.columns)
    }
    // The reply has the mask as bytes or, in JSON, as words.
    job = try context.solving.makeMaskJob(
      layout,
      dataType,
      parameters,
      replySize: 6 * header.rows * header.columns
    )
  }

  func room() -> UnsafeMutableRawBufferPointer? { job?.room() }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    do { try job?.append(bytes) } catch { throw Problem(error, field: field) }
  }

  func finish() throws(Problem) -> InferenceResult {
    guard let job else { throw Problem(.internalServerError, "The input was never begun.") }
    let result = Result { () throws(MaskJob.Failure) in try job.finish() }
    let solution = try context.solution(of: job, result, field: field)
    var figures: [(name: String, value: InferenceResult.Figure)] = [
      ("kept", .integer(solution.kept)), ("retained", .number(solution.retained)),
    ]
    if let density = solution.density { figures.append(("density", .number(density))) }
    if let certificate = solution.certificate {
      figures.append(("upper_bound", .number(certificate.upperBound)))
      figures.append(("relative_gap", .number(certificate.relativeGap)))
      figures.append(("optimal", .boolean(certificate.isOptimal)))
    }
    if let diversity = context.service.diversities.diversity(of: solution.layout) {
      figures.append(("log2_masks", .number(diversity.count.log2)))
      figures.append(("bits_per_weight", .number(diversity.count.bitsPerWeight)))
    }
    return InferenceResult(
      tensors: [
        .mask(solution.mask), .number("kept_magnitude", solution.keptMagnitude),
        .number("total_magnitude", solution.totalMagnitude),
      ],
      figures: figures,
      owner: nil
    )
  }

  func cancel() { job?.cancel() }
}

/// Estimates a gradient once it is whole.
final class GradientRun: InferenceRun {
  let field = "gradients"
  private let parameters: GradientParameters
  private let context: RequestContext
  private var input: (job: GradientJob, dataType: DataType)?
  private var bytes: [UInt8] = []

  init(_ parameters: GradientParameters, _ context: RequestContext) {
    self.parameters = parameters
    self.context = context
  }

  func begin(_ header: MatrixHeader) throws(Problem) {
    let dataType = try header.numericType(field: field)
    // The gradients as they came, the estimate, and the reply.
    let (size, overflow) = (header.rows * header.columns).multipliedReportingOverflow(by: 32)
    try context.record.reserve(overflow ? .max : size)
    do throws(GradientError) {
      let job = try GradientJob(parameters, rows: header.rows, columns: header.columns)
      input = (job, dataType)
    } catch {
      throw Problem(error)
    }
  }

  func append(_ bytes: UnsafeRawBufferPointer) {
    guard let (job, dataType) = input else { return }
    self.bytes.append(bytes, of: job.rows * job.columns * dataType.byteCount)
  }

  func finish() throws(Problem) -> InferenceResult {
    guard let (job, dataType) = input else {
      throw Problem(.internalServerError, "The input was never begun.")
    }
    let connection = context.connection
    let pool = context.service.pool
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(GradientJob.Failure) in
        let view = MatrixView(bytes, dataType: dataType, rows: job.rows, columns: job.columns)
        try job.run(view, on: pool) { connection.isClientGone }
      }
    }
    do throws(GradientJob.Failure) {
      try result.get()
    } catch {
      switch error {
      case .gradient(let error): throw Problem(error)
      case .cancelled: throw Problem(.requestTimeout, "The client closed the connection.")
      }
    }
    let seed = parameters.seed
    let sums = job.sums
    let values = InferenceTensor(
      name: "values",
      content: .floats(job.valueBuffer),
      shape: [job.rows, job.columns]
    )
    let mask = Mask(rows: job.rows, columns: job.columns, bytes: Array(job.maskBytes))
    return InferenceResult(
      tensors: [values, .mask(mask), .number("variance", sums.variance)],
      figures: [
        // Readers of JSON lose digits above 2^53.
        ("seed", seed <= 1 << 53 ? .integer(Int(seed)) : .text(String(seed))),
        ("kept", .integer(sums.kept)),
        ("unbiased", .boolean(parameters.method.isUnbiased)),
        ("relative_variance", .number(sums.relativeVariance)),
      ],
      owner: job
    )
  }

  func cancel() {}
}
