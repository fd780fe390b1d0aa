import Configuration

/// Epochs and steps of a run.
public struct Schedule: Sendable, Equatable {
  public let epochs: Int
  public let stepsPerEpoch: Int
  /// The first step that uses unlabeled images; `totalSteps` where none does. Where the run decides, the latest that may be,
  /// until it has.
  public package(set) var firstSemiSupervisedStep: Int

  public var totalSteps: Int { epochs * stepsPerEpoch }

  /// - Parameters:
  ///   - labeledCount, unlabeledCount: entries of the lists. Where `steps_per_epoch` is not set, an epoch is one pass over
  ///     the list that lasts longer, also for a supervised-only run, so that it compares step by step.
  public init(_ configuration: Configuration, labeledCount: Int, unlabeledCount: Int) {
    epochs = configuration.schedule.epochs
    func steps(_ count: Int, _ batch: Int) -> Int { (count + batch - 1) / batch }
    let perEpoch =
      configuration.schedule.stepsPerEpoch
      ?? max(1, steps(labeledCount, configuration.batch.labeled), steps(unlabeledCount, configuration.batch.unlabeled))
    stepsPerEpoch = perEpoch
    let all = configuration.schedule.epochs * perEpoch
    let first = configuration.schedule.supervisedEpochs.map { $0 * perEpoch } ?? (3 * all + 9) / 10
    firstSemiSupervisedStep = configuration.u2pl.enabled ? first : all
  }

  public func epoch(ofStep step: Int) -> Int { step / stepsPerEpoch }
  public func isSemiSupervised(step: Int) -> Bool { step >= firstSemiSupervisedStep }
}
