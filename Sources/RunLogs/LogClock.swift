import Foundation

/// The time in logs: local, `yyyy-MM-dd HH:mm:ss.SSS`, which compares as text. Not for several threads at once.
package struct LogClock {
  private let formatter: DateFormatter

  package init() {
    formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyy-MM-dd HH:mm:ss.SSS"
  }

  package var now: String { formatter.string(from: Date()) }
}
