/// The parts of a step, in order, by the names that logs give them.
public enum StepPhase: String, CaseIterable, Sendable {
  case data = "data"
  case weakView = "weak view"
  case mix = "mix"
  case studentForward = "student forward"
  case teacherForward = "teacher forward"
  case pixelLosses = "pixel losses"
  case contrastiveLoss = "contrastive loss"
  case backward = "backward"
  case gradientExchange = "gradient exchange"
  case update = "update"

  /// Those of a supervised step.
  public static let supervised: [StepPhase] = [
    .data, .studentForward, .pixelLosses, .backward, .gradientExchange, .update,
  ]
}

/// What others attach to a step at its named points: clocks, guards, faults that tests order. The method knows none of them.
///
/// Every rank calls the same points in the same order, so a hook may make collective calls at those that it can throw from.
package protocol StepHooks: AnyObject {
  /// A phase has ended. The step begins with ``StepPhase/data``.
  func ended(_ phase: StepPhase)

  /// The step goes on: called within forward and backward passes, at each sum of batch norm over ranks, and after each
  /// layer of the teacher's weak view.
  func advanced()

  /// The gradient is the sum over all ranks; it has not been looked at.
  func gradientSummed(_ trainer: U2PLTrainer)

  /// All that the update is made of is known. So far nothing has changed but running statistics, the memory bank, and, in the
  /// first semi-supervised step, the teacher, which has become a copy of the student.
  ///
  /// - Parameter gradientNorm: of the global gradient, before clipping.
  /// - Throws: what ends the step before the update, on every rank alike.
  func beforeUpdate(_ losses: StepLosses, gradientNorm: Double, _ trainer: U2PLTrainer) throws
}

/// Nothing attached.
package final class NoHooks: StepHooks {
  package init() {}
  package func ended(_ phase: StepPhase) {}
  package func advanced() {}
  package func gradientSummed(_ trainer: U2PLTrainer) {}
  package func beforeUpdate(_ losses: StepLosses, gradientNorm: Double, _ trainer: U2PLTrainer) throws {}
}
