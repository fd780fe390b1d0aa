import Distributed
import Foundation
import RunLogs
import Synchronization

/// Ends a run in which a rank makes no progress, and tells the rank, its host, what it was doing, and the cause as far
/// as the system knows it.
///
/// A thread of every rank watches the rank's own progress (``Activity``). When the rank has waited in an MPI call for
/// too long, the thread looks at the progress of the others: in the memory that the ranks of a node share, and for
/// those of other nodes in files of the run directory. It makes no MPI call, because the thread that may make one
/// hangs; it ends the process, and the launcher then ends the others.
///
/// The thread counts time in its own ticks, so that the time in which a job was suspended does not count as waiting.
package final class Watchdog: Sendable {
  /// Seconds that a late rank waits for the others to report it before it does so itself.
  static let grace = 5.0

  private let thread: WatchdogThread

  /// Collective.
  ///
  /// - Parameters:
  ///   - seconds: a rank without progress for so long is late; nil turns the watchdog off.
  ///   - directory: for the status files of a run on several nodes.
  package init(seconds: Int?, directory: String, ranks: Communicator) throws {
    let board = try StatusBoard(ranks)
    thread = WatchdogThread(limit: seconds.map(Double.init), board: board, rank: ranks.rank, directory: directory)
    if seconds != nil { thread.start() }
  }

  /// From here on the reason for the end is also written to the log.
  package func attach(_ log: RankLog) { thread.attach(log) }

  deinit { thread.stop() }
}

/// Kept apart from the watchdog so that its threads do not keep it alive.
private final class WatchdogThread: @unchecked Sendable {
  private let limit: Double
  private let tick: Double
  private let board: StatusBoard
  private let rank: Int
  private let record: StatusRecord
  private let directory: String
  private let log = Mutex<RankLog?>(nil)
  private let condition = NSCondition()
  private var stopped = false
  /// The status of ranks on other nodes, as their files tell it.
  private let remote = Mutex<[Int: RankStatus]>([:])
  private let isObserving = Atomic<Bool>(false)

  // Used by the watching thread alone.
  private var progress = -1
  private var quiet = 0.0
  private var heard: [Int: (heartbeat: Int, silent: Double)] = [:]

  init(limit: Double?, board: StatusBoard, rank: Int, directory: String) {
    self.limit = limit ?? .infinity
    tick = min(1, self.limit / 10)
    self.board = board
    self.rank = rank
    record = board.records[rank]!
    self.directory = directory
  }

  private var own: RankStatus { RankStatus(record, rank: rank, board.places[rank]) }

  private func file(_ rank: Int) -> String { "\(directory)/rank-\(String(format: "%04d", rank))" }

  /// Ranks of other nodes, whose memory this one cannot read.
  private var remoteRanks: [Int] { board.places.indices.filter { board.records[$0] == nil } }

  func start() {
    spawn("watchdog", watch)
    if !remoteRanks.isEmpty {
      // A thread of its own: a file system may hang, and the watchdog has to report that.
      spawn("watchdog-files", exchangeFiles)
    }
  }

  func attach(_ log: RankLog) {
    if limit.isFinite, !remoteRanks.isEmpty {
      try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }
    self.log.withLock { $0 = log }
  }

  func stop() {
    condition.withLock {
      stopped = true
      condition.broadcast()
    }
  }

  private func spawn(_ name: String, _ body: @escaping @Sendable () -> Void) {
    let thread = Thread(block: body)
    thread.name = name
    thread.start()
  }

  /// Waits for a tick.
  ///
  /// - Returns: false after ``stop()``.
  private func pause() -> Bool {
    condition.withLock {
      if !stopped { _ = condition.wait(until: Date(timeIntervalSinceNow: tick)) }
      return !stopped
    }
  }

