import Checkpoint
import Configuration
import Dataset
import Distributed
import Foundation

// Measuring the teacher on labeled images that were held out for a window of steps.

extension TrainingRun {
  /// After a step that ends a window: measures, writes a line of metrics, and tells when pseudo-labels start. Collective.
  ///
  /// - Returns: whether they have started with this, so that unlabeled images are to be loaded from now on.
  func measureEvidence() throws -> Bool {
    guard let folds = trainer.schedule.folds, trainer.evidence != nil, trainer.step % folds.window == 0,
      let fold = folds.fold(step: trainer.step - 1)
    else { return false }
    Activity.begin("evidence")
    let inference = Inference(configuration)
    var matrix = ConfusionMatrix(classes: configuration.data.classes)
    let images = folds.images(of: fold)
    for place in stride(from: ranks.rank, to: images.count, by: ranks.size) {
      Activity.advance()
      let (image, labels) = try sets.labeled.labeledImage(images[place])
      matrix.add(truth: labels.values, prediction: try inference.classes(trainer.evaluated, image))
    }
    matrix = ConfusionMatrix(classes: matrix.classes, counts: try ranks.sum(matrix.counts))
    let before = trainer.trust
    let event = trainer.observe(matrix, window: folds.window(ofStep: trainer.step - 1))
    guard let evidence = trainer.evidence else { return false }
    note(evidence, matrix, fold: fold)
    if event == .started {
      tell(
        String(
          format: "pseudo-labels from step %d: held-out labeled images at %.1f %% mIoU, best %.1f %%, weight %.2f",
          trainer.step, (evidence.score ?? 0) * 100, evidence.best * 100, evidence.weight))
    } else if evidence.weight < 0.7 * before {
      tell(
        String(
          format: "step %d: held-out labeled images fall to %.1f %% mIoU, best %.1f %%: pseudo-labels count by %.2f",
          trainer.step, (evidence.score ?? 0) * 100, evidence.best * 100, evidence.weight))
    }
    return event == .started
  }

  private func note(_ evidence: Evidence, _ matrix: ConfusionMatrix, fold: Int) {
    var numbers = JSONLine()
    numbers.add("fold", fold)
    numbers.add("fold_mean_iou", matrix.meanIntersectionOverUnion)
    numbers.add("mean_iou", evidence.score)
    numbers.add("best_mean_iou", evidence.best)
    numbers.add("weight", evidence.weight)
    var line = JSONLine()
    line.add("step", trainer.step - 1)
    line.add("evidence", numbers)
    records?.append(line)
  }

  private func tell(_ text: String) {
    say(text)
    log.info(text)
  }
}
