import Checkpoint
import Foundation

/// The log of one rank, twice: `rank-0003.log` for people, `rank-0003.jsonl` for programs. A resumed run appends.
public final class RankLog {
  public enum Level: String { case info, warning, error }

  private let text: FileHandle
  private let json: FileHandle
  private let rank: Int
  private var warned: [String: Int] = [:]
  private let clock: DateFormatter

  /// - Parameter directory: exists already.
  /// - Throws: ``CheckpointError`` naming the file that cannot be written.
  public init(directory: String, rank: Int) throws {
    self.rank = rank
    let stem = "\(directory)/rank-\(String(format: "%04d", rank))"
    text = try Self.open(stem + ".log")
    json = try Self.open(stem + ".jsonl")
    clock = DateFormatter()
    clock.locale = Locale(identifier: "en_US_POSIX")
    clock.dateFormat = "yyyy-MM-dd HH:mm:ss.SSS"
  }

  private static func open(_ path: String) throws -> FileHandle {
    let descriptor = Foundation.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CheckpointError(description: "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  public func info(_ message: String) { write(.info, message) }
  public func error(_ message: String) { write(.error, message) }

  /// Written when it first happens; how often in all, when the run ends.
  public func warn(_ message: String) {
    warned[message, default: 0] += 1
    if warned[message] == 1 { write(.warning, message) }
  }

  /// Where a step's time went on this rank.
  func step(_ report: StepReport) {
    var phases = JSONLine()
    for (phase, seconds) in report.phases { phases.add(phase, seconds) }
    var line = JSONLine()
    line.add("time", clock.string(from: Date()))
    line.add("rank", rank)
    line.add("step", report.step)
    line.add("seconds", report.seconds)
    line.add("phases", phases)
    append(json, line.text)
    let parts = report.phases.map { "\($0.phase) \(String(format: "%.3f", $0.seconds))" }.joined(separator: ", ")
    append(
      text,
      "\(clock.string(from: Date())) step \(report.step): \(String(format: "%.3f", report.seconds)) s: \(parts)")
  }

  /// The counts of repeated warnings.
  public func finish() {
    for (message, count) in warned.sorted(by: { $0.key < $1.key }) where count > 1 {
      write(.warning, "\(count) times in all: \(message)")
    }
  }

  private func write(_ level: Level, _ message: String) {
    append(text, "\(clock.string(from: Date())) \(level.rawValue): \(message)")
    var line = JSONLine()
    line.add("time", clock.string(from: Date()))
    line.add("rank", rank)
    line.add("level", level.rawValue)
    line.add("message", message)
    append(json, line.text)
  }

  /// A full disk must not end the run that the log is about.
  private func append(_ file: FileHandle, _ line: String) { try? file.write(contentsOf: Data((line + "\n").utf8)) }
}
