import Configuration
import Dataset
import Distributed
import Network

/// Training steps without files: for timing.
public struct StepBenchmark {
  private let configuration: Configuration
  private let ranks: Communicator

  public struct Result {
    /// Of the steps that were to be timed.
    public let reports: [StepReport]
    /// What convolutions have cost in those steps, on this rank.
    public let convolutions: [ConvolutionMeter.Entry]
    /// Sent by this rank to others, in bytes a step.
    public let bytesSent: Int
  }

  public init(_ configuration: Configuration, ranks: Communicator) {
    self.configuration = configuration
    self.ranks = ranks
  }

  /// Runs every step of the schedule. Collective.
  ///
  /// - Parameters:
  ///   - warmup: steps at the start that compile kernels and map memory, and are not timed.
  ///   - exchange: false leaves gradients as they are on each rank; the numbers are then worthless, the time tells what the
  ///     exchange costs.
  public func run(warmup: Int, exchange: Bool = true) throws -> Result {
    let sets = try DataSets(configuration)
    let schedule = Schedule(
      configuration, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
    let trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    trainer.exchangesGradients = exchange
    let loader = BatchLoader(sets, trainer, firstStep: 0)
    defer { loader.stop() }
    var reports: [StepReport] = []
    var sent = ranks.bytesSent
    trainer.startClock()
    while let batch = try loader.next() {
      if trainer.step == warmup {
        ConvolutionMeter.start()
        sent = ranks.bytesSent
      }
      let report = try trainer.step(batch)
      if report.step >= warmup { reports.append(report) }
      trainer.startClock()
    }
    return Result(
      reports: reports, convolutions: ConvolutionMeter.stop(),
      bytesSent: (ranks.bytesSent - sent) / max(1, reports.count))
  }
}
