import Foundation

/// The attempts so far, and whether they make progress.
///
/// An attempt makes progress when it writes a checkpoint, unless another attempt has started from the same step and
/// come as far. So an attempt that starts from an older checkpoint, by order or because newer ones are damaged, makes
/// progress too. `--max-restarts K` bounds the restarts in a row without progress (torchrun's option of this name
/// counts all restarts of a run, which a run of weeks uses up).
struct LaunchHistory {
  private struct Entry {
    let plan: RankPlan
    let seconds: Double
    let failure: Failure?
    let text: String
    let steps: Int?
    let resumedFrom: Int?
    /// The newest checkpoint that it has written.
    let written: Int?
    let progress: Bool
  }

  private var entries: [Entry] = []
  private(set) var hadCheckpoint = false
  /// Uptime of the last step.
  var lastStepAt: Double?
  /// Whether the attempt has done a step that no earlier one has done.
  var hasCaughtUp = false

  mutating func start(newestCheckpoint: Int?) { hadCheckpoint = newestCheckpoint != nil }

  /// - Parameter written: the newest checkpoint that the attempt has written.
  mutating func add(_ attempt: Attempt, written: Int?) {
    let progress =
      written.map { step in
        !entries.contains { $0.resumedFrom == attempt.resumedFrom && $0.written ?? -1 >= step }
      } ?? false
    hadCheckpoint = hadCheckpoint || written != nil
    var failure: Failure?
    if case .failed(let found) = attempt.ending { failure = found }
    let text =
      switch attempt.ending {
      case .finished: "finished"
      case .requeue: "stopped by a signal after a checkpoint"
      case .refused(let code): "refused its input, exit code \(code)"
      case .interrupted: "ended by a second interrupt"
      case .failed(let failure): failure.text
      case nil: "has not ended"
      }
    entries.append(
      Entry(
        plan: attempt.plan, seconds: attempt.seconds, failure: failure, text: text, steps: attempt.steps,
        resumedFrom: attempt.resumedFrom, written: written, progress: progress))
    hasCaughtUp = false
  }

  mutating func add(_ plan: RankPlan, notStarted failure: Failure) {
    entries.append(
      Entry(
        plan: plan, seconds: 0, failure: failure, text: failure.text, steps: nil, resumedFrom: nil, written: nil,
        progress: false))
  }

  var count: Int { entries.count }
  var lastPlan: RankPlan? { entries.last?.plan }
  var lastSeconds: Double { entries.last?.seconds ?? 0 }
  var lastText: String { entries.last?.text ?? "" }
  var lastSteps: Int? { entries.compactMap(\.steps).max() }

  /// Attempts since the last that made progress.
  var withoutProgress: Int { entries.reversed().prefix { !$0.progress }.count }

  /// Restarts in a row without progress; the first attempt is none.
  var fruitlessRestarts: Int { min(withoutProgress, entries.count - 1) }

  /// Whether in each of the last two attempts a rank has given up by itself, with the same message at the same step
  /// after the same first step. The run computes the same each time, so a third would fail too. The rank that reports
  /// first may differ.
  var repeatsItself: Bool {
    guard entries.count >= 2 else { return false }
    let (a, b) = (entries[entries.count - 2], entries[entries.count - 1])
    guard let words = a.failure?.words, let other = b.failure?.words else { return false }
    return words.message == other.message && words.step == other.step && a.resumedFrom == b.resumedFrom
  }

  /// Whether the last two attempts have ended by their input: exit code 2 with the same message, which names the file, at
  /// whichever step, whichever checkpoint they began from, and whether a rank has told it or mpirun. A disk or a mount that fails may pass;
  /// what two attempts in a row find in the same file does not.
  var endsByInput: Bool {
    guard entries.count >= 2, let a = entries[entries.count - 2].failure, let b = entries[entries.count - 1].failure
    else {
      return false
    }
    // An attempt that finds it at its start has no step to name.
    func finding(_ failure: Failure) -> String? { failure.message.map { String($0.trimmingPrefix(#/step \d+: /#)) } }
    return a.code == 2 && b.code == 2 && finding(a) != nil && finding(a) == finding(b)
  }

  /// Seconds to wait before the next attempt: `first`, doubled for each without progress, up to a minute.
  func backoff(first: Double) -> Double {
    min(60, first * pow(2, Double(max(0, min(withoutProgress, 20) - 1))))
  }

  /// Whether the next attempt goes on from the newest checkpoint, whatever `--resume` the first had.
  ///
  /// A run that was told to begin from a particular checkpoint does so in every attempt until it has a newer checkpoint
  /// of its own: an older one may belong to another run.
  func goesOnFromLatest(_ resume: LaunchOptions.Resume, newestCheckpoint: Int?) -> Bool {
    guard !entries.isEmpty else { return false }
    guard case .path = resume else { return true }
    guard let began = entries.compactMap(\.resumedFrom).first, let newestCheckpoint else { return false }
    return newestCheckpoint > began
  }

  /// A line for each attempt.
  var summary: [String] {
    entries.enumerated().map { index, entry in
      let ranks = entry.plan.ranks
      var parts = ["attempt \(index + 1)", "\(ranks) rank\(ranks == 1 ? "" : "s")", Supervisor.seconds(entry.seconds)]
      if let from = entry.resumedFrom { parts.append(from == 0 ? "from the beginning" : "from step \(from)") }
      parts.append(entry.steps.map { "to step \($0)" } ?? "no step")
      return parts.joined(separator: ", ") + ": " + entry.text + (entry.progress ? "" : " (no new checkpoint)")
    }
  }
}
