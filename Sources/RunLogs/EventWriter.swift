import Dispatch
import Files
import Foundation
import Synchronization

/// Appends a rank's events to its file, on a thread of its own: a disk that is full or hangs does not hold the rank up.
/// Events that cannot be written are lost.
///
/// A file is opened and closed for each event, which is when network file systems show it to other hosts. Any thread
/// may tell events.
package final class EventWriter: Sendable {
  /// Seconds between two events of done steps.
  private static let interval = 0.1

  private struct Steps {
    var isFirst = true
    /// Not told of yet.
    var newest: Int?
    var isScheduled = false
    /// Counts what was taken: what was scheduled before leaves to its successor what has come since.
    var taken = 0
    var lastTold = DispatchTime(uptimeNanoseconds: 1)
  }

  private let attempt: String
  private let path: String
  private let rank: Int
  private let queue = DispatchQueue(label: "u2pl.events")
  private let steps = Mutex(Steps())
  // Used on the queue alone.
  private let clock = LogClock()

  package init(_ channel: EventChannel, rank: Int) {
    attempt = channel.attempt
    path = channel.path(ofRank: rank)
    self.rank = rank
  }

  /// For the launch that has started this process; nil where no one reads events.
  package convenience init?(
    rank: Int, environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    guard let channel = EventChannel(environment: environment) else { return nil }
    self.init(channel, rank: rank)
  }

  /// Tells of an event, after those before it.
  package func tell(_ content: RunEvent.Content) {
    // The step is the newest when this is told, not when the queue comes to it.
    let newest = takeNewestStep()
    queue.async { [self] in
      if let newest { append(.step(newest)) }
      append(content)
    }
  }

  /// Tells that so many steps are done: of the first at once, of others ten times a second at most, the newest each
  /// time.
  package func tell(stepsDone count: Int) {
    steps.withLock { steps in
      if steps.isFirst {
        steps.isFirst = false
        queue.async { [self] in append(.firstStep(count)) }
        return
      }
      steps.newest = count
      guard !steps.isScheduled else { return }
      steps.isScheduled = true
      let taken = steps.taken
      queue.asyncAfter(deadline: steps.lastTold + Self.interval) { [self] in appendNewestStep(ifTaken: taken) }
    }
  }

  /// Waits until all has been written that was told, or for so many seconds: a file system may hang.
  package func flush(seconds: Double = 2) {
    let done = DispatchSemaphore(value: 0)
    queue.async { [self] in
      appendNewestStep()
      done.signal()
    }
    _ = done.wait(timeout: .now() + seconds)
  }

  /// - Parameter count: nil, or how often something must have been taken so far.
  private func takeNewestStep(ifTaken count: Int? = nil) -> Int? {
    steps.withLock { steps in
      guard let newest = steps.newest, count ?? steps.taken == steps.taken else { return nil }
      steps.newest = nil
      (steps.isScheduled, steps.lastTold) = (false, .now())
      steps.taken += 1
      return newest
    }
  }

  // MARK: On the queue

  private func appendNewestStep(ifTaken count: Int? = nil) {
    if let newest = takeNewestStep(ifTaken: count) { append(.step(newest)) }
  }

  private func append(_ content: RunEvent.Content) {
    var line = RunEvent(time: clock.now, attempt: attempt, rank: rank, content).line
    let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    // A line that a kill has cut short must not swallow this one.
    let end = lseek(descriptor, 0, SEEK_END)
    var last = UInt8(ascii: "\n")
    if end > 0, pread(descriptor, &last, 1, end - 1) == 1, last != UInt8(ascii: "\n") {
      line.insert(UInt8(ascii: "\n"), at: line.startIndex)
    }
    _ = line.withUnsafeBytes { FileSystem.appendWhole(descriptor, $0) }
  }
}
