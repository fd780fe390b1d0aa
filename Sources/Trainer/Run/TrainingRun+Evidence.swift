import Dataset
import Distributed
import Files
import Foundation
import Liveness
import Method

extension TrainingRun {
  /// After a step that ends a window: measures the teacher on the fold held out, writes a line of metrics, and says when
  /// pseudo-labels start and when they lose weight. Collective.
  ///
  /// - Returns: whether they have started with this, so that unlabeled images are to be loaded from now on.
  func measureEvidence() throws -> Bool {
    guard let keeper = evidence else { return false }
    let before = keeper.evidence.weight
    Activity.begin("evidence")
    guard let (fold, matrix, event) = try keeper.measure(sets.labeled) else { return false }
    let evidence = keeper.evidence
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

    let state = String(
      format: "held-out labeled images at %.1f %% mIoU, best %.1f %%, weight %.2f", (evidence.score ?? 0) * 100,
      evidence.best * 100, evidence.weight)
    let text =
      event == .started
      ? "pseudo-labels from step \(trainer.step): \(state)"
      : evidence.weight < 0.7 * before ? "step \(trainer.step): pseudo-labels lose weight: \(state)" : nil
    if let text {
      say(text)
      log.info(text)
    }
    return event == .started
  }
}
