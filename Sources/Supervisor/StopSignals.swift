import Foundation
import Synchronization

/// Signals to a launch: SIGTERM, SIGINT, SIGHUP and SIGUSR1 ask the run to write a checkpoint and end; a second SIGINT ends
/// it at once.
enum StopSignals {
  private static let first = Atomic<Int32>(0)
  private static let interrupts = Atomic<Int32>(0)

  static func listen() {
    // The first access makes the storage, which a handler must not.
    first.store(0, ordering: .relaxed)
    interrupts.store(0, ordering: .relaxed)
    for number in [SIGTERM, SIGINT, SIGHUP, SIGUSR1] {
      signal(number) { number in
        _ = StopSignals.first.compareExchange(expected: 0, desired: number, ordering: .relaxed)
        if number == SIGINT { StopSignals.interrupts.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    // Whoever reads the output may go; the run goes on.
    signal(SIGPIPE, SIG_IGN)
  }

  /// The first that has come, nil for none.
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
