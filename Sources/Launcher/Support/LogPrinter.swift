import Foundation
import HDF5
import RunLogs

/// The choice of log lines to show.
struct LogFilter {
  let steps: ClosedRange<Int>?
  let level: LogEntry.Level
  /// Ranks of which only warnings and errors are shown.
  let quiet: (Int) -> Bool
  /// Whether any line was of the steps asked for, shown or not.
  private(set) var hasFoundSteps = false
  /// The step that a rank is in, after its last line.
  private var current: [Int: Int] = [:]

  init(steps: ClosedRange<Int>?, level: LogEntry.Level, quiet: @escaping (Int) -> Bool) {
    self.steps = steps
    self.level = level
    self.quiet = quiet
  }

  /// A message that names no step belongs to the one that its rank was in; entries come in the order of the file.
  mutating func shows(_ entry: LogEntry) -> Bool {
    let step: Int?
    switch entry.kind {
    case .start:
      current[entry.rank] = nil
      step = nil
    case .message: step = entry.step ?? current[entry.rank]
    case .step:
      step = entry.step
      current[entry.rank] = entry.step.map { $0 + 1 }
    }
    if let steps, !(step.map(steps.contains) ?? false) { return false }
    hasFoundSteps = true
    return entry.level >= (quiet(entry.rank) ? max(level, .warning) : level)
  }
}

/// Entries of logs as lines for people.
struct LogPrinter {
  private let colored: Bool
  private var output = ""

  init(colored: Bool) { self.colored = colored }

  /// Whether standard output is a terminal that shows colours to someone who wants them (no-color.org).
  static var terminalHasColors: Bool {
    let environment = ProcessInfo.processInfo.environment
    return isatty(STDOUT_FILENO) != 0 && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
  }

  mutating func show(_ entry: LogEntry) {
    output += line(entry) + "\n"
    if output.utf8.count > 1 << 16 { flush() }
  }

  mutating func flush() {
    FileHandle.standardOutput.writeOrEnd(output)
    output = ""
  }

  func line(_ entry: LogEntry) -> String {
    let head = paint(entry.time, "2") + " " + paint("[\(entry.rank)]", "\(31 + [4, 5, 1, 2, 3][entry.rank % 5])") + " "
    let indent = "\n" + String(repeating: " ", count: 27)
    // A file's name may hold control characters of terminals.
    func clean(_ text: String) -> String {
      String(
        String.UnicodeScalarView(
          text.unicodeScalars.map { $0.value < 0x20 && $0 != "\n" || $0.value == 0x7F ? "\u{FFFD}" : $0 }))
    }
    switch entry.kind {
    case .start(let facts):
      // The sentences repeat the keys.
      let sentences = facts.filter { $0.key.isEmpty }.map(\.value)
      let text =
        sentences.isEmpty
        ? facts.map { "\($0.key) \($0.value)" }.joined(separator: ", ") : sentences.joined(separator: "; ")
      return head + paint("start", "1") + (text.isEmpty ? "" : ": " + clean(text))
    case .message(let level, let text):
      let place = entry.step.map { "step \($0): " } ?? ""
      let lines = clean(text).split(separator: "\n", omittingEmptySubsequences: false).joined(separator: indent)
      switch level {
      case .info: return head + place + lines
      case .warning: return head + paint("warning: " + place + lines, "33")
      case .error: return head + paint("error: " + place + lines, "1;31")
      }
    case .step(let times):
      let wait = (times.waits ?? []).reduce(0) { $0 + $1.seconds }
      let waited = wait >= 0.0005 ? " (waited \(seconds(wait)) s)" : ""
      return head + "step \(entry.step ?? 0): \(seconds(times.seconds)) s\(waited): "
        + times.phases.map { phase in
          let wait = (times.waits ?? []).reduce(0) { $1.phase == phase.phase ? $0 + $1.seconds : $0 }
          return "\(phase.phase) \(seconds(phase.seconds))"
            + (wait >= 0.0005 ? paint(" (waited \(seconds(wait)))", "2") : "")
        }.joined(separator: ", ")
    }
  }

  private func seconds(_ value: Double) -> String { String(format: "%.3f", value) }

  private func paint(_ text: String, _ code: String) -> String { colored ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}

extension FileHandle {
  /// Writes text; ends the process where no one reads it any more, as after `| head`, or nothing more fits.
  fileprivate func writeOrEnd(_ text: String) {
    guard !text.isEmpty else { return }
    do { try write(contentsOf: Data(text.utf8)) } catch { Foundation.exit(1) }
  }
}
