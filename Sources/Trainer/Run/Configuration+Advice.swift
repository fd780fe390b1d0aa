import Configuration
import Dataset
import Foundation
import Method

// What a configuration says that is allowed, but cannot work, or not as meant.

extension Configuration {
  /// Whether the weight of pseudo-labels is to be measured on labeled images that are held out for a while.
  package var usesEvidence: Bool { u2pl.enabled && (schedule.supervisedEpochs == nil || u2pl.weight == .evidence) }

  /// Fewer labeled images are too few to hold any out.
  private static let leastForFolds = 2 * HeldOutFolds.standardFolds

  /// Whether it is measured: only where the labeled images suffice.
  package func measuresEvidence(labeledCount: Int) -> Bool { usesEvidence && labeledCount >= Self.leastForFolds }

  /// Batch norm of ASPP's pooled branch has one value an image and channel: with one image, mean and variance are of
  /// one number, and its output is the same for every input.
  ///
  /// - Throws: ``TrainingError`` where a step's global batch is one image.
  package func requireSeveralValues() throws {
    guard batch.labeled == 1, !u2pl.enabled || usesEvidence || schedule.supervisedEpochs != 0 else { return }
    throw TrainingError(
      description:
        "batch.labeled: 1 gives batch norm after the pooled branch of ASPP one value a channel in a supervised "
        + "step, whose variance is 0: the network would learn nothing of it. Set batch.labeled to 2 or more, over all ranks"
        + (u2pl.enabled ? ", or start without a supervised step: --set schedule.supervised_epochs=0" : ""))
  }

  /// Makes sure that `model.weights` exists, before a run spends time on its data.
  ///
  /// - Throws: ``TrainingError`` where there is none.
  package func requireWeights() throws {
    var status = stat()
    // Of a link that leads nowhere reading it says more.
    guard let path = model.weights, lstat(path, &status) != 0, errno == ENOENT else { return }
    let folder = path.hasPrefix("/") ? "" : " in \(FileManager.default.currentDirectoryPath)"
    throw TrainingError(
      description:
        "model.weights: there is no file \(path)\(folder); docs/weights.md says how to make it. To start from random weights, "
        + "extend configs/recipe-scratch.yaml, or --set model.weights=null")
  }

  /// What to tell the user at the start of a run.
  ///
  /// - Parameter seen: what looking the lists over has found, the labeled one first.
  public func warnings(_ seen: ImageReview, _ sets: DataSets) -> [String] {
    var warnings = seen.warnings + [seen.rangeWarning(data)].compactMap { $0 }
    if let warning = seen.masks[0].warning(self) { warnings.append(warning) }
    let pixels = batch.labeled * (augment.crop.map { $0.height * $0.width } ?? seen.first.0 * seen.first.1)
    if let ohem = loss.ohem, ohem.minKept >= pixels {
      warnings.append(
        "loss.ohem keeps all pixels, as if it were off: loss.ohem.min_kept is \(ohem.minKept), and a step has \(pixels) "
          + "labeled pixels, batch.labeled times the crop; a sixteenth of them is --set loss.ohem.min_kept="
          + "\(max(1, pixels / 16))")
    }
    let factor = augment.scale?.upperBound ?? 1
    let (height, width) = (Double(seen.first.0) * factor, Double(seen.first.1) * factor)
    if let crop = augment.crop, Double(crop.height) > height, Double(crop.width) > width {
      warnings.append(
        "augment.crop \(crop.height)×\(crop.width) is larger than the first labeled image, \(seen.first.0)×\(seen.first.1), however "
          + "augment.scale enlarges it: the rest of the crop is padding, which takes time and teaches nothing")
    }
    let steps = Method.Schedule(self, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
      .totalSteps
    if optimizer.warmupSteps * 3 > steps {
      warnings.append(
        "optimizer.warmup_steps: the learning rate rises for \(optimizer.warmupSteps) of the run's \(steps) steps; a trial takes "
          + "--set optimizer.warmup_steps=\(steps / 20)")
    }
    guard u2pl.enabled else { return warnings }
    let labeledCount = sets.labeled.count, groups = sets.labeledGroups
    if usesEvidence, !measuresEvidence(labeledCount: sets.countForFolds) {
      let few = labeledCount < Self.leastForFolds
      let need =
        few
        ? "there are \(labeledCount), and \(Self.leastForFolds) are needed"
        : "they are of \(groups.count) volumes or groups, and \(HeldOutFolds.standardFolds) are needed"
      let start = schedule.supervisedEpochs == nil ? "start after 3/10 of the run and " : ""
      warnings.append(
        "labeled images cannot be held out to measure the teacher on: \(need); "
          + "pseudo-labels \(start)count in full")
    }
    if u2pl.lowRank >= data.classes - 1 {
      let what =
        u2pl.lowRank >= data.classes
        ? "no unlabeled pixel is ever a negative" : "an unlabeled pixel is a negative of its least probable class only"
      warnings.append(
        "u2pl.low_rank \(u2pl.lowRank) with \(data.classes) classes: \(what); "
          + "--set u2pl.low_rank=\(U2PL.standardLowRank(classes: data.classes)) is the default for as many")
    }
    let published = semantics.publishedRows
    if !published.isEmpty {
      warnings.append(
        "semantics: as the published program in one process: \(published.joined(separator: ", ")) (docs/method.md); outside the "
          + "promise of the same bits on any number of ranks")
    }
    let strong = augment.strong
    if teacher.buffers == .own, strong.color != nil || strong.greyProbability > 0 || strong.blur != nil {
      warnings.append(
        "augment.strong with teacher.buffers own: the teacher's running statistics are of images that the student's weights, "
          + "which it averages, are not trained on; --set teacher.buffers=ema takes the student's")
    }
    return warnings
  }
}
