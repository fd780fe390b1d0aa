import Foundation
import Method

/// Notices a supervised loss that rises to many times what it was: as a rule the learning rate is too high.
package struct LossJumps {
  /// What L_s is compared with: its mean over the first steps that this process has trained, or that of a network
  /// that knows nothing, ln C, if that is more.
  private var sum = 0.0
  private var count = 0
  private var hasWarned = false
  private let ofNoKnowledge: Double

  private static let firstSteps = 10
  /// Losses of a run that learns stay below twice the first ones; with 25 times the best learning rate they reached 60 times.
  private static let factor = 10.0

  package init(classes: Int) { ofNoKnowledge = log(Double(max(2, classes))) }

  /// - Returns: a warning after the first such step; else nil.
  mutating func warning(_ report: StepReport) -> String? { warning(report.losses.supervised, step: report.step) }

  package mutating func warning(_ loss: Double, step: Int) -> String? {
    guard count >= Self.firstSteps else {
      sum += loss
      count += 1
      return nil
    }
    let usual = max(sum / Double(count), ofNoKnowledge)
    guard !hasWarned, loss > Self.factor * usual else { return nil }
    hasWarned = true
    return String(
      format:
        "step %d: L_s is %.4g, and was %.4g at the start: optimizer.learning_rate is probably too high; a third of "
        + "it, or optimizer.clip_norm, keeps the loss from jumping", step, loss, sum / Double(count))
  }
}
