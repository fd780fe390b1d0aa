import Dispatch
import Foundation
import Synchronization

/// Writes what a run can do without on a thread of its own, one piece after the other: a disk that is full or hangs does not hold
/// training up, and errors are kept for a warning.
package final class BackgroundWriter: Sendable {
  private struct State {
    var errors: [String] = []
    /// Pieces of work under way or waiting, by name.
    var waiting: [String: Int] = [:]
    var seconds = 0.0
  }

  private let queue = DispatchQueue(label: "u2pl.report", qos: .utility)
  private let state = Mutex(State())
  /// Pieces of one name that may wait: a disk that hangs must not fill the memory.
  private static let mostWaiting = 64

  package init() {}

  /// Has `body` run after what was given before.
  ///
  /// - Parameters:
  ///   - name: of this kind of work.
  ///   - newest: whether it is left out where a piece of this kind already waits for its turn.
  package func write(_ name: String, newest: Bool = false, _ body: @escaping @Sendable () throws -> Void) {
    let isTaken = state.withLock { state in
      let count = state.waiting[name, default: 0]
      guard count < (newest ? 2 : Self.mostWaiting) else { return false }
      state.waiting[name] = count + 1
      return true
    }
    guard isTaken else { return }
    queue.async { [self] in
      let problem: String?
      let start = Self.processorTime
      do {
        try body()
        problem = nil
      } catch { problem = "\(error)" }
      state.withLock { state in
        state.waiting[name]! -= 1
        state.seconds += Self.processorTime - start
        if let problem, state.errors.count < 100 { state.errors.append(problem) }
      }
    }
  }

  /// Waits until all has been written that was given, or for so many seconds.
  ///
  /// - Returns: whether all has.
  @discardableResult
  package func wait(seconds: Double) -> Bool {
    let done = DispatchSemaphore(value: 0)
    queue.async { done.signal() }
    return done.wait(timeout: .now() + seconds) == .success
  }

  /// Seconds of processor time that the work has taken so far.
  var seconds: Double { state.withLock { $0.seconds } }

  /// Of the calling thread.
  private static var processorTime: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }

  /// What could not be written since the last call.
  package func drainErrors() -> [String] {
    state.withLock { state in
      defer { state.errors = [] }
      return state.errors
    }
  }
}
