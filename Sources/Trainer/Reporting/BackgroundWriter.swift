import Dispatch
import Foundation
import Synchronization

/// Writes, on a thread of its own and one piece after the other, what a run can do without: training does not wait for
/// a disk that is full or hangs, and errors are kept for a warning.
package final class BackgroundWriter: Sendable {
  private struct State {
    var errors: [String] = []
    /// Pieces of work under way or waiting, by name.
    var waiting: [String: Int] = [:]
    var seconds = 0.0
  }

  private let queue = DispatchQueue(label: "u2pl.report", qos: .utility)
  private let state = Mutex(State())
  /// Pieces of one name that may wait; more are left out, so that a disk that hangs does not fill the memory.
  private static let mostWaiting = 64

  package init() {}

  /// Runs `body` after all earlier pieces.
  ///
  /// - Parameters:
  ///   - name: of this kind of work.
  ///   - newest: whether to leave it out where a piece of this kind already waits for its turn.
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

  /// Waits until all earlier pieces are written, at most for so many seconds.
  ///
  /// - Returns: whether all are.
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

  /// The errors since the last call.
  package func drainErrors() -> [String] {
    state.withLock { state in
      defer { state.errors = [] }
      return state.errors
    }
  }
}
