import Foundation
import Liveness
import RunLogs

/// What the logs of a rank, and its status file, say of it.
package struct RankView: Sendable {
  package let rank: Int
  package private(set) var host = ""
  /// Its last steps with their times.
  package private(set) var steps: [Int: StepTimes] = [:]
  package private(set) var lastStep: Int?
  /// The time of its last line, as the log has it.
  package private(set) var time = ""
  /// The last message of its log.
  package private(set) var lastMessage: (level: LogEntry.Level, text: String)?
  /// Of a run on several hosts: what the rank does at the moment.
  package var status: RankStatus?

  /// Steps that are kept.
  private static let kept = 20

  init(_ rank: Int) { self.rank = rank }

  /// - Returns: a warning or an error.
  mutating func add(_ entry: LogEntry) -> (level: LogEntry.Level, text: String)? {
    time = entry.time
    switch entry.kind {
    case .start(let facts):
      host = facts.first { $0.key == "host" }?.value ?? host
      lastMessage = nil
    case .message(let level, let text):
      lastMessage = (level, text)
      return level > .info ? (level, text) : nil
    case .step(let times):
      guard let step = entry.step else { return nil }
      if let lastStep, step <= lastStep { steps = [:] }
      steps[step] = times
      steps[step - Self.kept] = nil
      lastStep = step
      lastMessage = nil
    }
    return nil
  }

  /// The last step, in words: its seconds, the part that is the rank's own work, and where it waits.
  package var words: String {
    if let status {
      let call = status.call.map { call in
        "waits in \(call)" + (status.partner.map { " for rank \($0)" } ?? " for the others")
      }
      return "\(status.phase)" + (call.map { ", \($0)" } ?? "")
        + (status.quiet >= 5 ? String(format: ", for %.0f s", status.quiet) : "")
    }
    guard let lastStep, let times = steps[lastStep] else { return lastMessage?.text ?? "no step yet" }
    let waits = times.waits ?? []
    let waited = waits.reduce(0) { $0 + $1.seconds }
    let most = waits.max { $0.seconds < $1.seconds }
    var text = String(format: "%.3f s a step, %.3f s own work", times.seconds, times.seconds - waited)
    if let most, waited >= 0.02 * times.seconds, most.seconds > 0 {
      text += String(format: ", waits %.3f s, mostly in %@", waited, most.phase)
    }
    return text
  }
}
