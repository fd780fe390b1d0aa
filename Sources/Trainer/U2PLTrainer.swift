import Compute
import Configuration
import Dataset
import Distributed
import Network

/// Student, teacher, memory bank and schedule on one rank; `step` is one training step on the global batch.
public final class U2PLTrainer {
  public let configuration: Configuration
  public let ranks: Communicator
  public internal(set) var schedule: Schedule
  /// What pseudo-labels count by; nil where they count in full.
  var evidence: Evidence?
  public let student: Segmenter
  public let teacher: Segmenter
  /// Steps done.
  public internal(set) var step = 0
  /// Semi-supervised steps done; the teacher has started when there has been one.
  public internal(set) var semiSupervisedSteps = 0
  /// The step whose end the ranks last compared their state at.
  var comparedAt = -1
  let optimizer: Optimizer
  /// Sums the student's gradients over the ranks while the backward pass goes on.
  let exchange: BucketedAllReduce
  let bank: MemoryBank
  let layout: BatchLayout
  let philox: Philox
  var clock = PhaseClock()
  /// False in a benchmark of what the exchange of gradients costs.
  var exchangesGradients = true
  /// What a test has ordered to go wrong.
  var fault = InjectedFault()

  /// Starts from `run.seed`; ``load(weights:)`` and ``restore(_:)`` replace what that gives. Collective.
  ///
  /// - Throws: ``CollectiveFailure`` on every rank when they cannot share the batch, a library is missing, or a node has
  ///   no room for the memory bank.
  public init(_ configuration: Configuration, schedule: Schedule, ranks: Communicator) throws {
    let batch = configuration.batch
    let unlabeled = configuration.u2pl.enabled ? batch.unlabeled : 0
    try ranks.together {
      try Self.requireShares(configuration, ranks: ranks.size)
      try BLAS.load()
    }
    self.configuration = configuration
    self.schedule = schedule
    evidence = schedule.folds.map {
      Evidence(
        folds: $0.folds, latestStart: schedule.firstSemiSupervisedStep,
        startsByItself: configuration.schedule.supervisedEpochs == nil)
    }
    self.ranks = ranks
    philox = Philox(seed: configuration.run.seed)
    layout = BatchLayout(labeled: batch.labeled, unlabeled: unlabeled, rank: ranks.rank, ranks: ranks.size)
    let shape = SegmenterShape(configuration)
    student = Segmenter(shape, trainable: true)
    teacher = Segmenter(shape, trainable: false)
    student.initialize(philox: philox, zeroResidual: configuration.model.zeroInitResidual)
    teacher.parameters.copy(from: student.parameters)
    optimizer = Optimizer(configuration.optimizer, parameters: student.parameters, totalSteps: schedule.totalSteps)
    exchange = BucketedAllReduce(student.parameters.gradients, ranks: ranks)
    // The supervised baseline has no use for one.
    let capacities =
      configuration.u2pl.enabled ? configuration.u2pl.capacity : configuration.u2pl.capacity.map { _ in 0 }
    bank = try MemoryBank(
      capacities: capacities, features: configuration.model.features, nodes: try NodeGroup(ranks))
  }

  /// - Throws: ``TrainingError`` when ranks cannot hold equal shares of the batch.
  static func requireShares(_ configuration: Configuration, ranks: Int) throws {
    let labeled = configuration.batch.labeled
    let unlabeled = configuration.u2pl.enabled ? configuration.batch.unlabeled : 0
    let uneven = [("labeled", labeled), ("unlabeled", unlabeled)].filter { $0.1 % ranks != 0 }
    guard !uneven.isEmpty else { return }
    let advice = uneven.map { "--set batch.\($0.0)=\(($0.1 + ranks - 1) / ranks * ranks)" }
    throw TrainingError(
      description: "batch.labeled = \(labeled) and batch.unlabeled = \(unlabeled) must both be multiples of "
        + "the \(ranks) ranks; start another number of ranks (-n), or \(advice.joined(separator: " "))")
  }

  /// One step on this rank's share of the batch. Collective.
  ///
  /// - Throws: ``NonFiniteNumber`` when a loss, an activation or the gradient is not finite, before anything has changed but
  ///   running statistics and the memory bank.
  public func step(_ batch: Batch) throws -> StepReport {
    precondition(batch.step == step)
    var report = StepReport(step: step, epoch: schedule.epoch(ofStep: step))
    report.learningRate = optimizer.learningRate(step: step)
    if isSemiSupervised {
      try semiSupervisedStep(batch, &report)
      semiSupervisedSteps += 1
    } else {
      try supervisedStep(batch, &report)
    }
    step += 1
    report.phases = clock.seconds
    report.waits = clock.waits
    report.calls = clock.calls
    return report
  }

  /// Gives back the memory that the ranks of a node share. Collective; the trainer is of no use after it.
  func close() throws { try bank.close() }

  /// Begins the time of the next step, which then counts the wait for its data.
  public func startClock() {
    clock = PhaseClock(isSemiSupervised ? PhaseClock.semiSupervised : PhaseClock.supervised, step: step)
  }
}

extension SegmenterShape {
  /// The network a configuration describes.
  public init(_ configuration: Configuration) {
    let model = configuration.model
    self.init(
      encoder: EncoderShape(
        depth: EncoderShape.Depth(rawValue: model.encoder.depth)!, stem: model.stem == .deep ? .deep : .classic,
        width: model.encoderWidth, outputStride: model.outputStride, multiGrid: model.multiGrid),
      classes: configuration.data.classes, width: model.width, features: model.features, dilations: model.dilations,
      auxiliary: model.auxiliary)
  }
}

/// Epochs and steps of a run.
public struct Schedule: Sendable, Equatable {
  public let epochs: Int
  public let stepsPerEpoch: Int
  /// The first step that uses unlabeled images; `totalSteps` where none does. Where the run decides, the latest that may be,
  /// until it has.
  public internal(set) var firstSemiSupervisedStep: Int
  /// What is held out for evidence; nil where none is asked for, or there are too few labeled images.
  public let folds: HeldOutFolds?

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
    let first = configuration.schedule.supervisedEpochs.map { $0 * perEpoch } ?? (all + 1) / 2
    firstSemiSupervisedStep = configuration.u2pl.enabled ? first : all
    folds =
      configuration.usesEvidence && labeledCount >= 2 * HeldOutFolds.standardFolds
      ? HeldOutFolds(count: labeledCount, totalSteps: all) : nil
  }

  public func epoch(ofStep step: Int) -> Int { step / stepsPerEpoch }
  public func isSemiSupervised(step: Int) -> Bool { step >= firstSemiSupervisedStep }
}

/// The communicator as the network sees it.
struct OrderedRanks: RankReducer {
  let ranks: Communicator
  /// nil where gradients are summed after the backward pass.
  var exchange: BucketedAllReduce?
  var isFirst: Bool { ranks.rank == 0 }
  func reduce(_ values: inout [Double], _ combine: (inout [Double], [Double]) -> Void) throws {
    // Also where there is nobody to wait for.
    Activity.advance()
    try ranks.orderedReduce(&values, combine)
  }
  func gradientReady(_ elements: Range<Int>) throws { try exchange?.ready(elements) }
}
