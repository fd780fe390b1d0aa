import Foundation
import Synchronization

/// `metrics.jsonl`: one JSON object a line, appended as training goes.
public final class MetricsFile: Sendable {
  private let path: String
  /// Closed when nil.
  private let descriptor: Mutex<Int32?>

  /// Opens the file to append to it.
  ///
  /// With nil as `step` the file starts empty. When a run resumes at `step`, lines whose `"step"` is that or later are
  /// dropped, and lines that are no JSON objects (torn by a kill); the others stay byte for byte. The file is replaced
  /// atomically.
  public init(path: String, resumeAt step: Int?) throws {
    self.path = path
    var kept = Data()
    if let step, access(path, F_OK) == 0 {
      kept = MetricsFile.lines(of: try MetricsFile.contents(of: path), before: step)
    }
    try FileSystem.replace(path) { _, descriptor in
      guard kept.withUnsafeBytes({ FileSystem.writeAll(descriptor, $0) }) else {
        throw CheckpointError.system("cannot be written", path)
      }
    }
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard descriptor >= 0 else { throw CheckpointError.system("cannot be written", path) }
    self.descriptor = Mutex(descriptor)
  }

  deinit {
    close()
  }

  /// Appends `line` (without a newline) and a newline, in one write. When that fails, nothing of the line stays.
  public func append(_ line: String) throws {
    guard !line.utf8.contains(UInt8(ascii: "\n")) else {
      throw CheckpointError(description: "\(path): a line of metrics must not have a newline in it: \(line)")
    }
    try descriptor.withLock { descriptor in
      guard let descriptor else {
        throw CheckpointError(description: "\(path): is closed, nothing can be appended")
      }
      let end = lseek(descriptor, 0, SEEK_END)
      guard Array("\(line)\n".utf8).withUnsafeBytes({ FileSystem.writeAll(descriptor, $0) }) else {
        let error = CheckpointError.system("cannot be appended to", path)
        if end >= 0 { _ = ftruncate(descriptor, end) }
        throw error
      }
    }
  }

  /// Closes the file; a second call does nothing.
  public func close() {
    descriptor.withLock { descriptor in
      if let open = descriptor { _ = Foundation.close(open) }
      descriptor = nil
    }
  }

  private static func contents(of path: String) throws -> Data {
    do {
      return try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw CheckpointError(description: "\(path): cannot be read: \(error.localizedDescription)")
    }
  }

  private static func lines(of data: Data, before step: Int) -> Data {
    var kept = Data()
    for line in data.split(separator: UInt8(ascii: "\n")) {
      guard let object = try? JSONSerialization.jsonObject(with: line) as? [String: Any] else { continue }
      if let own = (object["step"] as? NSNumber)?.doubleValue, own >= Double(step) { continue }
      kept.append(line)
      kept.append(UInt8(ascii: "\n"))
    }
    return kept
  }
}
