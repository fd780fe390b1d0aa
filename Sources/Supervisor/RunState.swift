import Checkpoint
import Foundation

/// How far a run has come, by what it leaves in its directory.
struct RunState {
  let directory: RunDirectory
  private var lastSize: off_t = -1
  private var lastTime = timespec()
  /// Steps done, by the metrics; nil where there are none.
  private(set) var steps: Int?

  init(directory: RunDirectory) {
    self.directory = directory
    _ = refresh()
  }

  /// Reads the last line of the metrics again if the file has changed. Returns whether it has.
  mutating func refresh() -> Bool {
    var status = stat()
    guard stat(directory.metricsPath, &status) == 0 else {
      let changed = lastSize >= 0
      (lastSize, steps) = (-1, nil)
      return changed
    }
    guard
      status.st_size != lastSize || status.st_mtim.tv_sec != lastTime.tv_sec
        || status.st_mtim.tv_nsec != lastTime.tv_nsec
    else { return false }
    (lastSize, lastTime) = (status.st_size, status.st_mtim)
    steps = lines(of: directory.metricsPath).last { $0["step"] is Int }.flatMap {
      ($0["step"] as? Int)?.advanced(by: 1)
    }
    return true
  }

  /// The files of all checkpoints, as they are now: one that is written again is another.
  var checkpointFiles: [CheckpointFile] {
    ((try? directory.checkpoints()) ?? []).compactMap { step, path in
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      return CheckpointFile(
        step: step, inode: status.st_ino, seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
    }
  }

  struct CheckpointFile: Hashable {
    let step: Int
    let inode: ino_t
    let seconds: Int
    let nanoseconds: Int
  }

  /// The step of the newest checkpoint, nil where there is none.
  var newestCheckpoint: Int? { (try? directory.checkpoints())?.first?.step }

  /// The last error in a rank's log since a time (`yyyy-MM-dd HH:mm:ss.SSS`).
  func lastWords(rank: Int, since: String) -> String? {
    lines(of: "\(directory.logsPath)/rank-\(String(format: "%04d", rank)).jsonl").last {
      $0["level"] as? String == "error" && ($0["time"] as? String ?? "") >= since
    }?["message"] as? String
  }

  /// The instructions of the newest attempt of a launch at this run, nil where there is none.
  var instructions: HostFacts.Instructions? {
    let name = lines(of: directory.logsPath + "/launch.jsonl").last { $0["instructions"] is String }?["instructions"]
    return HostFacts.Instructions.allCases.first { "\($0)" == name as? String }
  }

  /// The last whole lines of a file of JSON lines, which may be long.
  private func lines(of path: String) -> [[String: Any]] {
    guard let file = FileHandle(forReadingAtPath: path) else { return [] }
    defer { try? file.close() }
    let size = (try? file.seekToEnd()) ?? 0
    try? file.seek(toOffset: size > 1 << 16 ? size - (1 << 16) : 0)
    guard let bytes = try? file.readToEnd() else { return [] }
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    // What follows the last line's end is not complete.
    lines.removeLast()
    return lines.compactMap { try? JSONSerialization.jsonObject(with: Data($0)) as? [String: Any] }
  }
}
