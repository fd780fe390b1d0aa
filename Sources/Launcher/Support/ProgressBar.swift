import Foundation
import HDF5
import Trainer

/// A command's progress: items done and in all, items a second, time left.
///
/// On a terminal one line that is redrawn, at most ten times a second; anywhere else, as in a log or under `mpirun`, a
/// plain line every few seconds. All of it goes to standard error, so that output can be piped.
struct ProgressBar {
  private let total: Int
  private let label: String
  private let unit: String
  private let terminalWidth: Int?
  private let start = ProcessInfo.processInfo.systemUptime
  private var done = 0
  private var lastShown: Double
  private var hasShown = false

  /// - Parameters:
  ///   - label: what is being done, such as `predict`.
  ///   - unit: what is counted.
  init(total: Int, label: String, unit: String = "images") {
    self.total = total
    self.label = label
    self.unit = unit
    terminalWidth = Self.terminalWidth()
    lastShown = start
  }

  /// - Parameter done: how many of `total` are done.
  mutating func advance(to done: Int) {
    self.done = min(done, total)
    let now = ProcessInfo.processInfo.systemUptime
    guard now - lastShown >= (terminalWidth == nil ? 5 : 0.1) else { return }
    lastShown = now
    hasShown = true
    show(line(now - start))
  }

  /// Takes the bar off a terminal, so that the result stands where it was. Also before a message, after which the next
  /// `advance` draws it again.
  mutating func clear() {
    guard terminalWidth != nil, hasShown else { return }
    hasShown = false
    write("\r\u{1B}[K")
  }

  /// Call it at the end, also where the end came early.
  mutating func finish() { clear() }

  /// Such as `predict  57/101  56 %  12.3 images/s  0:04 left`.
  private func line(_ seconds: Double) -> String {
    let rate = Double(done) / seconds
    let blank = String(repeating: " ", count: "\(total)".count - "\(done)".count)
    var parts = [label, "\(blank)\(done)/\(total)", "\(total > 0 ? 100 * done / total : 100) %"]
    if done > 0 {
      parts.append(String(format: rate >= 100 ? "%.0f" : rate >= 1 ? "%.1f" : "%.3f", rate) + " \(unit)/s")
      parts.append("\(duration(Double(total - done) / rate)) left")
    }
    return parts.joined(separator: "  ")
  }

  private func show(_ line: String) {
    guard let terminalWidth else { return write(line + "\n") }
    // The bar takes the rest of the line, less a margin.
    let room = min(40, terminalWidth - line.count - 6)
    guard room >= 8 else { return write("\r" + line.prefix(max(0, terminalWidth - 1)) + "\u{1B}[K") }
    let filled = total > 0 ? room * done / total : room
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: room - filled)
    write("\r\(line)  \(bar)\u{1B}[K")
  }

  /// Ignores errors: a full disk must not end the command.
  private func write(_ text: some StringProtocol) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  /// Columns of the terminal, nil where standard error is none that can redraw a line.
  private static func terminalWidth() -> Int? {
    guard isatty(STDERR_FILENO) == 1, ProcessInfo.processInfo.environment["TERM"] ?? "dumb" != "dumb" else {
      return nil
    }
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
