import Foundation

/// One line of a rank's log, `logs/rank-NNNN.jsonl`.
package struct LogEntry: Sendable, Equatable {
  package enum Level: String, Sendable, Comparable, CaseIterable {
    case info, warning, error
    package static func < (a: Level, b: Level) -> Bool { allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)! }
  }

  package enum Kind: Sendable, Equatable {
    /// A process of this rank has begun: what it runs on, by key, in the order of the line.
    case start(facts: [Fact])
    case message(Level, String)
    case step(StepTimes)
  }

  package struct Fact: Sendable, Equatable {
    package let key: String
    package let value: String
  }

  /// Local time of the rank's host, `yyyy-MM-dd HH:mm:ss.SSS`: compares as text.
  package let time: String
  package let rank: Int
  /// The step that the line is about, counted from 0; nil where it tells none.
  package let step: Int?
  package let kind: Kind

  /// How many ranks the run has started with; nil for other lines, and where an older version has not said so.
  package var startedRanks: Int? {
    guard case .start(let facts) = kind else { return nil }
    return facts.first { $0.key == "ranks" }.flatMap { Int($0.value) }
  }

  package var level: Level {
    if case .message(let level, _) = kind { level } else { .info }
  }

  /// Reads a line.
  ///
  /// - Returns: nil for what no version of the program has written: no JSON object, no time, no rank, an unknown level.
  package init?(_ line: some Sequence<UInt8>) {
    let bytes = Data(line)
    guard let object = (try? JSONSerialization.jsonObject(with: bytes)) as? [String: Any],
      let time = object["time"] as? String, LogEntry.isTime(time), let rank = object["rank"] as? Int, rank >= 0
    else { return nil }
    self.time = time
    self.rank = rank
    step = object["step"] as? Int
    if let name = object["level"] as? String {
      guard let level = Level(rawValue: name), let message = object["message"] as? String else { return nil }
      kind = .message(level, message)
    } else if object["event"] as? String == "start" {
      kind = .start(facts: LogEntry.facts(object, order: String(decoding: bytes, as: UTF8.self)))
    } else if step != nil, let seconds = object["seconds"] as? Double,
      let phases = object["phases"] as? [String: Double]
    {
      let waits = object["waits"] as? [String: Double]
      let text = String(decoding: bytes, as: UTF8.self)
      kind = .step(
        StepTimes(
          seconds: seconds, phases: LogEntry.ordered(phases, as: text),
          waits: waits.map { LogEntry.ordered($0, as: text) }))
    } else {
      return nil
    }
  }

  private static func isTime(_ text: String) -> Bool {
    text.utf8.count == 23 && text.wholeMatch(of: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/) != nil
  }

  private static func facts(_ object: [String: Any], order text: String) -> [Fact] {
    object.keys.filter { !["time", "rank", "event", "facts"].contains($0) }
      .sorted { position($0, in: text) < position($1, in: text) }
      .map { Fact(key: $0, value: "\(object[$0]!)") }
      + ((object["facts"] as? [String]) ?? []).map { Fact(key: "", value: $0) }
  }

  /// JSON's objects have no order, but phases do: that of the line.
  private static func ordered(_ seconds: [String: Double], as text: String) -> [PhaseTime] {
    seconds.keys.sorted { (position($0, in: text), $0) < (position($1, in: text), $1) }
      .map { PhaseTime(phase: $0, seconds: seconds[$0]!) }
  }

  private static func position(_ key: String, in text: String) -> String.Index {
    text.range(of: "\"\(key)\":")?.lowerBound ?? text.endIndex
  }
}
