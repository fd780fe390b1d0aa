import Files
import Foundation

/// A run's directory: `config.yaml`, `metrics.jsonl`, `verified`, `logs/`, and `checkpoints/` with `step-00001200.h5` and so on and
/// the links `latest` and `best`.
public struct RunDirectory: Sendable {
  public let path: String

  public init(path: String) {
    self.path = path
  }

  /// The run whose directory, or folder of checkpoints, a path is; nil where it is neither.
  public static func at(_ path: String) -> RunDirectory? {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    if FileSystem.isFolder(FileSystem.join(path, "checkpoints")) { return RunDirectory(path: path) }
    guard FileSystem.name(of: path) == "checkpoints", FileSystem.isFolder(path) else { return nil }
    return RunDirectory(path: FileSystem.directory(of: path))
  }

  public var configPath: String { FileSystem.join(path, "config.yaml") }
  public var logsPath: String { FileSystem.join(path, "logs") }
  public var metricsPath: String { FileSystem.join(path, "metrics.jsonl") }
  /// Which images have been decoded once.
  public var verifiedPath: String { FileSystem.join(path, "verified") }
  public var checkpointsPath: String { FileSystem.join(path, "checkpoints") }
  public var reportPath: String { FileSystem.join(path, "report.html") }
  /// For a collector of metrics.
  public var openMetricsPath: String { FileSystem.join(path, "metrics.prom") }
  public var tensorBoardPath: String { FileSystem.join(path, "tensorboard") }

  /// The path of a step's checkpoint.
  public func checkpointPath(step: Int) -> String {
    FileSystem.join(checkpointsPath, RunDirectory.checkpointName(step: step))
  }

  /// Creates the directory with `logs` and `checkpoints`, as far as they are missing.
  public func create() throws {
    try FileSystem.createDirectory(logsPath)
    try FileSystem.createDirectory(checkpointsPath)
  }

  /// Writes `config.yaml`, whole or not at all. One that says the same is left alone, so that a run can be resumed on a
  /// full disk.
  public func write(configuration text: String) throws {
    let bytes = Array(text.utf8)
    if let old = FileManager.default.contents(atPath: configPath), old.elementsEqual(bytes) { return }
    try FileSystem.replace(configPath) { _, descriptor in
      guard bytes.withUnsafeBytes({ FileSystem.writeAll(descriptor, $0) }) else {
        throw CheckpointError.system("cannot be written", configPath)
      }
    }
  }

  /// The checkpoints, newest (highest step) first. Temporaries are not among them. None when there is no directory.
  public func checkpoints() throws -> [(step: Int, path: String)] {
    try FileSystem.entries(of: checkpointsPath).compactMap { name in
      RunDirectory.step(ofName: name).map { (step: $0, path: FileSystem.join(checkpointsPath, name)) }
    }.sorted { $0.step > $1.step }
  }

  /// Makes the checkpoint of `step`, already written, the one `latest` (and with `best`, also `best`) links to, then
  /// removes all but the `keep` newest (at least one).
  ///
  /// Links are relative and replaced by rename, so they always lead to a file; what they lead to is never removed. Old
  /// checkpoints go whether or not links can be made.
  public func publish(step: Int, keep: Int, best: Bool) throws {
    let checkpoint = checkpointPath(step: step)
    guard access(checkpoint, F_OK) == 0 else { throw CheckpointError.system("cannot be published", checkpoint) }
    var problem: (any Error)?
    for name in best ? ["latest", "best"] : ["latest"] {
      do { try link(name, to: step) } catch { problem = problem ?? error }
    }
    do { try FileSystem.synchronizeDirectory(of: checkpoint) } catch { problem = problem ?? error }

    let linked = RunDirectory.links.compactMap(target(of:))
    for old in try checkpoints().dropFirst(max(1, keep)) where !linked.contains(FileSystem.name(of: old.path)) {
      guard unlink(old.path) == 0 || errno == ENOENT else {
        throw CheckpointError.system("old checkpoint cannot be removed", old.path)
      }
    }
    if let problem { throw problem }
  }

