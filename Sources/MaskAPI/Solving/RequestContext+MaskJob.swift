// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity

extension RequestContext {
  /// What solving takes from this request's service and connection.
  var solving: SolverContext {
    SolverContext(
      pool: service.pool,
      diversities: service.diversities,
      solveTimeout: service.configuration.solveTimeout,
      holdsReply: true,
      isCancelled: { [connection] in connection.isClientGone },
      reserve: { [record] (bytes) throws(Problem) in try record.reserve(bytes) }
    )
  }

  /// Takes the result of a job, and notes for logs and metrics what it was.
  ///
  /// - Parameter field: the name of the matrix in the request.
  /// - Throws: why there is no mask.
  func solution(
    of job: MaskJob,
    _ result: Result<Solution, MaskJob.Failure>,
    field: String
  ) throws(Problem) -> Solution {
    var work = RequestRecord.Work(
      specification: job.layout.specification,
      rows: job.layout.rows,
      columns: job.layout.columns,
      busy: job.busyTime,
      waited: job.waited
    )
    defer { record.record(work) }
    let solution: Solution
    do throws(MaskJob.Failure) {
      solution = try result.get()
    } catch {
      throw Problem(error, field: field)
    }
    work.isCertificateBroken =
      job.layout.specification.method == .exact && solution.certificate?.isOptimal != true
    return solution
  }
}
