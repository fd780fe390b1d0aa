import Foundation
import RunLogs

/// Shows a launch's messages and writes its logs: `logs/launch.log` has these messages and all output of `mpirun`,
/// `logs/launch.jsonl` a ``LaunchRecord`` for each start, first step and end of an attempt.
///
/// Progress is one line: on a terminal each takes the place of the one before, in a pipe or file it is a line of its
/// own.
final class LaunchLog {
  private let text: Int32
  private let json: Int32
  private let isTerminal = isatty(1) != 0
  private let output = Viewer(1)
  private let errors = Viewer(2)
  private var showsProgress = false
  private let clock = LogClock()

  /// - Parameter directory: exists already.
  init(directory: String) throws {
    func open(_ name: String) throws -> Int32 {
      let path = "\(directory)/\(name)"
      let descriptor = Foundation.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else {
        throw SupervisorError("\(path) cannot be written: \(String(cString: strerror(errno)))")
      }
      return descriptor
    }
    text = try open("launch.log")
    json = try open("launch.jsonl")
  }

  deinit {
    close(text)
    close(json)
  }

  /// Shows and logs a message of the launch itself.
  func say(_ line: String) {
    keep("launch: " + line)
    show("launch: " + line, to: output)
  }

  /// Shows and logs a line that a rank has printed.
  func passOn(_ line: String) {
    let progress = ProgressLine.unmarked(line)
    keep(progress ?? line)
    if isTerminal, let progress {
      output.write("\r\u{1B}[K" + progress)
      showsProgress = true
    } else {
      show(progress ?? line, to: output)
    }
  }

  func passOnError(_ line: String) { show(line, to: errors) }

  /// Logs a line without showing it.
  func keep(_ line: String) { Self.write(text, Data("\(clock.now) \(line)\n".utf8)) }

  /// Logs a record, with the time.
  func keep(_ record: LaunchRecord) {
    var record = record
    record.time = clock.now
    Self.write(json, record.line)
  }

  private func show(_ line: String, to viewer: Viewer) {
    // The line of progress stays, and the message goes below it.
    if showsProgress { output.write("\n") }
    showsProgress = false
    viewer.write(line + "\n")
  }

  /// Ignores errors: a full disk or a reader that is gone must not end the run.
  private static func write(_ descriptor: Int32, _ line: Data) {
    line.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
      }
    }
  }
}
