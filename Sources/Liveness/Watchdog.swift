import Distributed
import Foundation
import RunLogs
import Synchronization

/// Ends a run in which a rank does not go on, and says which, where, at what, and why as far as the system knows.
///
/// Every rank has a thread that looks at its own progress (``Activity``), and, when it has waited in a call of MPI for too
/// long, at that of the others: in the memory that the ranks of a node share, and for those of other nodes in files of the
/// run directory. It makes no call of MPI, whose thread hangs; it leaves the process, and the launcher then ends the others.
///
/// Time is counted in the thread's own ticks, so that a job that was suspended as a whole has not been waiting.
package final class Watchdog: Sendable {
  /// Seconds that a rank that is late itself leaves to the others to say so.
  static let grace = 5.0

  private let thread: WatchdogThread

  /// Collective.
  ///
  /// - Parameters:
  ///   - seconds: without progress after which a rank is late; nil watches nobody.
  ///   - directory: for the status files of a run on several nodes.
  package init(seconds: Int?, directory: String, ranks: Communicator) throws {
    let board = try StatusBoard(ranks)
    thread = WatchdogThread(limit: seconds.map(Double.init), board: board, rank: ranks.rank, directory: directory)
    if seconds != nil { thread.start() }
  }

  /// Where the last words go too, once there is a run directory.
  package func attach(_ log: RankLog) { thread.attach(log) }

  deinit { thread.stop() }
}

/// Kept apart from the watchdog so that its threads do not keep it alive.
private final class WatchdogThread: @unchecked Sendable {
  private let limit: Double
  private let tick: Double
  private let board: StatusBoard
  private let rank: Int
  private let slot: StatusSlot
  private let directory: String
  private let log = Mutex<RankLog?>(nil)
  private let condition = NSCondition()
  private var stopped = false
  /// What the files of ranks on other nodes say.
  private let remote = Mutex<[Int: RankStatus]>([:])
  private let isObserving = Atomic<Bool>(false)

  // Of the watching thread.
  private var progress = -1
  private var quiet = 0.0
  private var heard: [Int: (heartbeat: Int, silent: Double)] = [:]

  init(limit: Double?, board: StatusBoard, rank: Int, directory: String) {
    self.limit = limit ?? .infinity
    tick = min(1, self.limit / 10)
    self.board = board
    self.rank = rank
    slot = board.slots[rank]!
    self.directory = directory
  }

  private var own: RankStatus { RankStatus(slot, rank: rank, board.places[rank]) }

  private func file(_ rank: Int) -> String { "\(directory)/rank-\(String(format: "%04d", rank))" }

  /// Ranks whose memory this one cannot read.
  private var strangers: [Int] { board.places.indices.filter { board.slots[$0] == nil } }

  func start() {
    spawn("watchdog", watch)
    if !strangers.isEmpty {
      // Apart, because a file system may hang, and that is one of the things to be said.
      spawn("watchdog-files", exchangeFiles)
    }
  }

  func attach(_ log: RankLog) {
    if limit.isFinite, !strangers.isEmpty {
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

  /// False when there is nothing more to watch.
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
      for rank in strangers {
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
      slot[.heartbeat] += 1
      let progress = slot[.progress]
      quiet = progress == self.progress ? quiet + elapsed : 0
      self.progress = progress
      slot[.quiet] = Int(quiet * 1000)
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
          "\(status.place) (pid \(status.pid)) has not gone on for \(Int(quiet)) s and is "
            + "\(state.description(pid: status.pid)), in \(status.position)", speaks: true)
      }
    }
  }

  private func view(_ rank: Int) -> RankStatus? {
    if let slot = board.slots[rank] { return RankStatus(slot, rank: rank, board.places[rank]) }
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
        state: place.host == board.places[self.rank].host ? ProcessState.of(place.pid) : nil)
    }
    let places = board.places
    guard
      let accusation = lateness.accusation(
        by: status, of: views, places: { "rank \($0) on \(places[$0].host) (pid \(places[$0].pid))" })
    else { return }
    let isFirst = !views.contains { $0.key < rank && lateness.verdict($0.value) == .waiting }
    end(accusation, speaks: isFirst)
  }

  /// - Parameter speaks: whether this rank is the one to tell the user; the others do so if it has not ended them.
  private func end(_ message: String, speaks: Bool) -> Never {
    let message = "no progress: \(message). The run ends; --resume latest goes on from its newest checkpoint"
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
      // The launcher ends it, or, where it cannot be reached, nobody does.
      signal(SIGTERM, SIG_DFL)
      sleep(6)
    }
    if let events = EventWriter(rank: rank) {
      events.tell(.failed(.init(host: own.host, step: step, message: message, code: 1)))
      events.flush()
    }
    // Which may be a file on a full disk.
    try? FileHandle.standardError.write(contentsOf: Data("u2pl: error: \(message)\n".utf8))
    // What is in the pipe is passed on before the launcher takes note of the end.
    usleep(200_000)
    _exit(1)
  }
}
