import Configuration
import Dataset
import Distributed

/// Training steps without files: for timing.
public struct StepBenchmark {
  private let configuration: Configuration
  private let ranks: Communicator

  public init(_ configuration: Configuration, ranks: Communicator) {
    self.configuration = configuration
    self.ranks = ranks
  }

  /// Runs every step of the schedule. Collective.
  public func run() throws -> [StepReport] {
    let sets = try DataSets(configuration)
    let schedule = Schedule(
      configuration, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
    let trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    let loader = BatchLoader(sets, trainer, firstStep: 0)
    defer { loader.stop() }
    var reports: [StepReport] = []
    trainer.startClock()
    while let batch = try loader.next() {
      reports.append(try trainer.step(batch))
      trainer.startClock()
    }
    return reports
  }
}
