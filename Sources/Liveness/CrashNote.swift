import Distributed
import Foundation
import RunLogs
import Synchronization

/// The last words of a process that crashes: a line in both of its logs with the signal, the phase and the step.
///
/// A signal handler may allocate nothing and take no lock, so it puts the line together from bytes that are there
/// already. Then a fault goes to the previous handler (the runtime's, which prints a backtrace), and a signal that was
/// sent ends the process.
package enum CrashNote {
  private static let signals: [(number: Int32, name: StaticString)] = [
    (SIGSEGV, "SIGSEGV"), (SIGBUS, "SIGBUS"), (SIGILL, "SIGILL"), (SIGFPE, "SIGFPE"), (SIGTRAP, "SIGTRAP"),
    (SIGABRT, "SIGABRT"),
  ]
  /// The function and the structure have one name.
  private typealias Action = sigaction
  private nonisolated(unsafe) static var before = [Action](repeating: Action(), count: 65)
  private nonisolated(unsafe) static var text: Int32 = -1
  private nonisolated(unsafe) static var json: Int32 = -1
  private nonisolated(unsafe) static var rank = 0
  private nonisolated(unsafe) static var secondsFromUTC = 0
  private nonisolated(unsafe) static var line = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1024)
  private nonisolated(unsafe) static var length = 0
  private static let isWritten = Atomic<Bool>(false)

  /// From now on, until the process ends, a crash is noted in this log. To be called once.
  package static func listen(_ log: RankLog) {
    let (text, json) = log.descriptors
    // Copies of the descriptors, which stay open when the log is closed. All statics are initialised here, because a
    // signal handler must not do that.
    (self.text, self.json, self.rank) = (fcntl(text, F_DUPFD_CLOEXEC, 0), fcntl(json, F_DUPFD_CLOEXEC, 0), log.rank)
    secondsFromUTC = TimeZone.current.secondsFromGMT()
    isWritten.store(false, ordering: .relaxed)
    line[0] = 0
    length = 0
    for (number, _) in signals {
      var action = Action()
      action.sa_flags = SA_SIGINFO
      // The kernel's codes are positive, those of senders are not (sigaction(2)).
      action.__sigaction_handler.sa_sigaction = { number, info, _ in
        CrashNote.note(number, isFault: info!.pointee.si_code > 0 && number != SIGTRAP)
      }
      sigaction(number, &action, &before[Int(number)])
    }
  }

  private static func note(_ number: Int32, isFault: Bool) {
    if !isWritten.exchange(true, ordering: .relaxed) {
      length = 0
      time()
      put(" error: ")
      message(number)
      put("\n")
      _ = write(text, line.baseAddress, length)
      length = 0
      put("{\"time\":\"")
      time()
      put("\",\"rank\":")
      put(rank, digits: 1)
      put(",\"level\":\"error\",\"message\":\"")
      message(number)
      put("\",\"step\":")
      put(Activity.record[.step], digits: 1)
      put("}\n")
      _ = write(json, line.baseAddress, length)
    }
    if isFault {
      // The fault repeats as soon as the handler returns.
      sigaction(number, &before[Int(number)], nil)
    } else {
      signal(number, SIG_DFL)
      raise(number)
    }
  }

  private static func message(_ number: Int32) {
    put("crashed by ")
    var name: StaticString = "a signal"
    for signal in signals where signal.number == number { name = signal.name }
    put(name)
    put(" in ")
    Activity.record.withPhaseBytes(put)
    put(" of step ")
    put(Activity.record[.step], digits: 1)
  }

  /// Local time as everywhere in the logs; days to a date by Howard Hinnant's `civil_from_days`.
  private static func time() {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let seconds = now.tv_sec + secondsFromUTC
    let z = seconds / 86_400 + 719_468, era = z / 146_097, day = z % 146_097
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
    let dayOfYear = day - (365 * year + year / 4 - year / 100)
    let m = (5 * dayOfYear + 2) / 153
    let month = m < 10 ? m + 3 : m - 9
    put(year + era * 400 + (month <= 2 ? 1 : 0), digits: 4)
    put("-")
    put(month, digits: 2)
    put("-")
    put(dayOfYear - (153 * m + 2) / 5 + 1, digits: 2)
    put(" ")
    put(seconds / 3600 % 24, digits: 2)
    put(":")
    put(seconds / 60 % 60, digits: 2)
    put(":")
    put(seconds % 60, digits: 2)
    put(".")
    put(now.tv_nsec / 1_000_000, digits: 3)
  }

  private static func put(_ text: StaticString) {
    put(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private static func put(_ bytes: UnsafeBufferPointer<UInt8>) {
    for byte in bytes where length < line.count {
      line[length] = byte
      length += 1
    }
  }

  private static func put(_ number: Int, digits: Int) {
    var scale = 1
    for _ in 1..<max(digits, 1) { scale *= 10 }
    while number / scale >= 10 { scale *= 10 }
    while scale > 0, length < line.count {
      line[length] = UInt8(48 + number / scale % 10)
      length += 1
      scale /= 10
    }
  }
}
