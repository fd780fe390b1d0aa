import Checkpoint
import Configuration
import Dataset
import Distributed

// Evidence in the trainer and in its checkpoints.

extension Configuration {
  /// Whether what pseudo-labels count by is measured on labeled images held out for a while.
  var usesEvidence: Bool { u2pl.enabled && (schedule.supervisedEpochs == nil || u2pl.weight == .evidence) }

  /// The same, but every step uses pseudo-labels in full: for benchmarks and estimates.
  mutating func startPseudoLabelsAtOnce() { (schedule.supervisedEpochs, u2pl.weight) = (0, .full) }
}

extension U2PLTrainer {
  /// Factor on L_u and L_c.
  var trust: Double { evidence?.weight ?? 1 }

  /// Whether the next step learns from unlabeled images.
  var isSemiSupervised: Bool { schedule.isSemiSupervised(step: step) && trust > 0 }

  /// Takes the measurement of the window that has just ended, the same on all ranks.
  func observe(_ matrix: ConfusionMatrix, window: Int) -> Evidence.Event {
    guard var own = evidence else { return .none }
    let event = own.observe(matrix, window: window, step: step)
    evidence = own
    if let start = own.start { schedule.firstSemiSupervisedStep = start.step }
    return event
  }

  /// `evidence/FOLD` [C, C], and attributes that begin with `evidence_`.
  func addEvidence(to contents: inout CheckpointContents) {
    guard let evidence else { return }
    for (fold, matrix) in evidence.measured.enumerated() {
      guard let matrix else { continue }
      contents.datasets["evidence/\(fold)"] = StoredDataset(
        shape: [matrix.classes, matrix.classes], values: .int64(matrix.counts))
    }
    contents.attributes["evidence_best"] = .double(evidence.best)
    contents.attributes["evidence_progress"] = .double(evidence.progress.score)
    contents.attributes["evidence_progress_window"] = .int(Int64(evidence.progress.window))
    contents.attributes["evidence_weight"] = .double(evidence.weight)
    contents.attributes["evidence_start_step"] = .int(Int64(evidence.start?.step ?? -1))
    contents.attributes["evidence_start_window"] = .int(Int64(evidence.start?.window ?? -1))
  }

  /// Takes over what rank 0 has read, on all ranks. Collective.
  ///
  /// A checkpoint without evidence is of a run without it: measuring begins with the next window.
  func restoreEvidence(_ contents: CheckpointContents?) throws {
    guard var own = evidence else { return }
    let classes = configuration.data.classes, folds = own.measured.count
    func double(_ name: String) -> Double {
      if case .double(let value)? = contents?.attributes["evidence_\(name)"] { value } else { 0 }
    }
    func int(_ name: String, else missing: Int64) -> Int64 {
      if case .int(let value)? = contents?.attributes["evidence_\(name)"] { value } else { missing }
    }
    let numbers = try ranks.broadcast([double("best"), double("progress"), double("weight")], from: 0)
    var counts = [
      int("progress_window", else: 0), int("start_step", else: -1), int("start_window", else: -1),
    ]
    for fold in 0..<folds {
      if case .int64(let values)? = contents?.datasets["evidence/\(fold)"]?.values, values.count == classes * classes {
        counts += values
      } else {
        counts += [Int64](repeating: -1, count: classes * classes)
      }
    }
    counts = try ranks.broadcast(counts, from: 0)
    (own.best, own.progress, own.weight) = (numbers[0], (Int(counts[0]), numbers[1]), numbers[2])
    own.start = counts[1] < 0 ? nil : (Int(counts[2]), Int(counts[1]))
    for fold in 0..<folds {
      let values = Array(counts[3 + fold * classes * classes..<3 + (fold + 1) * classes * classes])
      own.measured[fold] = values.contains { $0 < 0 } ? nil : ConfusionMatrix(classes: classes, counts: values)
    }
    evidence = own
    if let start = own.start { schedule.firstSemiSupervisedStep = start.step }
  }
}
