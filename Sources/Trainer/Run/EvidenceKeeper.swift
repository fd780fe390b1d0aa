import Checkpoint
import Configuration
import Dataset
import Distributed
import HDF5
import Liveness
import Method

/// Measures the teacher on labeled images that were held out for a window of steps, and tells the trainer what pseudo-labels
/// count by. Its state is part of every checkpoint.
final class EvidenceKeeper {
  let folds: HeldOutFolds
  private(set) var evidence: Evidence
  private let trainer: U2PLTrainer

  /// nil where the configuration asks for no evidence, or has too few labeled images for it.
  init?(_ trainer: U2PLTrainer, _ sets: DataSets) {
    guard trainer.configuration.measuresEvidence(labeledCount: sets.countForFolds) else { return nil }
    self.trainer = trainer
    folds = HeldOutFolds(
      count: sets.labeled.count, totalSteps: trainer.schedule.totalSteps, groups: sets.labeledGroups)
    evidence = Evidence(
      folds: folds.folds, latestStart: trainer.schedule.firstSemiSupervisedStep,
      startsByItself: trainer.configuration.schedule.supervisedEpochs == nil,
      earliestStart: trainer.configuration.optimizer.warmupSteps)
    tellTrainer()
  }

  private func tellTrainer() {
    trainer.trust = evidence.weight
    if let start = evidence.start { trainer.schedule.firstSemiSupervisedStep = start.step }
  }

  /// After a step: where it ends a window that held a fold out, measures the network that would be evaluated on it. Collective.
  ///
  /// - Returns: the fold and what it showed, nil where nothing was due; and what it has led to.
  func measure(_ labeled: any ImageSet) throws -> (fold: Int, matrix: ConfusionMatrix, event: Evidence.Event)? {
    guard trainer.step % folds.window == 0, let fold = folds.fold(step: trainer.step - 1) else { return nil }
    let matrix = try trainer.confusion(on: labeled, folds.images(of: fold))
    let event = evidence.observe(matrix, window: folds.window(ofStep: trainer.step - 1), step: trainer.step)
    tellTrainer()
    return (fold, matrix, event)
  }

  /// `evidence/FOLD` [C, C], and attributes that begin with `evidence_`.
  func add(to contents: inout CheckpointContents) {
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
  func restore(_ contents: CheckpointContents?) throws {
    let ranks = trainer.ranks, classes = trainer.configuration.data.classes
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
    for fold in 0..<folds.folds {
      if case .int64(let values)? = contents?.datasets["evidence/\(fold)"]?.values, values.count == classes * classes {
        counts += values
      } else {
        counts += [Int64](repeating: -1, count: classes * classes)
      }
    }
    counts = try ranks.broadcast(counts, from: 0)
    (evidence.best, evidence.progress, evidence.weight) = (numbers[0], (Int(counts[0]), numbers[1]), numbers[2])
    evidence.start = counts[1] < 0 ? nil : (Int(counts[2]), Int(counts[1]))
    for fold in 0..<folds.folds {
      let values = Array(counts[3 + fold * classes * classes..<3 + (fold + 1) * classes * classes])
      evidence.measured[fold] = values.contains { $0 < 0 } ? nil : ConfusionMatrix(classes: classes, counts: values)
    }
    tellTrainer()
  }
}

extension U2PLTrainer {
  /// What the network that would be evaluated says of some labeled images, whole, shared out over the ranks. Collective.
  package func confusion(on labeled: any ImageSet, _ images: [Int]) throws -> ConfusionMatrix {
    let inference = Inference(configuration)
    var matrix = ConfusionMatrix(classes: configuration.data.classes)
    for place in stride(from: ranks.rank, to: images.count, by: ranks.size) {
      Activity.advance()
      let (image, labels) = try labeled.labeledImage(images[place])
      matrix.add(truth: labels.values, prediction: try inference.classes(evaluated, image))
    }
    return ConfusionMatrix(classes: matrix.classes, counts: try ranks.sum(matrix.counts))
  }
}
