// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Foundation
import Sparsity
import Synchronization

/// The mask of one matrix, found band by band on the solver pool.
///
/// A matrix that is in memory is solved by `solve(_:)`. One that is still arriving is given piece by
/// piece to `append(_:)`, which hands each band to the pool as soon as it is whole; `finish()` then
/// waits for the rest. Memory is a few bands and the packed mask. All three are called on one thread.
final class MaskJob: @unchecked Sendable {
  // Sendable although it holds pointers: the mask is written by workers in rows that no other worker
  // has, and read after all of them are done; the rest is the feeding thread's, or in `state`.

  enum Failure: Error {
    case solve(SolveError)
    /// The client is gone, or `cancel()` was called.
    case cancelled
    /// Solving, as far as the client waits for it, took longer than it may.
    case timedOut(limit: Duration)
  }

  let layout: MaskLayout
  private let dataType: DataType
  private let pool: SolverPool
  private lazy var lane = pool.makeLane()
  private let timeout: Duration
  private let isClientGone: @Sendable () -> Bool

  /// The packed rows, until they have become a solution.
  private var bytes: [UInt8]
  /// Where they are: a native array's elements stay in one block until the array is changed, and
  /// this one is not.
  private var mask: UnsafeMutablePointer<UInt8>?
  private let state: Mutex<State>
  /// One slot for each band that may be with the pool at once; nil where none ever is.
  private let slots: DispatchSemaphore?
  private let slotCount: Int
  /// The bands that are with the pool.
  private let pooledBands = Atomic(0)
  private let isCancelled = Atomic<Bool>(false)

  private var buffer: BandMemory.Block?
  private var filled = 0
  private var nextBand = 0
  private var isTimedOut = false
  /// The time that the feeding thread has waited for solvers.
  private(set) var waited = Duration.zero
  /// The time that it has solved bands by itself.
  private var helped = Duration.zero

  private struct State {
    var outcomes: [MaskOutcome?]
    var failure: (band: Int, error: SolveError)?
    var idleBuffers: [BandMemory.Block] = []
    var busy = Duration.zero
  }

  /// Begins a job.
  ///
  /// - Parameters:
  ///   - timeout: how long to wait for solvers, and to solve in their place, altogether.
  ///   - isClientGone: asked now and then while waiting; true stops the work.
  init(
    layout: MaskLayout,
    dataType: DataType,
    pool: SolverPool,
    timeout: Duration = .seconds(Int64.max / 2),
    isClientGone: @escaping @Sendable () -> Bool
  ) {
    self.layout = layout
    self.dataType = dataType
    self.isClientGone = isClientGone
    self.timeout = timeout
    self.pool = pool
    let byteCount = layout.rows * layout.maskRowByteCount
    // Not cleared: a band's rows are, before they are solved, and until then they need no memory.
    bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { $1 = byteCount }
    mask = bytes.withUnsafeMutableBufferPointer { $0.baseAddress }
    state = Mutex(State(outcomes: [MaskOutcome?](repeating: nil, count: layout.bandCount)))
    slotCount = Self.slotCount(pool)
    if Self.isSolvedInPlace(layout) {
      slots = nil
    } else {
      // Not made with its first value: a semaphore that is destroyed below that ends the process,
      // and a job can be given up while a band is being filled.
      let slots = DispatchSemaphore(value: 0)
      for _ in 0..<slotCount { slots.signal() }
      self.slots = slots
    }
  }

  deinit {
    if let buffer { pool.bands.put(buffer) }
    state.withLock { state in
      for idle in state.idleBuffers { pool.bands.put(idle) }
    }
  }

  /// The time that workers have spent on the job.
  var busyTime: Duration { state.withLock { $0.busy } }

  /// The memory that a job takes at most, in bytes.
  static func memory(_ layout: MaskLayout, _ dataType: DataType, pool: SolverPool) -> Int {
    let bands = slotCount(pool) * bandByteCount(layout, dataType)
    let matrix = layout.rows * layout.columns * dataType.byteCount
    return min(matrix, bands) + layout.rows * layout.maskRowByteCount
  }

