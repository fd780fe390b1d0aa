import Compute
import Configuration
import Distributed
import Network
import Transforms

/// Student, teacher, memory bank and schedule on one rank; `step` is one training step on the global batch.
public final class U2PLTrainer {
  public let configuration: Configuration
  public let ranks: Communicator
  public package(set) var schedule: Schedule
  /// Factor on L_u and L_c, by evidence; nil where pseudo-labels count in full.
  package var trust: Double?
  public let student: Segmenter
  public let teacher: Segmenter
  /// Steps done.
  public package(set) var step = 0
  /// Semi-supervised steps done; the teacher has started when there has been one.
  public package(set) var semiSupervisedSteps = 0
  package let optimizer: Optimizer
  /// Sums the student's gradients over the ranks.
  package var exchange: any GradientExchange
  package let bank: MemoryBank
  /// nil unless `semantics.anchor_ema` is on.
  package let positives: AveragedPositives?
  package let layout: BatchLayout
  package let philox: Philox
  /// What others attach to each step.
  package var hooks: any StepHooks = NoHooks()

  /// Starts from `run.seed`; `load(weights:note:)` and `restore(_:path:)` of Trainer replace what that gives. Collective.
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
    self.ranks = ranks
    philox = Philox(seed: configuration.run.seed)
    layout = BatchLayout(labeled: batch.labeled, unlabeled: unlabeled, rank: ranks.rank, ranks: ranks.size)
    let shape = SegmenterShape(configuration)
    student = Segmenter(shape, trainable: true)
    teacher = Segmenter(shape, trainable: false)
    student.initialize(philox: philox, zeroResidual: configuration.model.zeroInitResidual)
    teacher.parameters.copy(from: student.parameters)
    optimizer = Optimizer(configuration.optimizer, parameters: student.parameters, totalSteps: schedule.totalSteps)
    exchange =
      switch configuration.reduction {
      case .ordered: BucketedAllReduce(student.parameters.gradients, ranks: ranks)
      case .mpi: UnorderedExchange(student.parameters.gradients, ranks: ranks)
      }
    // The supervised baseline has no use for one.
    let capacities =
      configuration.u2pl.enabled ? configuration.u2pl.capacity : configuration.u2pl.capacity.map { _ in 0 }
    bank = try MemoryBank(
      capacities: capacities, features: configuration.model.features, nodes: try NodeGroup(ranks))
    positives =
      configuration.semantics.anchorEMA && configuration.u2pl.enabled
      ? AveragedPositives(classes: configuration.data.classes, features: configuration.model.features) : nil
  }

  /// - Throws: ``TrainingError`` when ranks cannot hold equal shares of the batch.
  package static func requireShares(_ configuration: Configuration, ranks: Int) throws {
    let labeled = configuration.batch.labeled
    let unlabeled = configuration.u2pl.enabled ? configuration.batch.unlabeled : 0
    let uneven = [("labeled", labeled), ("unlabeled", unlabeled)].filter { $0.1 % ranks != 0 }
    guard !uneven.isEmpty else { return }
    let advice = uneven.map { "--set batch.\($0.0)=\(($0.1 + ranks - 1) / ranks * ranks)" }
    throw TrainingError(
      description: "batch.labeled = \(labeled) and batch.unlabeled = \(unlabeled) must both be multiples of "
        + "the \(ranks) ranks; start another number of ranks (-n), or \(advice.joined(separator: " "))")
  }

  /// Whether the next step learns from unlabeled images.
  package var isSemiSupervised: Bool { schedule.isSemiSupervised(step: step) && trust ?? 1 > 0 }

  /// One step on this rank's share of the batch. Collective.
  ///
  /// - Throws: ``EntropyNotFinite`` on every rank, and what ``StepHooks/beforeUpdate(_:gradientNorm:_:)`` throws. By then
  ///   no parameter of the student has changed.
  public func step(_ batch: Batch) throws -> StepReport {
    precondition(batch.step == step)
    let isSemiSupervised = self.isSemiSupervised
    let report = try isSemiSupervised ? semiSupervisedStep(batch) : supervisedStep(batch)
    if isSemiSupervised { semiSupervisedSteps += 1 }
    step += 1
    return report
  }

  /// Gives back the memory that the ranks of a node share. Collective; the trainer is of no use after it.
  package func close() throws { try bank.close() }
}
