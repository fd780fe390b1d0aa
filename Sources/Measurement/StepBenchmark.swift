import RunLogs
import Configuration
import Dataset
import Distributed
import Method
import Network
import Trainer

/// Training steps without files: for timing.
public struct StepBenchmark {
  private let configuration: Configuration
  private let ranks: Communicator

  /// In which steps gradients are exchanged. The numbers of a step without are worthless, its time tells what the exchange
  /// costs.
  public enum Exchange: Sendable { case always, never, byTurns }

  public struct Result {
    /// Of the steps that were to be timed; with exchange by turns of those with it.
    public let times: [StepTimes]
    /// With exchange by turns, of the steps without it, each after one of `times`.
    public let withoutExchange: [StepTimes]
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
  public func run(warmup: Int, exchange: Exchange = .always) throws -> Result {
    let sets = try DataSets(configuration)
    let schedule = Schedule(
      configuration, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
    let trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    let loader = BatchLoader(sets, trainer, firstStep: 0)
    defer { loader.stop() }
    let instruments = StepInstruments(trainer)
    let exchanging = trainer.exchange, none = NoExchange()
    var timed: [StepTimes] = [], withoutExchange: [StepTimes] = []
    var sent = ranks.bytesSent
    instruments.startClock()
    while let batch = try loader.next() {
      if trainer.step == warmup {
        ConvolutionMeter.start()
        sent = ranks.bytesSent
      }
      let isOdd = (trainer.step - warmup) % 2 != 0
      trainer.exchange = exchange == .always || exchange == .byTurns && !isOdd ? exchanging : none
      let (report, times) = try instruments.step(batch)
      if report.step >= warmup {
        if exchange == .byTurns && isOdd { withoutExchange.append(times) } else { timed.append(times) }
      }
      instruments.startClock()
    }
    return Result(
      times: timed, withoutExchange: withoutExchange, convolutions: ConvolutionMeter.stop(),
      bytesSent: (ranks.bytesSent - sent) / max(1, timed.count))
  }
}