  /// The bands that may be with the pool at once: enough to keep every worker busy while the next
  /// one is being filled.
  private static func slotCount(_ pool: SolverPool) -> Int { pool.threadCount + 2 }

  /// The memory of the largest band, which may be the last: it holds the tail.
  private static func bandByteCount(_ layout: MaskLayout, _ dataType: DataType) -> Int {
    guard layout.bandCount > 0 else { return 0 }
    let last = layout.rows(ofBand: layout.bandCount - 1).count
    let height = layout.bandCount == 1 ? last : max(last, layout.bandHeight)
    return height * layout.columns * dataType.byteCount
  }

  /// Stops the work; pieces that have not begun are skipped.
  func cancel() { isCancelled.store(true, ordering: .relaxed) }

  // MARK: Feeding

  /// Solves a matrix that is in memory and stays there during the call.
  func solve(_ matrix: MatrixView) throws(Failure) -> Solution {
    for band in 0..<layout.bandCount {
      try takeSlot()
      submit(band, matrix.rows(layout.rows(ofBand: band)), recycling: nil)
    }
    return try collect()
  }

  /// The memory of the band that is being filled, for the next bytes to be put there by the caller.
  ///
  /// - Returns: memory that is valid until the next call, and whose start is to be appended; nil where
  ///   no band may be begun now.
  func room() -> UnsafeMutableRawBufferPointer? {
    guard nextBand < layout.bandCount else { return nil }
    if buffer == nil {
      // What else ends the job is told when there are bytes to refuse.
      guard !isOver, slots?.wait(timeout: .now()) != .timedOut else { return nil }
      buffer = takeBuffer()
    }
    guard let buffer else { return nil }
    return UnsafeMutableRawBufferPointer(
      start: buffer.base + filled,
      count: size(ofBand: nextBand) - filled
    )
  }

  /// Takes the next bytes of the matrix, row-major and little-endian.
  func append(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    var rest = bytes
    while let source = rest.baseAddress, !rest.isEmpty {
      precondition(nextBand < layout.bandCount, "more bytes than the matrix has")
      let rows = layout.rows(ofBand: nextBand)
      let size = size(ofBand: nextBand)
      if slots == nil, buffer == nil, rest.count >= size {
        // All of the matrix, to be solved before this call ends.
        submit(nextBand, view(of: source, rows.count), recycling: nil)
        rest = UnsafeRawBufferPointer(rebasing: rest[size...])
        nextBand += 1
        continue
      }
      let target = try bandBuffer()
      let count = min(rest.count, size - filled)
      let place = target.base + filled
      if source != UnsafeRawPointer(place) { place.copyMemory(from: source, byteCount: count) }
      filled += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      if filled == size {
        buffer = nil
        filled = 0
        submit(nextBand, view(of: target.base, rows.count), recycling: target)
        nextBand += 1
      }
    }
  }

  /// Waits for the last bands of a matrix that was appended whole.
  func finish() throws(Failure) -> Solution { try collect() }

  private func view(of base: UnsafeRawPointer, _ rows: Int) -> MatrixView {
    MatrixView(base: base, dataType: dataType, rows: rows, columns: layout.columns)
  }

  private func bandBuffer() throws(Failure) -> BandMemory.Block {
    if let buffer { return buffer }
    try takeSlot()
    let next = takeBuffer()
    buffer = next
    return next
  }

  private func takeBuffer() -> BandMemory.Block {
    let idle = state.withLock { $0.idleBuffers.popLast() }
    return idle ?? pool.bands.take(Self.bandByteCount(layout, dataType))
  }

  private func size(ofBand band: Int) -> Int {
    layout.rows(ofBand: band).count * layout.columns * dataType.byteCount
  }

  // MARK: Working

  private func submit(_ band: Int, _ rows: MatrixView, recycling used: BandMemory.Block?) {
    if slots == nil {
      work(band, rows, recycling: used)
      return
    }
    if helps, pool.help({ helped += work(band, rows, recycling: used) }) {
      giveUpIfDue()
      return
    }
    pooledBands.add(1, ordering: .relaxed)
    lane.submit { [self] in
      work(band, rows, recycling: used)
      pooledBands.subtract(1, ordering: .relaxed)
    }
  }

