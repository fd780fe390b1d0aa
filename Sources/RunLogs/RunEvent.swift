import Foundation

/// One line of `logs/events.jsonl`: what a rank tells the launch that has started it. docs/logs.md lists the keys.
///
/// A reader passes over keys and events that it does not know; a change that such a reader would misunderstand gets another
/// ``version``.
package struct RunEvent: Sendable, Equatable {
  package static let version = 1

  /// Steps are counted as checkpoints count them: the number of steps done.
  package enum Content: Sendable, Equatable {
    /// MPI has started, and all ranks have heard of each other.
    case connected(ranks: Int)
    /// The run goes on from a checkpoint.
    case resumed(step: Int, checkpoint: String)
    /// Everything is ready; the first batch is next.
    case start(Start)
    /// The attempt's first step is done.
    case firstStep(Int)
    /// More steps are done; not told of each.
    case step(Int)
    /// A checkpoint is on the disk.
    case checkpoint(step: Int)
    /// The run ends after a signal and a checkpoint; `message` says which signal, to which rank.
    case stopped(step: Int, message: String)
    case finished(step: Int)
    /// The rank ends with an error.
    case failed(LastWords)
    /// One that this version of the program does not know.
    case other(String)
  }

  package struct Start: Sendable, Equatable {
    /// 0, or that of the checkpoint.
    package let step: Int
    /// Of the whole run.
    package let totalSteps: Int
    package let ranks: Int
    package let host: String
    package let program: String

    package init(step: Int, totalSteps: Int, ranks: Int, host: String, program: String) {
      (self.step, self.totalSteps, self.ranks) = (step, totalSteps, ranks)
      (self.host, self.program) = (host, program)
    }
  }

  package struct LastWords: Sendable, Equatable {
    package let host: String
    /// The steps that were done when it failed.
    package let step: Int
    package let message: String
    /// The exit code that follows.
    package let code: Int32

    package init(host: String, step: Int, message: String, code: Int32) {
      (self.host, self.step, self.message, self.code) = (host, step, message, code)
    }
  }

  /// See ``LogClock``; of the rank's host.
  package let time: String
  /// See ``EventChannel``.
  package let attempt: String
  package let rank: Int
  package let content: Content

  package init(time: String, attempt: String, rank: Int, _ content: Content) {
    (self.time, self.attempt, self.rank, self.content) = (time, attempt, rank, content)
  }

  /// The line, with its end.
  package var line: Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Texts and whole numbers alone can always be encoded.
    return try! encoder.encode(self) + Data("\n".utf8)
  }

  /// Reads a line.
  ///
  /// - Throws: ``OtherVersion``; a `DecodingError` for what is no event.
  package init(line: some Sequence<UInt8>) throws { self = try JSONDecoder().decode(Self.self, from: Data(line)) }

  /// An event in a version of the format that this program does not read.
  package struct OtherVersion: Error, Equatable {
    package let version: Int
    /// Of the attempt that it says it belongs to.
    package let attempt: String?

    package init(version: Int, attempt: String?) { (self.version, self.attempt) = (version, attempt) }
  }
}

extension RunEvent: Codable {
  private enum Key: String, CodingKey {
    case version, time, attempt, rank, event, step, checkpoint, message, host, ranks, program, code
    case totalSteps = "total_steps"
  }

  private var name: String {
    switch content {
    case .connected: "connected"
    case .resumed: "resumed"
    case .start: "start"
    case .firstStep: "first step"
    case .step: "step"
    case .checkpoint: "checkpoint"
    case .stopped: "stopped"
    case .finished: "finished"
    case .failed: "failed"
    case .other(let name): name
    }
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    let version = try values.decode(Int.self, forKey: .version)
    guard version == Self.version else {
      throw OtherVersion(version: version, attempt: try? values.decode(String.self, forKey: .attempt))
    }
    time = try values.decode(String.self, forKey: .time)
    attempt = try values.decode(String.self, forKey: .attempt)
    rank = try values.decode(Int.self, forKey: .rank)
    func number(_ key: Key) throws -> Int { try values.decode(Int.self, forKey: key) }
    func text(_ key: Key) throws -> String { try values.decode(String.self, forKey: key) }
    let name = try text(.event)
    content =
      switch name {
      case "connected": .connected(ranks: try number(.ranks))
      case "resumed": .resumed(step: try number(.step), checkpoint: try text(.checkpoint))
      case "start":
        .start(
          Start(
            step: try number(.step), totalSteps: try number(.totalSteps), ranks: try number(.ranks),
            host: try text(.host), program: try text(.program)))
      case "first step": .firstStep(try number(.step))
      case "step": .step(try number(.step))
      case "checkpoint": .checkpoint(step: try number(.step))
      case "stopped": .stopped(step: try number(.step), message: try text(.message))
      case "finished": .finished(step: try number(.step))
      case "failed":
        .failed(
          LastWords(
            host: try text(.host), step: try number(.step), message: try text(.message),
            code: try values.decode(Int32.self, forKey: .code)))
      default: .other(name)
      }
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(Self.version, forKey: .version)
    try values.encode(time, forKey: .time)
    try values.encode(attempt, forKey: .attempt)
    try values.encode(rank, forKey: .rank)
    try values.encode(name, forKey: .event)
    switch content {
    case .connected(let ranks): try values.encode(ranks, forKey: .ranks)
    case .resumed(let step, let checkpoint):
      try values.encode(step, forKey: .step)
      try values.encode(checkpoint, forKey: .checkpoint)
    case .start(let start):
      try values.encode(start.step, forKey: .step)
      try values.encode(start.totalSteps, forKey: .totalSteps)
      try values.encode(start.ranks, forKey: .ranks)
      try values.encode(start.host, forKey: .host)
      try values.encode(start.program, forKey: .program)
    case .firstStep(let step), .step(let step), .checkpoint(let step), .finished(let step):
      try values.encode(step, forKey: .step)
    case .stopped(let step, let message):
      try values.encode(step, forKey: .step)
      try values.encode(message, forKey: .message)
    case .failed(let words):
      try values.encode(words.host, forKey: .host)
      try values.encode(words.step, forKey: .step)
      try values.encode(words.message, forKey: .message)
      try values.encode(words.code, forKey: .code)
    case .other: break
    }
  }
}
