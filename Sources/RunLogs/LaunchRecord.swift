import Foundation

/// One line of `logs/launch.jsonl`: an attempt of a launch begins, does its first step, or ends. docs/logs.md lists the
/// keys.
///
/// Keys that an event does not use are absent; version 0.1.0 of the program wrote the same keys without `version` and
/// `id`.
package struct LaunchRecord: Codable, Sendable, Equatable {
  package enum Event: String, Codable, Sendable {
    case attempt
    case firstStep = "first step"
    case end
  }

  package var version: Int? = 1
  package var event: Event
  /// See ``LogClock``.
  package var time: String?
  /// From 1, of one launch.
  package var attempt: Int?
  /// The attempt's name in `events.jsonl`.
  package var id: String?

  package var ranks: Int?
  package var hosts: [String]?
  package var threads: Int?
  /// Those that the ranks compute with.
  package var instructions: String?

  /// Steps done.
  package var step: Int?
  package var resumedFrom: Int?
  /// From the last step before to the first step, or from the start to the end.
  package var seconds: Double?

  /// How the attempt ended, for people.
  package var how: String?
  package var rank: Int?
  package var host: String?
  package var signal: Int32?
  package var code: Int32?

  private enum CodingKeys: String, CodingKey {
    case version, event, time, attempt, id, ranks, hosts, threads, instructions, step, seconds, how, rank, host, signal
    case code
    case resumedFrom = "resumed_from"
  }

  package init(_ event: Event, attempt: Int) {
    self.event = event
    self.attempt = attempt
  }

  /// The line, with its end.
  package var line: Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Seconds are differences of times, and finite.
    return try! encoder.encode(self) + Data("\n".utf8)
  }

  /// The last records of a file, oldest first, as far as its last 64 KiB hold them; none where there is no file. Broken
  /// lines are passed over.
  package static func last(of path: String) -> [LaunchRecord] {
    guard let file = FileHandle(forReadingAtPath: path) else { return [] }
    defer { try? file.close() }
    let size = (try? file.seekToEnd()) ?? 0
    try? file.seek(toOffset: size > 1 << 16 ? size - (1 << 16) : 0)
    guard let bytes = try? file.readToEnd() else { return [] }
    let decoder = JSONDecoder()
    // Text after the last newline is an incomplete line.
    return bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().compactMap {
      (try? decoder.decode(LaunchRecord.self, from: Data($0))).flatMap { $0.version ?? 1 == 1 ? $0 : nil }
    }
  }
}
