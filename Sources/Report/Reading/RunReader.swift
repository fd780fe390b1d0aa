import Checkpoint
import Configuration
import Files
import Foundation
import RunLogs

/// Why a folder is no run to report on, in one sentence.
public struct ReportError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(description: String) { self.description = description }
}

/// A run's directory, read for a report: `metrics.jsonl` and logs as they grow, what else there is anew each time.
public final class RunReader {
  public let directory: RunDirectory
  package private(set) var metrics: MetricsReader
  package private(set) var times: PhaseTimes
  /// nil where `config.yaml` is not there or cannot be read, whose reason is in ``problems``.
  private(set) var configuration: Configuration?
  private(set) var record: EvaluationRecord?
  private(set) var attempts: [LaunchRecord] = []
  private(set) var checkpoints: [Checkpoint] = []
  package private(set) var problems: [String] = []
  private let readsCheckpoints: Bool

  package struct Checkpoint: Sendable {
    let name: String
    let step: Int
    let bytes: Int
    let modified: Date
    /// `latest`, `best`.
    let links: [String]
  }

  /// - Parameter readsCheckpoints: whether the newest checkpoint is read where `evaluation.json` is missing, which
  ///   takes time.
  public init(_ path: String, readsCheckpoints: Bool = true) {
    directory = RunDirectory(path: path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
    metrics = MetricsReader(path: directory.metricsPath)
    times = PhaseTimes(directory: directory.logsPath)
    self.readsCheckpoints = readsCheckpoints
  }

  /// The run's name: the last part of its path.
  var name: String {
    let name = FileSystem.name(of: directory.path)
    return ["", ".", ".."].contains(name)
      ? URL(fileURLWithPath: directory.path).standardizedFileURL.lastPathComponent : name
  }

  /// Opens a run.
  ///
  /// - Throws: ``ReportError`` where there is none.
  public static func open(_ path: String) throws -> RunReader {
    let reader = RunReader(path)
    guard FileManager.default.fileExists(atPath: reader.directory.metricsPath) else {
      let isFolder = FileManager.default.fileExists(atPath: path)
      throw ReportError(
        description: isFolder
          ? "\(path): holds no metrics.jsonl, so it is no run's directory, or the run has not begun; give runs/NAME"
          : "\(path): no such run; give the directory of one, such as runs/NAME")
    }
    try reader.refresh()
    return reader
  }

  /// Reads what is new.
  ///
  /// - Throws: `FileError` for metrics or logs that are there and cannot be read.
  public func refresh() throws {
    try metrics.refresh()
    try times.refresh()
    problems = []
    readConfiguration()
    record = EvaluationRecord(run: directory.path)
    if record == nil, readsCheckpoints { record = EvaluationRecord(checkpointOf: directory) }
    attempts = LaunchRecord.last(of: directory.logsPath + "/launch.jsonl")
    readCheckpoints()
  }

  private func readConfiguration() {
    guard configuration == nil else { return }
    guard let text = try? String(contentsOfFile: directory.configPath, encoding: .utf8) else {
      problems.append("\(directory.configPath) cannot be read")
      return
    }
    do { configuration = try Configuration(yaml: text, source: directory.configPath) } catch {
      problems.append("\(error)")
    }
  }

  private func readCheckpoints() {
    var links: [String: [String]] = [:]
    for link in RunDirectory.links {
      if let target = directory.target(of: link) { links[target, default: []].append(link) }
    }
    checkpoints = ((try? directory.checkpoints()) ?? []).map { step, path in
      let facts = try? FileManager.default.attributesOfItem(atPath: path)
      let name = FileSystem.name(of: path)
      return Checkpoint(
        name: name, step: step, bytes: (facts?[.size] as? NSNumber)?.intValue ?? 0,
        modified: facts?[.modificationDate] as? Date ?? .distantPast, links: links[name] ?? [])
    }
  }

  // MARK: What it is

  /// As the configuration has it, also where this version of the program does not know all of its keys.
  package var seed: String {
    if let configuration { return "\(configuration.run.seed)" }
    let text = (try? String(contentsOfFile: directory.configPath, encoding: .utf8)) ?? ""
    return text.firstMatch(of: /(?m)^run:\n  seed: (\d+)$/).map { String($0.1) } ?? ""
  }

  /// The names of the classes, or their numbers.
  package var classNames: [String] {
    configuration?.data.classNames
      ?? (0..<(configuration?.data.classes ?? metrics.classCount)).map(String.init)
  }

  /// The settings that make a run what it is, whatever its seed and place: runs with equal ones are repetitions of each
  /// other.
  package var arm: [String] {
    guard let configuration else { return [name] }
    return configuration.settings.filter { !Self.ofNoMatter.contains($0.key) && !$0.key.hasPrefix("logs.") }
      .map { "\($0.key)=\($0.value)" }
  }

  private static let ofNoMatter: Set<String> = [
    "run.seed", "run.directory", "report", "checkpoint.every_steps", "checkpoint.keep", "integrity.every_steps",
    "watchdog.seconds", "compute.threads",
  ]
}
