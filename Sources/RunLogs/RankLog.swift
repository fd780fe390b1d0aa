import Files
import Foundation

/// The log of one rank, twice: `rank-0003.log` for people, `rank-0003.jsonl` for programs. A resumed run appends.
///
/// Any thread may write to it: the last message may come from the watchdog.
public final class RankLog: @unchecked Sendable {
  private let text: FileHandle
  private let json: FileHandle
  package let rank: Int
  private let clock = LogClock()
  private let lock = NSLock()
  // Guarded by `lock`, as are the files and the clock.
  private var warned: [String: Int] = [:]

  /// - Parameter directory: exists already.
  /// - Throws: ``FileError`` naming the file that cannot be written.
  public init(directory: String, rank: Int) throws {
    self.rank = rank
    let stem = "\(directory)/rank-\(String(format: "%04d", rank))"
    text = try Self.open(stem + ".log")
    json = try Self.open(stem + ".jsonl")
  }

  private static func open(_ path: String) throws -> FileHandle {
    let descriptor = Foundation.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw FileError(description: "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// Writes the facts about this process, at each start of the run.
  public func start(_ facts: ProcessFacts) {
    lock.withLock {
      for line in facts.lines { append(text, "\(now) info: \(line)") }
      var line = stamped()
      line.add("event", "start")
      line.add("host", facts.host)
      line.add("pid", Int(facts.pid))
      line.add("ranks", facts.ranks)
      line.add("threads", facts.threads)
      line.add("cores", facts.binding)
      line.add("cpu", facts.cpu)
      line.add("blas", facts.blas)
      line.add("onednn", facts.oneDNN)
      line.add("mpi", facts.mpi)
      line.add("version", facts.version)
      line.add("facts", facts.lines)
      append(json, line.text)
    }
  }

  /// The descriptors of both files, to which a signal handler appends its message.
  package var descriptors: (text: Int32, json: Int32) { (text.fileDescriptor, json.fileDescriptor) }

  public func info(_ message: String) { lock.withLock { write(.info, message) } }

  /// For all errors, also the one that ends a run.
  public func error(_ message: String, step: Int? = nil) { lock.withLock { write(.error, message, step: step) } }

  /// Writes a warning the first time; the number of repetitions follows when the run ends.
  public func warn(_ message: String) {
    lock.withLock {
      warned[message, default: 0] += 1
      if warned[message] == 1 { write(.warning, message) }
    }
  }

  /// Where a step's time went on this rank: `phases` in seconds, `waits` the part of each that this rank was in calls
  /// of MPI, `calls` the same by call, as far as it took a tenth of a millisecond.
  package func step(_ step: Int, _ times: StepTimes) {
    var phases = JSONLine(), waits = JSONLine(), calls = JSONLine()
    func microseconds(_ seconds: Double) -> Double { (seconds * 1e6).rounded() / 1e6 }
    for time in times.phases { phases.add(time.phase, microseconds(time.seconds)) }
    for time in times.waits ?? [] { waits.add(time.phase, microseconds(time.seconds)) }
    for (call, seconds) in times.calls.sorted(by: { $0.key < $1.key }) where seconds >= 1e-4 {
      calls.add(call, microseconds(seconds))
    }
    let parts = zip(times.phases, times.waits ?? []).map { phase, wait in
      "\(phase.phase) \(String(format: "%.3f", phase.seconds))"
        + (wait.seconds < 0.0005 ? "" : " (\(String(format: "%.3f", wait.seconds)) in MPI)")
    }
    lock.withLock {
      var line = stamped()
      line.add("step", step)
      line.add("seconds", microseconds(times.seconds))
      line.add("phases", phases)
      line.add("waits", waits)
      line.add("calls", calls)
      append(json, line.text)
      append(text, "\(now) step \(step): \(String(format: "%.3f", times.seconds)) s: \(parts.joined(separator: ", "))")
    }
  }

  /// The counts of repeated warnings.
  public func finish() {
    lock.withLock {
      for (message, count) in warned.sorted(by: { $0.key < $1.key }) where count > 1 {
        write(.warning, "\(count) times in all: \(message)")
      }
      warned = [:]
    }
  }

  private var now: String { clock.now }

  private func stamped() -> JSONLine {
    var line = JSONLine()
    line.add("time", now)
    line.add("rank", rank)
    return line
  }

  private func write(_ level: LogEntry.Level, _ message: String, step: Int? = nil) {
    append(text, "\(now) \(level.rawValue): \(message)")
    var line = stamped()
    line.add("level", level.rawValue)
    line.add("message", message)
    if let step { line.add("step", step) }
    append(json, line.text)
  }

  /// A full disk must not end the run that the log is about, nor leave half a line that the next would continue.
  private func append(_ file: FileHandle, _ line: String) {
    _ = Array("\(line)\n".utf8).withUnsafeBytes { FileSystem.appendWhole(file.fileDescriptor, $0) }
  }
}
