/// The way in which the ranks of an attempt tell events to the launch: files of the run directory, and the attempt's
/// name. By the name a reader passes over events that ranks of other attempts have written.
///
/// A launch, or any other program that supervises a run, hands both to the ranks in their environment. Without them,
/// ranks tell no events.
package struct EventChannel: Equatable, Sendable {
  package static let attemptVariable = "U2PL_ATTEMPT"
  package static let pathVariable = "U2PL_EVENTS"

  /// The attempt's name, which no other attempt at the run has.
  package let attempt: String
  /// The file of rank 0, `logs/events.jsonl` of the run directory.
  package let path: String

  package init(attempt: String, path: String) {
    self.attempt = attempt
    self.path = path
  }

  /// - Parameter directory: the run's folder of logs.
  package init(attempt: String, directory: String) {
    self.init(attempt: attempt, path: "\(directory)/events.jsonl")
  }

  /// The channel that a rank's environment names; nil where no one reads events.
  package init?(environment: [String: String]) {
    guard let attempt = environment[Self.attemptVariable], let path = environment[Self.pathVariable], !attempt.isEmpty,
      !path.isEmpty
    else { return nil }
    self.init(attempt: attempt, path: path)
  }

  /// The same as `NAME=VALUE`.
  package var variables: [String] { ["\(Self.attemptVariable)=\(attempt)", "\(Self.pathVariable)=\(path)"] }

  /// The file that a rank appends to, `events-0003.jsonl` for rank 3: each has its own, because network file systems do
  /// not order what several hosts append to one file.
  package func path(ofRank rank: Int) -> String {
    guard rank > 0 else { return path }
    let digits = String(rank)
    let suffix = "-\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits).jsonl"
    return path.hasSuffix(".jsonl") ? path.dropLast(6) + suffix : path + suffix
  }
}

/// The mark of lines of progress on a rank's standard output: a launch shows each in the place of the one before.
package enum ProgressLine {
  /// ASCII's record separator, which no line for people begins with.
  private static let mark: Character = "\u{1E}"

  package static func marked(_ line: String) -> String { "\(mark)\(line)" }

  /// The line without its mark; nil for a line that has none.
  package static func unmarked(_ line: String) -> String? { line.first == mark ? String(line.dropFirst()) : nil }
}
