import Configuration
import Files
import Foundation
import Liveness
import RunLogs

/// A run as its files show it: metrics, logs, events and status files. Reads only, and takes no lock.
package final class RunWatch {
  /// What has become of the run.
  package enum State: Equatable {
    case running
    /// It has gone through all steps.
    case finished
    /// It has stopped after a checkpoint, as it was asked to, or has failed; why, in words.
    case stopped(String)
    case failed(String)
    /// No process is at it, and it has not said why.
    case gone

    package var isOver: Bool { self != .running }
  }

  package let path: String
  package private(set) var progress = RunProgress()
  package private(set) var ranks: [Int: RankView] = [:]
  /// Warnings and errors, oldest first, each once.
  package private(set) var warnings: [String] = []
  package private(set) var totalSteps: Int?
  package private(set) var epochs: Int?
  /// Attempts that `launch` has begun.
  package private(set) var attempts = 0
  /// Steps of the last checkpoint that launch has been told of.
  package private(set) var checkpoint: Int?
  private var metrics: GrowingFile
  private var events: GrowingFile
  private var logs: [Int: GrowingFile] = [:]
  /// How many ranks the run has been started with the last time; nil where no log says so.
  private var startedRanks: Int?
  private var lastEvent: RunEvent.Content?
  private let logsFolder: String

  /// - Throws: `LogError` where there is no run.
  package init(_ path: String) throws {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    logsFolder = "\(self.path)/logs"
    metrics = GrowingFile(path: "\(self.path)/metrics.jsonl")
    events = GrowingFile(path: "\(logsFolder)/events.jsonl")
    var isFolder: ObjCBool = false
    let isThere = FileManager.default.fileExists(atPath: logsFolder, isDirectory: &isFolder) && isFolder.boolValue
    // Of a run that launch is about to begin there are no logs of ranks yet.
    if !isThere || !FileManager.default.fileExists(atPath: "\(logsFolder)/launch.lock") { _ = try RunLogs(run: path) }
    guard isThere else { throw LogError("\(path): is no run's directory: it has no folder logs") }
    readConfiguration()
  }

  private func readConfiguration() {
    let file = "\(path)/config.yaml"
    guard epochs == nil, let text = try? String(contentsOfFile: file, encoding: .utf8),
      let configuration = try? Configuration(yaml: text, source: file, overrides: [])
    else { return }
    epochs = configuration.schedule.epochs
    if let steps = configuration.schedule.stepsPerEpoch { totalSteps = steps * configuration.schedule.epochs }
  }

  /// Reads what has come since.
  package func update() {
    readConfiguration()
    var progress = self.progress
    // What cannot be read now may be readable the next time.
    try? metrics.read(restart: { progress = RunProgress() }) { line, _ in progress.add(line) }
    self.progress = progress
    var last = lastEvent
    try? events.read(restart: { last = nil }) { line, _ in
      guard let event = try? RunEvent(line: line) else { return }
      switch event.content {
      case .connected: attempts += 1
      case .start(let start): totalSteps = start.totalSteps
      case .checkpoint(let step): checkpoint = step
      default: break
      }
      if case .checkpoint = event.content { return }
      last = event.content
    }
    lastEvent = last
    readLogs()
    readStatus()
  }

  private func readLogs() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: logsFolder)) ?? []
    for name in names.sorted() {
      guard let match = name.wholeMatch(of: /rank-(\d{4,9})\.jsonl/), let rank = Int(match.1) else { continue }
      var file = logs[rank] ?? GrowingFile(path: "\(logsFolder)/\(name)")
      var view = ranks[rank] ?? RankView(rank)
      try? file.read(restart: { view = RankView(rank) }) { line, _ in
        guard let entry = LogEntry(line) else { return }
        if rank == 0, let count = entry.startedRanks { startedRanks = count }
        guard let warning = view.add(entry) else { return }
        let text = "\(entry.time.prefix(19)) [\(rank)] \(warning.level.rawValue): \(warning.text)"
        if !warnings.contains(text) { warnings.append(text) }
      }
      (logs[rank], ranks[rank]) = (file, view)
    }
    // A run may go on with fewer ranks; the others have left logs and status files.
    if let startedRanks { ranks = ranks.filter { $0.key < startedRanks } }
  }

  private func readStatus() {
    for rank in ranks.keys {
      let data = FileManager.default.contents(atPath: "\(path)/status/rank-\(String(format: "%04d", rank))")
      ranks[rank]?.status = data.flatMap { try? JSONDecoder().decode(RankStatus.self, from: $0) }
    }
  }

  /// The rank that holds the others up in the last steps; nil where none does.
  package var straggler: Stragglers.Rank? {
    ranks.count > 1 ? Stragglers(ranks.mapValues(\.steps)).straggler : nil
  }

  // MARK: State

  package var state: State {
    if isHeld { return .running }
    if let end { return end }
    return isRecent ? .running : .gone
  }

  /// What the run's last words say; nil where it has none.
  private var end: State? {
    switch lastEvent {
    case .finished: return .finished
    case .stopped(_, let message): return .stopped(message)
    case .failed(let words): return .failed(words.message)
    default: break
    }
    guard let last = ranks[0]?.lastMessage else { return nil }
    if last.text.hasPrefix("finished after ") { return .finished }
    if last.text.hasPrefix("stopped after ") { return .stopped(last.text) }
    return last.level == .error ? .failed(last.text) : nil
  }

  /// Whether a process of this host holds a lock of the run. The locks themselves are not touched.
  private var isHeld: Bool {
    let inodes = ["train.lock", "launch.lock"].compactMap { name -> String? in
      var status = stat()
      return stat("\(logsFolder)/\(name)", &status) == 0 ? ":\(status.st_ino)" : nil
    }
    guard !inodes.isEmpty, let locks = try? String(contentsOfFile: "/proc/locks", encoding: .utf8) else { return false }
    return locks.split(separator: "\n").contains { line in
      line.split(separator: " ").contains { word in inodes.contains { word.hasSuffix($0) } }
    }
  }

  /// Whether the run may be at work on another host: its files have changed in the last minutes.
  private var isRecent: Bool {
    let holder = (try? String(contentsOfFile: "\(logsFolder)/train.lock", encoding: .utf8)) ?? ""
    guard let host = holder.range(of: " on ").map({ holder[$0.upperBound...].trimmingCharacters(in: .newlines) }),
      host != ProcessInfo.processInfo.hostName
    else { return false }
    let patience = max(120, 10 * (progress.seconds ?? 0))
    return secondsSinceChange.map { $0 < patience } ?? false
  }

  /// Seconds since the newest of the run's files has changed; nil where there is none.
  package var secondsSinceChange: Double? {
    let files = [metrics.path, events.path] + logs.values.map(\.path)
    let times = files.compactMap { path -> Double? in
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      return Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) * 1e-9
    }
    return times.max().map { max(0, Date().timeIntervalSince1970 - $0) }
  }
}