  /// Whether handing the matrix to a worker would take longer than solving it here.
  private static func isSolvedInPlace(_ layout: MaskLayout) -> Bool {
    layout.bandCount == 1 && layout.specification.method == .exact
      && layout.rows * layout.columns <= 16_384
  }

  /// Whether the feeding thread takes the band, because each worker has one to go on with.
  ///
  /// The bytes are in this core's cache, and more than the workers can take would only fill the slots.
  /// Bands of the other methods take so long that the socket would be left alone.
  private var helps: Bool {
    layout.specification.method == .exact
      && pooledBands.load(ordering: .relaxed) >= pool.threadCount
  }

  /// Solves a band, gives back its memory and its slot, and returns the time that it took.
  @discardableResult
  private func work(_ band: Int, _ rows: MatrixView, recycling used: BandMemory.Block?) -> Duration
  {
    let duration = solve(band, rows)
    if let used { state.withLock { $0.idleBuffers.append(used) } }
    slots?.signal()
    return duration
  }

  private func solve(_ band: Int, _ rows: MatrixView) -> Duration {
    guard !isCancelled.load(ordering: .relaxed), let mask else { return .zero }
    let start = ContinuousClock.now
    let solver = pool.solvers.take(layout)
    let rowByteCount = layout.maskRowByteCount
    let target = mask + layout.rows(ofBand: band).lowerBound * rowByteCount
    target.update(repeating: 0, count: rows.rows * rowByteCount)
    let result = Result { () throws(SolveError) in
      try solver.solve(band, rows, into: MaskRows(base: target, rowByteCount: rowByteCount))
    }
    pool.solvers.put(solver)
    let duration = ContinuousClock.now - start
    state.withLock { state in
      state.busy += duration
      switch result {
      case .success(let outcome): state.outcomes[band] = outcome
      case .failure(let error):
        if state.failure.map({ band < $0.band }) ?? true { state.failure = (band, error) }
      }
    }
    return duration
  }

  // MARK: Waiting

  /// Waits until another band may go to the pool.
  ///
  /// An entry that is not finite ends the job; which one is the first is known once the bands before
  /// it, which are with the pool already, are done.
  private func takeSlot() throws(Failure) {
    acquireSlot()
    guard isOver else { return }
    slots?.signal()
    _ = try collect()
  }

  private var isOver: Bool {
    isTimedOut || isCancelled.load(ordering: .relaxed) || state.withLock { $0.failure != nil }
  }

  private func acquireSlot() {
    guard let slots, slots.wait(timeout: .now()) == .timedOut else { return }
    let start = ContinuousClock.now
    let before = waited
    repeat {
      waited = before + (ContinuousClock.now - start)
      giveUpIfDue()
    } while slots.wait(timeout: .now() + .milliseconds(50)) == .timedOut
    waited = before + (ContinuousClock.now - start)
  }

  /// Gives the work up if the client has gone, or the time is over.
  private func giveUpIfDue() {
    if isClientGone() { cancel() }
    guard waited + helped > timeout else { return }
    isTimedOut = true
    cancel()
  }

  /// Waits until no band is with the pool, also after a cancellation: bands that have not begun are
  /// skipped then, and a matrix in memory must outlive those that have.
  private func collect() throws(Failure) -> Solution {
    if let slots {
      for _ in 0..<slotCount { acquireSlot() }
      for _ in 0..<slotCount { slots.signal() }
    }
    if isTimedOut { throw .timedOut(limit: timeout) }
    if isCancelled.load(ordering: .relaxed) { throw .cancelled }
    let (outcomes, failure) = state.withLock { ($0.outcomes, $0.failure) }
    if let failure { throw .solve(failure.error) }
    // No worker is left that could write to it.
    mask = nil
    let bytes = self.bytes
    self.bytes = []
    do {
      return try Solution(
        layout: layout,
        mask: Mask(rows: layout.rows, columns: layout.columns, bytes: bytes),
        outcomes: outcomes.compactMap { $0 }
      )
    } catch {
      throw .solve(error)
    }
  }
}
