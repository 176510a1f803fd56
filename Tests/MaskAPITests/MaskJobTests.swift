// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Foundation
import Sparsity
import SyntheticWeights
import Testing

@testable import MaskAPI

struct MaskJobTests {
  private func layout(
    _ structure: Structure,
    _ rows: Int,
    _ columns: Int,
    _ remainder: Remainder = .dense
  ) throws -> MaskLayout {
    try MaskLayout(
      MaskSpecification(
        pattern: Pattern(n: 2, m: 4),
        structure: structure,
        remainder: remainder
      ),
      rows: rows,
      columns: columns
    )
  }

  @Test("A matrix that arrives in pieces gives what it gives in one, on any number of threads")
  func pieces() throws {
    var generator = SplitMix64(seed: 4)
    for structure in Structure.allCases {
      for (rows, columns) in [(0, 4), (5, 3), (64, 4096), (1030, 257), (300_000, 1)] {
        let layout = try layout(structure, rows, columns)
        let weights = WeightKind.normal.matrix(rows: rows, columns: columns, seed: 7)
        let expected = try weights.withUnsafeBytes {
          try layout.solve(MatrixView($0, dataType: .float32, rows: rows, columns: columns))
        }
        for threads in [1, 3] {
          let pool = SolverPool(threadCount: threads)
          defer { pool.stop() }
          let job = MaskJob(layout: layout, dataType: .float32, pool: pool) { false }
          let solution = try weights.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
              var count = min(rest.count, 1 + Int(generator.next() % 300_000))
              var piece = UnsafeRawBufferPointer(rebasing: rest.prefix(count))
              // What is put into the job's own memory is not copied again.
              if !generator.next().isMultiple(of: 3), let room = job.room() {
                count = min(count, room.count)
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: piece[..<count]))
                piece = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[..<count])
              }
              try job.append(piece)
              rest = rest.dropFirst(count)
            }
            return try job.finish()
          }
          #expect(solution.mask == expected.mask)
          #expect(solution.keptMagnitude == expected.keptMagnitude)
          #expect(solution.totalMagnitude == expected.totalMagnitude)
          #expect(solution.certificate == expected.certificate)
        }
      }
    }
  }

  @Test("The first entry that is not finite is named, whichever band a worker meets first")
  func firstFault() throws {
    let (rows, columns) = (1024, 1024)
    let layout = try layout(.transposable, rows, columns)
    var weights = WeightKind.uniform.matrix(rows: rows, columns: columns, seed: 1)
    for row in [200, 201, 500, 900] { weights[row * columns + 17] = .nan }
    let pool = SolverPool(threadCount: 4)
    defer { pool.stop() }
    for _ in 0..<20 {
      let job = MaskJob(layout: layout, dataType: .float32, pool: pool) { false }
      #expect {
        try weights.withUnsafeBytes { try job.append($0) }
        _ = try job.finish()
      } throws: { error in
        guard case MaskJob.Failure.solve(.notFinite(row: 200, column: 17)) = error else {
          return false
        }
        return true
      }
    }
  }

  @Test("A job may be given up at any point")
  func abandoned() throws {
    let layout = try layout(.transposable, 1024, 1024)
    let weights = WeightKind.uniform.matrix(rows: 1024, columns: 1024, seed: 1)
    let pool = SolverPool(threadCount: 2)
    defer { pool.stop() }
    for count in [0, 1, 1000, 262_144, 262_145, 3_000_000] {
      let job = MaskJob(layout: layout, dataType: .float32, pool: pool) { false }
      try weights.withUnsafeBytes {
        try job.append(UnsafeRawBufferPointer(rebasing: $0.prefix(count)))
      }
      job.cancel()
    }
  }

  @Test("A cancelled job ends, whole or in pieces")
  func cancellation() throws {
    let layout = try layout(.transposable, 2048, 1024)
    let weights = WeightKind.uniform.matrix(rows: 2048, columns: 1024, seed: 1)
    let pool = SolverPool(threadCount: 2)
    defer { pool.stop() }
    let job = MaskJob(layout: layout, dataType: .float32, pool: pool) { false }
    job.cancel()
    #expect(throws: MaskJob.Failure.self) {
      try weights.withUnsafeBytes {
        _ = try job.solve(MatrixView($0, dataType: .float32, rows: 2048, columns: 1024))
      }
    }
  }

  @Test("While workers are busy, the feeding thread solves, and stops when its client has gone")
  func helping() throws {
    let (rows, columns) = (2048, 2048)
    let layout = try layout(.transposable, rows, columns)
    let weights = WeightKind.uniform.matrix(rows: rows, columns: columns, seed: 1)
    let pool = SolverPool(threadCount: 1)
    defer { pool.stop() }
    func solve(_ isClientGone: @escaping @Sendable () -> Bool) throws -> MaskJob {
      let gate = DispatchSemaphore(value: 0)
      pool.makeLane().submit { gate.wait() }
      let job = MaskJob(layout: layout, dataType: .float32, pool: pool, isClientGone: isClientGone)
      // The one band that is given to the pool cannot be solved before all others are.
      let opener = Thread {
        while job.busyTime == .zero { usleep(1000) }
        usleep(50_000)
        gate.signal()
      }
      opener.start()
      _ = try? weights.withUnsafeBytes {
        try job.solve(MatrixView($0, dataType: .float32, rows: rows, columns: columns))
      }
      return job
    }
    let whole = try solve { false }.busyTime
    let stopped = try solve { true }.busyTime
    #expect(stopped > .zero)
    #expect(stopped * 8 < whole)
  }

  @Test("The time that the feeding thread solves by itself is held against the limit")
  func helpingTakesTime() throws {
    let (rows, columns) = (4096, 4096)
    let layout = try layout(.transposable, rows, columns)
    let weights = WeightKind.uniform.matrix(rows: rows, columns: columns, seed: 1)
    let pool = SolverPool(threadCount: 1)
    defer { pool.stop() }
    let job = MaskJob(
      layout: layout,
      dataType: .float32,
      pool: pool,
      timeout: .milliseconds(1)
    ) { false }
    #expect {
      try weights.withUnsafeBytes {
        _ = try job.solve(MatrixView($0, dataType: .float32, rows: rows, columns: columns))
      }
    } throws: { error in
      if case MaskJob.Failure.timedOut = error { true } else { false }
    }
  }
}
