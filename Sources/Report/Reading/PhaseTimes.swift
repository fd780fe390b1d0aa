import Files
import RunLogs

/// Where the time of a run's steps went on each rank, from the ranks' logs, read as they grow into a bounded amount of
/// memory.
package struct PhaseTimes {
  package struct Phase: Sendable {
    /// Seconds over all steps: of the phase, and the part spent waiting for others inside MPI.
    var seconds = 0.0
    var waited = 0.0
    var own: Double { max(0, seconds - waited) }
  }

  package struct Rank: Sendable {
    var host = ""
    var steps = 0
    var seconds = 0.0
    /// In the order in which they first came.
    var order: [String] = []
    var phases: [String: Phase] = [:]
    /// Of the newest steps that all ranks have logged, those in which it had the most work of its own, so that the
    /// others waited for it.
    var slowest = 0
    /// The newest steps and its own work in each, a step at its number modulo the length.
    fileprivate var newest = [(step: Int, own: Double)](repeating: (-1, 0), count: PhaseTimes.newestSteps)
    var own: Double { phases.values.reduce(0) { $0 + $1.own } }
    var waited: Double { phases.values.reduce(0) { $0 + $1.waited } }
  }

  /// When a process of rank 0 began, and what its log tells of it.
  package struct Start: Sendable {
    let time: String
    let facts: [(key: String, value: String)]
    func fact(_ key: String) -> String? { facts.first { $0.key == key }?.value }
  }

  package struct Message: Sendable {
    let time: String
    let rank: Int
    let level: LogEntry.Level
    let text: String
  }

  private(set) var ranks: [Int: Rank] = [:]
  /// The newest steps that all ranks have logged, as far as they are compared.
  private(set) var comparedSteps = 0
  private(set) var starts: [Start] = []
  /// The newest warnings, errors and words of resumes, oldest first.
  private(set) var messages: [Message] = []
  /// Lines that are no log lines.
  package private(set) var damagedCount = 0
  private var files: [Int: GrowingFile] = [:]
  private let directory: String
  private static let mostMessages = 200
  fileprivate static let newestSteps = 2048

  /// - Parameter directory: the run's folder of logs; one that is not there has no logs.
  init(directory: String) { self.directory = directory }

  /// Reads what has been appended.
  ///
  /// - Throws: `FileError`.
  mutating func refresh() throws {
    for name in try FileSystem.entries(of: directory) {
      guard let match = name.wholeMatch(of: /rank-(\d{4,9})\.jsonl/), let rank = Int(match.1) else { continue }
      if files[rank] == nil {
        files[rank] = GrowingFile(path: FileSystem.join(directory, name))
        ranks[rank] = Rank()
      }
    }
    for rank in files.keys.sorted() {
      var file = files[rank]!
      defer { files[rank] = file }
      try file.read(restart: {}) { line, _ in
        guard let value = JSONValue(line), take(value, rank: rank) else {
          damagedCount += 1
          return
        }
      }
    }
    compare()
    messages.sort { $0.time < $1.time }
    messages.removeFirst(max(0, messages.count - Self.mostMessages))
  }

  private mutating func take(_ line: JSONValue, rank: Int) -> Bool {
    guard let time = line["time"]?.text else { return false }
    if let name = line["level"]?.text {
      guard let level = LogEntry.Level(rawValue: name), let text = line["message"]?.text else { return false }
      if level > .info || text.hasPrefix("resumed from") {
        messages.append(Message(time: time, rank: rank, level: level, text: text))
        if messages.count > 4 * Self.mostMessages { messages.removeFirst(messages.count - Self.mostMessages) }
      }
      return true
    }
    if line["event"]?.text == "start" {
      ranks[rank]!.host = line["host"]?.text ?? ""
      if rank == 0 { starts.append(Start(time: time, facts: Self.facts(line))) }
      return true
    }
    guard let step = line["step"]?.whole, step >= 0, let seconds = line["seconds"]?.number, let phases = line["phases"]
    else {
      return false
    }
    ranks[rank]!.steps += 1
    ranks[rank]!.seconds += seconds
    var own = 0.0
    let waits = line["waits"]
    for phase in phases.members {
      guard let seconds = phase.value.number else { return false }
      let waited = waits?[phase.key]?.number ?? 0
      if ranks[rank]!.phases[phase.key] == nil { ranks[rank]!.order.append(phase.key) }
      ranks[rank]!.phases[phase.key, default: Phase()].seconds += seconds
      ranks[rank]!.phases[phase.key]!.waited += waited
      own += seconds - waited
    }
    ranks[rank]!.newest[step % Self.newestSteps] = (step, own)
    return true
  }

  private static func facts(_ line: JSONValue) -> [(key: String, value: String)] {
    line.members.compactMap { member in
      guard !["time", "rank", "event", "facts"].contains(member.key) else { return nil }
      return (member.key, member.value.text ?? member.value.whole.map(String.init) ?? "")
    }
  }

  /// Finds the rank that the others waited for in each of the newest steps. A resumed run may have fewer ranks than
  /// before.
  private mutating func compare() {
    comparedSteps = 0
    for rank in ranks.keys { ranks[rank]!.slowest = 0 }
    let count = starts.last?.fact("ranks").flatMap { Int($0) } ?? ranks.count
    guard count > 1, (0..<count).allSatisfy({ ranks[$0] != nil }) else { return }
    for slot in 0..<Self.newestSteps {
      let step = ranks[0]!.newest[slot].step
      guard step >= 0, (1..<count).allSatisfy({ ranks[$0]!.newest[slot].step == step }) else { continue }
      let slowest = (0..<count).max { (ranks[$0]!.newest[slot].own, $1) < (ranks[$1]!.newest[slot].own, $0) }!
      ranks[slowest]!.slowest += 1
      comparedSteps += 1
    }
  }
}
