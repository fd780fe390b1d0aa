import Files
import Foundation
import Synchronization

/// A run that was asked to stop, has written a checkpoint, and can be gone on with.
public struct RunStopped: Error, CustomStringConvertible, Sendable {
  public let description: String
}

/// Signals that ask a run to write a checkpoint and leave: SIGTERM and SIGUSR1, as batch systems send before they take a node
/// away, SIGINT, and SIGHUP, when the terminal is closed, unless it is ignored.
///
/// A handler may do next to nothing, so it notes the signal and the training loop looks after each step.
public enum StopRequest {
  private static let received = Atomic<Int32>(0)
  /// Counted apart: another signal may come between two of them.
  private static let interrupts = Atomic<Int>(0)
  private static let signals = [SIGTERM, SIGINT, SIGUSR1, SIGHUP]

  /// From now on these signals no longer end the process at once; a second SIGINT does.
  public static func listen() {
    // The first access makes the storage, which a handler must not.
    received.store(0, ordering: .relaxed)
    interrupts.store(0, ordering: .relaxed)
    // The reader of the output may end; the run goes on.
    signal(SIGPIPE, SIG_IGN)
    for number in signals where number != SIGHUP || !HangUp.isIgnored {
      signal(number) { number in
        StopRequest.received.store(number, ordering: .relaxed)
        guard number == SIGINT else { return }
        if StopRequest.interrupts.wrappingAdd(1, ordering: .relaxed).oldValue > 0 { _exit(130) }
      }
    }
  }

  /// The signal received last, 0 for none.
  static var number: Int32 { received.load(ordering: .relaxed) }

  static func name(_ number: Int32) -> String {
    switch number {
    case SIGTERM: "SIGTERM"
    case SIGINT: "SIGINT"
    case SIGUSR1: "SIGUSR1"
    case SIGHUP: "SIGHUP"
    default: "signal \(number)"
    }
  }
}
