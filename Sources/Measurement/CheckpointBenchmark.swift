import HDF5
import Checkpoint
import Configuration
import Dataset
import Distributed
import Foundation
import Method
import Trainer

/// What checkpoints cost: to write, and to train with.
public struct CheckpointBenchmark {
  private let configuration: Configuration
  private let ranks: Communicator

  public init(_ configuration: Configuration, ranks: Communicator) {
    self.configuration = configuration
    self.ranks = ranks
  }

  /// The state of the configuration's model, with a full memory bank in which no two classes share a vector: the largest there
  /// can be.
  public func fullState() throws -> CheckpointContents {
    let schedule = Schedule(configuration, labeledCount: 64, unlabeledCount: 64)
    let trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    var contents = trainer.snapshot()
    let bank = trainer.bank
    var stored: Int32 = 0
    for (c, capacity) in bank.capacities.enumerated() {
      contents.datasets["bank/queue/\(c)"] = StoredDataset(
        shape: [capacity], values: .int32(Array(stored..<stored + Int32(capacity))))
      stored += Int32(capacity)
    }
    let numbers = (0..<Int(stored) * bank.features).map { Float($0 % 8191) * 0.000_37 - 1 }
    contents.datasets["bank/vectors"] = StoredDataset(shape: [Int(stored), bank.features], values: .float32(numbers))
    try trainer.close()
    return contents
  }

  /// Seconds of a block of steps, on rank 0.
  public struct Block: Sendable {
    public let withCheckpoints: Bool
    public let semiSupervised: Bool
    public let seconds: Double
    /// The part of them in which training stood still for a copy of the state.
    public let copying: Double
  }

  /// Trains from the first step on in blocks of `steps` steps, without and with checkpoints by turns. Collective.
  ///
  /// A block with checkpoints writes one every `every` steps, the first at its beginning, so that the last is written within it
  /// too. The first block of each kind of step is warmth and left out.
  public func train(blocks: Int, steps: Int, every: Int, into directory: RunDirectory) throws -> [Block] {
    let sets = try ranks.together { try DataSets(configuration) }
    let schedule = Schedule(
      configuration, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
    let trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    let instruments = StepInstruments(trainer), replicas = ReplicaGuard(trainer)
    try ranks.together { try directory.create() }
    let writer = CheckpointWriter(run: directory, keep: configuration.checkpoint.keep)
    let loader = BatchLoader(sets, trainer, firstStep: 0)
    defer { loader.stop() }
    var found: [Block] = []
    for block in 0..<blocks {
      let semiSupervised = schedule.isSemiSupervised(step: trainer.step)
      let withCheckpoints = block % 2 == 1
      try ranks.barrier()
      let start = ProcessInfo.processInfo.systemUptime
      var copying = 0.0
      for step in 0..<steps {
        if withCheckpoints, step % every == 0 {
          let before = ProcessInfo.processInfo.systemUptime
          try replicas.compare()
          if ranks.rank == 0 { writer.submit(step: trainer.step, best: false, trainer.snapshot()) }
          copying += ProcessInfo.processInfo.systemUptime - before
        }
        instruments.startClock()
        guard let batch = try loader.next() else {
          throw TrainingError(description: "\(blocks) blocks of \(steps) steps are more than the schedule has")
        }
        _ = try instruments.step(batch)
      }
      writer.wait()
      try ranks.barrier()
      if let error = writer.drainErrors().first { throw error }
      found.append(
        Block(
          withCheckpoints: withCheckpoints, semiSupervised: semiSupervised,
          seconds: ProcessInfo.processInfo.systemUptime - start, copying: copying))
    }
    try trainer.close()
    return found
  }
}
