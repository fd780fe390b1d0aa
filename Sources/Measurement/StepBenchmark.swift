import RunLogs
import Configuration
import Dataset
import Distributed
import Foundation
import Method
import Network
import Trainer

/// Training steps of a configuration, for timing: no run directory, no checkpoints.
public struct StepBenchmark {
  private let configuration: Configuration
  private let ranks: Communicator

  /// In which steps gradients are exchanged. The numbers of a step without are worthless, its time tells what the exchange
  /// costs.
  public enum Exchange: Sendable { case always, never, byTurns }

  /// Measures of held-out labeled images, which `u2pl.weight: evidence` makes between steps.
  public struct Evidence: Sendable {
    /// Of an image, all ranks at work.
    public let secondsOfImage: Double
    /// Images of one measure, over all ranks.
    public let images: Int
    /// Steps of the run from one measure to the next.
    public let steps: Int

    public var secondsOfStep: Double { secondsOfImage * Double(images) / Double(steps) }
  }

  public struct Result {
    /// Of the steps that were to be timed; with exchange by turns of those with it.
    public let times: [StepTimes]
    /// With exchange by turns, of the steps without it, each after one of `times`.
    public let withoutExchange: [StepTimes]
    /// What convolutions have cost in those steps, on this rank.
    public let convolutions: [ConvolutionMeter.Entry]
    /// Sent by this rank to others, in bytes a step.
    public let bytesSent: Int
    /// Loading and augmenting this rank's share of a batch by one thread, in seconds: the median. Steps do not wait for it
    /// where a core is free.
    public let loadingSeconds: Double
    /// nil where the configuration asks for none.
    public let evidence: Evidence?
  }

  /// - Parameter configuration: what a step does; its schedule matters to ``Evidence/steps`` alone.
  public init(_ configuration: Configuration, ranks: Communicator) {
    self.configuration = configuration
    self.ranks = ranks
  }

  /// Trains from the start, with unlabeled images in every step where the configuration has any. Collective.
  ///
  /// - Parameters:
  ///   - warmup: steps at the start that compile kernels and map memory, and are not timed.
  /// - Throws: ``CollectiveFailure`` on every rank when any cannot open its data.
  public func run(steps: Int, warmup: Int, exchange: Exchange = .always) throws -> Result {
    var short = configuration
    short.schedule.epochs = 1
    short.schedule.stepsPerEpoch = (exchange == .byTurns ? 2 * steps : steps) + warmup
    short.schedule.supervisedEpochs = 0
    var source = configuration
    // Generated images have no more classes than there are shapes, however many the network has.
    if source.data.kind == .shapes {
      source.data.classes = min(source.data.classes, ShapesSet.supportedClasses.upperBound)
    }
    let sets = try ranks.together {
      let sets = try DataSets(source)
      try short.requireSeveralValues()
      return sets
    }
    func schedule(_ configuration: Configuration) -> Schedule {
      Schedule(configuration, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
    }
    let trainer = try U2PLTrainer(short, schedule: schedule(short), ranks: ranks)
    let balance = try sets.balance(configuration, philox: trainer.philox, folds: nil, ranks: ranks)
    func loader() -> BatchLoader { BatchLoader(sets, trainer, firstStep: 0, balance: balance) }
    let loading = try Self.median(of: loader())

    let loader = loader()
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
    let convolutions = ConvolutionMeter.stop()
    sent = ranks.bytesSent - sent
    return Result(
      times: timed, withoutExchange: withoutExchange, convolutions: convolutions,
      bytesSent: sent / max(1, timed.count), loadingSeconds: loading,
      evidence: try evidence(trainer, sets, totalSteps: schedule(configuration).totalSteps))
  }

  /// Of loading a batch while nothing else runs.
  private static func median(of loader: BatchLoader) throws -> Double {
    defer { loader.stop() }
    var seconds: [Double] = []
    var start = ContinuousClock.now
    while seconds.count < 5, try loader.next() != nil {
      let now = ContinuousClock.now
      seconds.append((now - start) / .seconds(1))
      start = now
    }
    return seconds.sorted()[seconds.count / 2]
  }

  private func evidence(_ trainer: U2PLTrainer, _ sets: DataSets, totalSteps: Int) throws -> Evidence? {
    guard configuration.measuresEvidence(labeledCount: sets.countForFolds) else { return nil }
    let folds = HeldOutFolds(count: sets.labeled.count, totalSteps: totalSteps, groups: sets.labeledGroups)
    // The first images compile kernels.
    _ = try trainer.confusion(on: sets.labeled, Array(0..<min(sets.labeled.count, ranks.size)))
    let some = Array(folds.images(of: 0).prefix(4 * ranks.size))
    let start = ContinuousClock.now
    _ = try trainer.confusion(on: sets.labeled, some)
    return Evidence(
      secondsOfImage: (ContinuousClock.now - start) / .seconds(1) / Double(some.count),
      images: folds.images(of: 0).count, steps: folds.window)
  }
}

extension Configuration {
  /// Whether the images that the configuration names can be there.
  public var hasData: Bool { data.kind == .shapes || FileManager.default.fileExists(atPath: data.root) }

  /// The same with generated images of the size that is trained on, in place of those that are not there.
  ///
  /// - Throws: ``DatasetError`` where nothing says what size that is.
  public func withGeneratedData() throws -> Configuration {
    guard let size = augment.crop else {
      throw DatasetError(
        description: "there is no \(data.root), and without augment.crop only its images tell their size; give "
          + "--set data.root=PATH, or --set augment.crop=SIZE for generated images of that size")
    }
    var generated = self
    generated.data.kind = .shapes
    generated.data.size = size
    (generated.data.labeled, generated.data.validation) = (.count(64), nil)
    if data.unlabeled != nil { generated.data.unlabeled = .count(64) }
    return generated
  }
}
