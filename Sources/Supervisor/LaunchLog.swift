import Foundation

/// What a launch shows, and keeps: `logs/launch.log` has all of it and all that `mpirun` has said, `logs/launch.jsonl` an
/// object for each start and end of an attempt.
///
/// Progress is one line: on a terminal each takes the place of the one before, in a pipe or file it is a line of its own.
final class LaunchLog {
  private let text: Int32
  private let json: Int32
  private let isTerminal = isatty(1) != 0
  private let output = Viewer(1)
  private let errors = Viewer(2)
  private var showsProgress = false
  private let clock: DateFormatter

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
    clock = DateFormatter()
    clock.locale = Locale(identifier: "en_US_POSIX")
    clock.dateFormat = "yyyy-MM-dd HH:mm:ss.SSS"
  }

  deinit {
    close(text)
    close(json)
  }

  /// Local time as in the ranks' logs.
  var now: String { clock.string(from: Date()) }

  /// Says something of the launch's own.
  func say(_ line: String) {
    keep("launch: " + line)
    show("launch: " + line, to: output)
  }

  /// Passes on what the ranks print.
  func passOn(_ line: String) {
    keep(line)
    if isTerminal, line.hasPrefix("epoch "), line.contains("  step ") {
      output.write("\r\u{1B}[K" + line)
      showsProgress = true
    } else {
      show(line, to: output)
    }
  }

  func passOnError(_ line: String) { show(line, to: errors) }

  /// Keeps a line without showing it.
  func keep(_ line: String) { Self.write(text, "\(now) \(line)\n") }

  func event(_ members: [String: Any]) {
    var members = members
    members["time"] = now
    guard
      let bytes = try? JSONSerialization.data(withJSONObject: members, options: [.sortedKeys, .withoutEscapingSlashes])
    else { return }
    Self.write(json, String(decoding: bytes, as: UTF8.self) + "\n")
  }

  private func show(_ line: String, to viewer: Viewer) {
    // The progress line stays above.
    if showsProgress { output.write("\n") }
    showsProgress = false
    viewer.write(line + "\n")
  }

  /// A full disk or a reader that is gone must not end the run.
  private static func write(_ descriptor: Int32, _ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)[...]
      while !rest.isEmpty {
        let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
      }
    }
  }
}