  /// Has `latest` lead to the checkpoint of `step`, from which a run goes on, and `best` to that of step `best`: a kill
  /// between a checkpoint and its links leaves them with older ones. Where the best is gone, `best` stays as it is, but
  /// does not lead nowhere, nor to one of `skipped`.
  public func relink(step: Int, best: Int?, skipped: [String] = []) throws {
    try relink("latest", to: step)
    func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 && !skipped.contains(path) }
    if let best, isThere(checkpointPath(step: best)) {
      try relink("best", to: best)
    } else if let target = target(of: "best"),
      !isThere(FileSystem.join(checkpointsPath, target))
    {
      try relink("best", to: step)
    }
  }

  /// Does not replace a link that is right already: a full disk may not take another.
  private func relink(_ name: String, to step: Int) throws {
    if target(of: name) != RunDirectory.checkpointName(step: step) { try link(name, to: step) }
  }

  private func link(_ name: String, to step: Int) throws {
    let path = FileSystem.join(checkpointsPath, name)
    let temporary = FileSystem.temporaryPath(for: path)
    guard symlink(RunDirectory.checkpointName(step: step), temporary) == 0 else {
      let error = CheckpointError.system("link cannot be made", path)
      // Not for want of room, but because the file system has no symbolic links.
      guard ![ENOSPC, EDQUOT, EROFS, EIO].contains(errno) else { throw error }
      return try writePointer(path, to: step)
    }
    guard rename(temporary, path) == 0 else {
      let error = CheckpointError.system("link cannot be replaced", path)
      unlink(temporary)
      throw error
    }
  }

  /// In place of a link, a file with the checkpoint's name.
  private func writePointer(_ path: String, to step: Int) throws {
    try FileSystem.replace(path) { _, descriptor in
      let bytes = Array((RunDirectory.checkpointName(step: step) + "\n").utf8)
      guard bytes.withUnsafeBytes({ FileSystem.writeAll(descriptor, $0) }) else {
        throw CheckpointError.system("cannot be written", path)
      }
    }
  }

  /// The names of the links.
  public static let links = ["latest", "best"]

  /// The name of the checkpoint that a link leads to: a symbolic link, or a file with that name where there are none.
  /// nil where it leads to none.
  public func target(of link: String) -> String? { RunDirectory.target(FileSystem.join(checkpointsPath, link)) }

  /// Whether links are files with a name, because the file system has no symbolic links.
  var hasTextLinks: Bool {
    let path = FileSystem.join(checkpointsPath, "latest")
    return FileSystem.linkTarget(path) == nil && RunDirectory.target(path) != nil
  }

  private static func target(_ path: String) -> String? {
    if let target = FileSystem.linkTarget(path) { return target }
    guard links.contains(FileSystem.name(of: path)), let file = FileHandle(forReadingAtPath: path) else { return nil }
    let bytes = (try? file.read(upToCount: 64)) ?? Data()
    let name = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .newlines)
    return step(ofName: name) == nil ? nil : name
  }

  /// The file that a path means: where `latest` or `best` is no symbolic link but a file with the name of a checkpoint,
  /// that checkpoint.
  public static func resolved(_ path: String) -> String {
    guard FileSystem.linkTarget(path) == nil, let name = target(path) else { return path }
    return FileSystem.join(FileSystem.directory(of: path), name)
  }

  /// The newest checkpoint that reads and verifies, nil when there is none. Those passed over are handed to `skipped`
  /// with the reason, newest first.
  public func newestGood(
    skipped: (String, CheckpointError) -> Void
  ) throws -> (path: String, contents: CheckpointContents)? {
    for checkpoint in try checkpoints() {
      do {
        return (checkpoint.path, try CheckpointFile.read(checkpoint.path, advises: false))
      } catch let error as CheckpointError {
        skipped(checkpoint.path, error)
      }
    }
    return nil
  }

  /// Renames checkpoints of steps after `step` to `….superseded`, for a run that goes back to that step: a later resume
  /// must not take up what has been given up. Links to them lead to the checkpoint of `step` instead, or are removed
  /// where it is in another directory.
  ///
  /// Returns the names set aside.
  public func setAside(after step: Int) throws -> [String] {
    let later = try checkpoints().filter { $0.step > step }
    let names = later.map { FileSystem.name(of: $0.path) }
    for name in RunDirectory.links {
      let path = FileSystem.join(checkpointsPath, name)
      guard let target = target(of: name), names.contains(target) else { continue }
      if access(checkpointPath(step: step), F_OK) == 0 {
        try link(name, to: step)
      } else if unlink(path) != 0 {
        throw CheckpointError.system("link cannot be removed", path)
      }
    }
    for checkpoint in later {
      guard rename(checkpoint.path, checkpoint.path + ".superseded") == 0 else {
        throw CheckpointError.system("checkpoint cannot be set aside", checkpoint.path)
      }
    }
    return names
  }

  /// Renames a checkpoint that ``newestGood(skipped:)`` has passed over to `….skipped`. Under its name it would count
  /// among the newest, in place of a good one, which rotation would remove. To be called after ``relink(step:best:)``:
  /// no link may lead to it.
  public func setAside(skipped checkpoint: String) throws {
    guard rename(checkpoint, checkpoint + RunDirectory.skippedSuffix) == 0 || errno == ENOENT else {
      throw CheckpointError.system("checkpoint cannot be set aside", checkpoint)
    }
  }

  /// The checkpoints that were set aside because they could not be read.
  public func skippedCheckpoints() throws -> [String] {
    try FileSystem.entries(of: checkpointsPath).filter {
      $0.hasSuffix(RunDirectory.skippedSuffix)
        && RunDirectory.step(ofName: String($0.dropLast(RunDirectory.skippedSuffix.count))) != nil
    }.map { FileSystem.join(checkpointsPath, $0) }
  }

  private static let skippedSuffix = ".skipped"

  /// Removes temporaries that a killed run left. To be called before anything is written.
  public func removeTemporaries() throws {
    for directory in [path, checkpointsPath] {
      for name in try FileSystem.entries(of: directory) where FileSystem.isTemporary(name) {
        let path = FileSystem.join(directory, name)
        guard unlink(path) == 0 || errno == ENOENT else {
          throw CheckpointError.system("temporary cannot be removed", path)
        }
      }
    }
  }

  /// `step-` and the step in at least eight digits.
  static func checkpointName(step: Int) -> String {
    let digits = String(step)
    return "step-\(String(repeating: "0", count: max(0, 8 - digits.count)))\(digits).h5"
  }

  /// The step of a checkpoint's file name, nil for any other name.
  static func step(ofName name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".h5"), name.count > 8,
      let step = Int(name.dropFirst(5).dropLast(3)), checkpointName(step: step) == name
    else { return nil }
    return step
  }
}
