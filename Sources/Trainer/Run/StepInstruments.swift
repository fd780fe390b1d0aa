import Distributed
import Method
import RunLogs
import Transforms

/// What a run attaches to the steps of a trainer: the clock of their phases, the guard against numbers that are not finite, and
/// the faults that tests order.
///
/// Attached for as long as it lives: whoever trains keeps it, and steps by ``step(_:)``. One at a time.
public final class StepInstruments {
  private let trainer: U2PLTrainer
  private let fault: InjectedFault
  private var clock = PhaseClock()
  private var batch: Batch?

  public convenience init(_ trainer: U2PLTrainer) { self.init(trainer, fault: InjectedFault()) }

  init(_ trainer: U2PLTrainer, fault: InjectedFault) {
    self.trainer = trainer
    self.fault = fault
    trainer.hooks = Attached(self)
  }

  /// Begins the time of the next step, which then counts the wait for its data.
  public func startClock() {
    clock = PhaseClock(trainer.isSemiSupervised ? StepPhase.allCases : StepPhase.supervised, step: trainer.step)
  }

  /// One step on this rank's share of the batch. Collective.
  ///
  /// - Throws: ``NonFiniteNumber`` on every rank when a loss, an activation or the gradient is not finite, before a parameter of
  ///   the student has changed.
  public func step(_ batch: Batch) throws -> (report: StepReport, times: StepTimes) {
    var batch = batch
    fault.apply(to: &batch, trainer)
    self.batch = batch
    defer { self.batch = nil }
    do {
      let report = try trainer.step(batch)
      return (report, clock.times)
    } catch let error as EntropyNotFinite {
      try FinitenessGuard(trainer, batch).stop(error)
    }
  }

  /// The trainer holds it; it does not hold the trainer.
  private final class Attached: StepHooks {
    private weak var instruments: StepInstruments?
    init(_ instruments: StepInstruments) { self.instruments = instruments }

    func ended(_ phase: StepPhase) { instruments?.clock.mark(phase) }
    func advanced() { Activity.advance() }
    func gradientSummed(_ trainer: U2PLTrainer) {
      instruments?.fault.apply(toGradientOf: trainer.student.parameters, step: trainer.step)
    }
    func beforeUpdate(_ losses: StepLosses, gradientNorm: Double, _ trainer: U2PLTrainer) throws {
      guard let batch = instruments?.batch else { return }
      try FinitenessGuard(trainer, batch).check(losses, gradientNorm: gradientNorm)
    }
  }
}
