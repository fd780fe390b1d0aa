import Files
import Foundation
import Synchronization

/// Signals to a launch: SIGTERM, SIGINT, SIGHUP and SIGUSR1 ask the run to write a checkpoint and end; a second SIGINT
/// ends it at once.
enum StopSignals {
  private static let first = Atomic<Int32>(0)
  private static let interrupts = Atomic<Int32>(0)

  private static let isListening = Atomic<Bool>(false)

  /// From the first call on, signals are noted; a later call keeps those that were received before it.
  static func listen() {
    guard !isListening.exchange(true, ordering: .relaxed) else { return }
    // The first access initialises the storage, which a signal handler must not do.
    first.store(0, ordering: .relaxed)
    interrupts.store(0, ordering: .relaxed)
    for number in [SIGTERM, SIGINT, SIGHUP, SIGUSR1] where number != SIGHUP || !HangUp.isIgnored {
      signal(number) { number in
        _ = StopSignals.first.compareExchange(expected: 0, desired: number, ordering: .relaxed)
        if number == SIGINT { StopSignals.interrupts.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    // The reader of the output may end; the run goes on.
    signal(SIGPIPE, SIG_IGN)
  }

  /// The first signal received, nil for none.
  static var received: Int32? {
    let number = first.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  static var isUrgent: Bool { interrupts.load(ordering: .relaxed) > 1 }
}

/// Such as `SIGKILL`.
func signalName(_ number: Int32) -> String {
  let names = [
    SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP", SIGABRT: "SIGABRT",
    SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL", SIGUSR1: "SIGUSR1", SIGSEGV: "SIGSEGV", SIGUSR2: "SIGUSR2",
    SIGPIPE: "SIGPIPE", SIGTERM: "SIGTERM", SIGXCPU: "SIGXCPU", SIGXFSZ: "SIGXFSZ",
  ]
  return names[number] ?? "signal \(number)"
}
