import Files
import Foundation
import Synchronization

/// `metrics.jsonl`: one JSON object a line, appended as training goes.
///
/// A full disk does not end a run: lines that do not fit wait in memory, and go into the file, in order, when it takes
/// them.
public final class MetricsFile: Sendable {
  private struct State {
    /// Closed when nil.
    var descriptor: Int32?
    /// Lines with their newlines that the file has not taken yet, oldest first.
    var waiting: [[UInt8]] = []
  }

  private let path: String
  private let state: Mutex<State>

  /// Opens the file to append to it.
  ///
  /// With nil as `step` the file starts empty. When a run resumes at `step`, lines whose `"step"` is that or later are
  /// dropped, and lines that are no JSON objects (torn by a kill); the others stay byte for byte. Where what stays is
  /// the file's beginning it is cut off behind it, which works on a full disk too; else the file is replaced
  /// atomically.
  ///
  /// - Parameter evaluatesAgain: whether the run resumes before the evaluation that follows the step before `step`: a
  ///   line of it, with the key `"evaluation"`, is dropped too.
  public init(path: String, resumeAt step: Int?, evaluatesAgain: Bool = false) throws {
    self.path = path
    var kept = Data()
    var old = Data()
    let exists = access(path, F_OK) == 0
    if let step, exists {
      old = try MetricsFile.contents(of: path)
      kept = MetricsFile.lines(of: old, before: step, evaluatesAgain)
    }
    if !exists || !old.starts(with: kept) {
      try FileSystem.replace(path) { _, descriptor in
        guard kept.withUnsafeBytes({ FileSystem.writeAll(descriptor, $0) }) else {
          throw CheckpointError.system("cannot be written", path)
        }
      }
    }
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard descriptor >= 0 else { throw CheckpointError.system("cannot be written", path) }
    state = Mutex(State(descriptor: descriptor))
    guard ftruncate(descriptor, off_t(kept.count)) == 0 else { throw CheckpointError.system("cannot be cut", path) }
  }

  deinit {
    close()
  }

  /// Lines that wait for room.
  public var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// Appends `line` (without a newline) and a newline, in one write, after those that wait.
  ///
  /// Throws when the file does not take it all. Of the line that does not fit nothing stays in the file; it waits with
  /// those after it for the next call.
  public func append(_ line: String) throws {
    guard !line.utf8.contains(UInt8(ascii: "\n")) else {
      throw CheckpointError(description: "\(path): a line of metrics must not have a newline in it: \(line)")
    }
    try state.withLock { state in
      guard let descriptor = state.descriptor else {
        throw CheckpointError(description: "\(path): is closed, nothing can be appended")
      }
      state.waiting.append(Array("\(line)\n".utf8))
      try write(&state, descriptor)
    }
  }

  private func write(_ state: inout State, _ descriptor: Int32) throws {
    var written = 0
    defer { state.waiting.removeFirst(written) }
    for line in state.waiting {
      guard line.withUnsafeBytes({ FileSystem.appendWhole(descriptor, $0) }) else {
        throw CheckpointError.system("cannot be appended to", path)
      }
      written += 1
    }
  }

  /// Writes the lines appended so far to the disk, so that they survive a power cut, except those that still wait.
  /// Appending goes on meanwhile.
  public func synchronize() throws {
    let copy = state.withLock { state in
      guard let descriptor = state.descriptor else { return Int32(-1) }
      if !state.waiting.isEmpty { try? write(&state, descriptor) }
      return fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    }
    guard copy >= 0 else { return }
    defer { _ = Foundation.close(copy) }
    guard fsync(copy) == 0 else { throw CheckpointError.system("cannot be written to the disk", path) }
  }

  /// Closes the file; a second call does nothing.
  ///
  /// - Returns: the number of lines that the file has not taken; they are lost.
  @discardableResult
  public func close() -> Int {
    state.withLock { state in
      guard let descriptor = state.descriptor else { return 0 }
      try? write(&state, descriptor)
      _ = Foundation.close(descriptor)
      state.descriptor = nil
      return state.waiting.count
    }
  }

  private static func contents(of path: String) throws -> Data {
    do {
      return try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw CheckpointError(description: "\(path): cannot be read: \(error.localizedDescription)")
    }
  }

  private static func lines(of data: Data, before step: Int, _ evaluatesAgain: Bool) -> Data {
    var kept = Data()
    for line in data.split(separator: UInt8(ascii: "\n")) {
      guard let object = try? JSONSerialization.jsonObject(with: line) as? [String: Any] else { continue }
      if let own = (object["step"] as? NSNumber)?.doubleValue {
        let end = Double(evaluatesAgain && object["evaluation"] != nil ? step - 1 : step)
        if own >= end { continue }
      }
      kept.append(line)
      kept.append(UInt8(ascii: "\n"))
    }
    return kept
  }
}
