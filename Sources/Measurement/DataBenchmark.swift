import Configuration
import Dataset
import Dispatch
import Distributed
import Method
import Trainer

/// Whether batches are ready before the step needs them.
public struct DataBenchmark {
  public struct Result {
    /// Decoding and augmenting this rank's share of a batch, alone on the machine, in seconds: the median.
    public let batchSeconds: Double
    /// Images in it.
    public let images: Int
    /// A training step after the first, its wait for data included: the median.
    public let stepSeconds: Double
    /// What all timed steps together have waited for data, of their time.
    public let waitingShare: Double
  }

  private let configuration: Configuration
  private let ranks: Communicator

  public init(_ configuration: Configuration, ranks: Communicator) {
    self.configuration = configuration
    self.ranks = ranks
  }

  /// Loads `batches` batches, then trains as many steps from the start of the schedule. Collective.
  ///
  /// - Throws: ``CollectiveFailure`` on every rank when any cannot open its data.
  public func run(batches: Int) throws -> Result {
    var short = configuration
    short.schedule.epochs = 1
    short.schedule.stepsPerEpoch = batches + 1
    if configuration.u2pl.enabled { short.schedule.supervisedEpochs = 0 }
    let sets = try ranks.together { try DataSets(short) }
    let schedule = Schedule(
      short, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
    let trainer = try U2PLTrainer(short, schedule: schedule, ranks: ranks)

    var loading: [Double] = [], images = 0
    let alone = BatchLoader(sets, trainer, firstStep: 0)
    var start = ContinuousClock.now
    while let batch = try alone.next() {
      let now = ContinuousClock.now
      loading.append((now - start) / .seconds(1))
      start = now
      images = batch.labeled.count + batch.unlabeled.count
    }
    alone.stop()

    let loader = BatchLoader(sets, trainer, firstStep: 0)
    defer { loader.stop() }
    var steps: [(seconds: Double, waiting: Double)] = []
    let instruments = StepInstruments(trainer)
    instruments.startClock()
    while let batch = try loader.next() {
      let times = try instruments.step(batch).times
      steps.append((times.seconds, times.seconds(of: StepPhase.data.rawValue)))
      instruments.startClock()
    }
    // The first step has nothing to compute while its data is read.
    steps.removeFirst()
    func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    return Result(
      batchSeconds: median(loading), images: images, stepSeconds: median(steps.map(\.seconds)),
      waitingShare: steps.reduce(0) { $0 + $1.waiting } / steps.reduce(0) { $0 + $1.seconds })
  }
}