  private func exchangeFiles() {
    while pause() {
      var status = own
      if isObserving.load(ordering: .relaxed) { status.state = ProcessState.of(getpid()) }
      status.write(to: file(rank))
      guard isObserving.load(ordering: .relaxed) else { continue }
      for rank in remoteRanks {
        let place = board.places[rank]
        guard let status = RankStatus(file: file(rank), rank: rank, host: place.host, pid: place.pid) else { continue }
        remote.withLock { $0[rank] = status }
      }
    }
    unlink(file(rank))
  }

  private func watch() {
    var last = ProcessInfo.processInfo.systemUptime
    while pause() {
      let now = ProcessInfo.processInfo.systemUptime
      let elapsed = min(now - last, 3 * tick)
      last = now
      record[.heartbeat] += 1
      let progress = record[.progress]
      quiet = progress == self.progress ? quiet + elapsed : 0
      self.progress = progress
      record[.quiet] = Int(quiet * 1000)
      isObserving.store(quiet >= limit / 2, ordering: .relaxed)
      guard quiet >= limit / 2 else {
        heard = [:]
        continue
      }
      listen(elapsed)
      let status = own
      if status.call != nil {
        if quiet >= limit { accuse(status) }
      } else if quiet >= limit * Double(status.patience) + Watchdog.grace {
        let state = ProcessState.of(getpid())
        end(
          "\(status.place) (pid \(status.pid)) has made no progress for \(Int(quiet)) s and is "
            + "\(state.description(pid: status.pid)), in \(status.position)", speaks: true)
      }
    }
  }

  private func view(_ rank: Int) -> RankStatus? {
    if let record = board.records[rank] { return RankStatus(record, rank: rank, board.places[rank]) }
    return remote.withLock { $0[rank] }
  }

  private func listen(_ elapsed: Double) {
    for rank in board.places.indices where rank != self.rank {
      guard let heartbeat = view(rank)?.heartbeat else { continue }
      if let known = heard[rank], known.heartbeat == heartbeat {
        heard[rank] = (heartbeat, known.silent + elapsed)
      } else {
        heard[rank] = (heartbeat, 0)
      }
    }
  }

  private func accuse(_ status: RankStatus) {
    let lateness = Lateness(limit: limit, silence: max(limit / 4, 3 * tick))
    var views: [Int: Lateness.View] = [:]
    for (rank, place) in board.places.enumerated() where rank != self.rank {
      views[rank] = Lateness.View(
        status: view(rank), silent: heard[rank]?.silent ?? 0,
        state: place.host == board.places[self.rank].host && MPIEnvironment.sharesMemory
          ? ProcessState.of(place.pid) : nil)
    }
    let places = board.places
    guard
      let accusation = lateness.accusation(
        by: status, of: views, places: { "rank \($0) on \(places[$0].host) (pid \(places[$0].pid))" })
    else { return }
    let isFirst = !views.contains { $0.key < rank && lateness.verdict($0.value) == .waiting }
    end(accusation, speaks: isFirst)
  }

  /// - Parameter speaks: whether this rank tells the user. The others do so too where its end has not ended them.
  private func end(_ message: String, speaks: Bool) -> Never {
    let message = "no progress: \(message). The run ends; --resume latest continues from its newest checkpoint"
    // The log may lie on the file system that hangs.
    let written = DispatchSemaphore(value: 0)
    let (log, step) = (log.withLock { $0 }, own.step)
    spawn("last-words") {
      log?.error(message, step: step)
      log?.finish()
      written.signal()
    }
    _ = written.wait(timeout: .now() + 2)
    if !speaks {
      // Usually the launcher ends this process meanwhile.
      signal(SIGTERM, SIG_DFL)
      sleep(6)
    }
    if let events = EventWriter(rank: rank) {
      events.tell(.failed(.init(host: own.host, step: step, message: message, code: 1)))
      events.flush()
    }
    // Standard error may be a file on a full disk.
    try? FileHandle.standardError.write(contentsOf: Data("u2pl: error: \(message)\n".utf8))
    // Time for the launcher to pass on what is in the pipe before it notices the end.
    usleep(200_000)
    _exit(1)
  }
}
