import Trainer
import Compute
import Configuration
import Dataset
import Distributed
import Foundation
import Method
import Network
import Transforms

/// What a run will take of time and memory, from a few training steps on small images of noise.
///
/// Both grow by a line with the pixels of a batch: convolutions and the maps they leave are nearly all of it. Two sizes
/// give the line.
public struct RunEstimate: Sendable {
  public let parameters: Int
  /// Height and width of the images trained on.
  public let height: Int
  public let width: Int
  /// Sides of the square images that were timed.
  public let timedSides: [Int]
  /// Seconds of a step without and with unlabeled images; equal where none are used.
  public let supervisedStep: Double
  public let semiSupervisedStep: Double
  /// Bytes of a rank: parameters, gradients, momentum and packed weights; maps of a batch; its share of the memory bank;
  /// what a checkpoint copies, on rank 0.
  public let networkBytes: Int
  public let activationBytes: Int
  public let bankBytes: Int
  public let checkpointBytes: Int
  /// Ranks on this node, bytes they need together, and bytes the node can give.
  public let ranksOnNode: Int
  public let nodeBytes: Int
  public let availableBytes: Int
  /// The control group that limits them, where one leaves less than the node has.
  public let memoryGroup: String?

  private struct Sample {
    /// Pixels of all images of a rank.
    let pixels: Int
    let seconds: Double
    let bytes: Int
  }

  /// Trains some steps of one labeled and one unlabeled image a rank. Collective; changes no file.
  ///
  /// - Parameters height, width: of the images of the run.
  /// - Throws: ``CollectiveFailure`` on every rank when they cannot share the batch of the run.
  public init(_ configuration: Configuration, height: Int, width: Int, ranks: Communicator) throws {
    // The steps below have a batch of their own, which every rank count divides.
    try ranks.together {
      try U2PLTrainer.requireShares(configuration, ranks: ranks.size)
      try configuration.requireSeveralValues()
    }
    let available = ProcessMemory.available
    let area = height * width, side = Int(Double(area).squareRoot())
    // Sizes of the form 32k + 1 leave no odd borders at any stride.
    func nearby(_ side: Double) -> Int { max(33, Int(side / 32) * 32 + 1) }
    let sides = side > 200 ? [97, 161] : [nearby(Double(side) * 0.6), max(nearby(Double(side)), 65)]
    var small = configuration
    (small.batch.labeled, small.batch.unlabeled) = (ranks.size, ranks.size)
    small.schedule.epochs = 1
    small.schedule.stepsPerEpoch = 8
    small.schedule.supervisedEpochs = 0
    let withUnlabeled = configuration.u2pl.enabled

    var samples: [Sample] = []
    var parameters = 0, bank = 0
    var node = ranks
    for side in sides {
      let trainer = try U2PLTrainer(
        small, schedule: Schedule(small, labeledCount: 1, unlabeledCount: 1), ranks: ranks)
      (parameters, bank) = (trainer.student.parameters.values.count, trainer.bank.bytesPerNode)
      node = trainer.bank.nodes?.node ?? ranks
      samples.append(try Self.sample(trainer, side: side, images: withUnlabeled ? 2 : 1))
      try trainer.close()
      trimStorage()
    }
    let (labeled, unlabeled) = (configuration.batch.labeled / ranks.size, configuration.batch.unlabeled / ranks.size)
    let pixels = area * (withUnlabeled ? labeled + unlabeled : labeled)

    func line(_ value: (Sample) -> Double) -> (base: Double, slope: Double) {
      let slope = max(0, (value(samples[1]) - value(samples[0])) / Double(samples[1].pixels - samples[0].pixels))
      return (max(0, value(samples[0]) - slope * Double(samples[0].pixels)), slope)
    }
    let memory = line { Double($0.bytes) }, time = line(\.seconds)
    // In forward passes over an image: student 3, with its backward pass; teacher 1; the weak view 1. Two images were 9.
    let perPass = time.slope * Double(withUnlabeled ? 2 : 1) / (withUnlabeled ? 9 : 3)
    supervisedStep = time.base + perPass * Double(area * 3 * labeled)
    semiSupervisedStep =
      withUnlabeled
      ? time.base + perPass * Double(area * (4 * (labeled + unlabeled) + unlabeled)) : supervisedStep
    activationBytes = Int(memory.base + memory.slope * Double(pixels))
    let moments = configuration.optimizer.kind == .adamw ? 2 : 1
    // Student, its gradient and the optimizer's state, teacher.
    networkBytes = parameters * 4 * (3 + moments)
    checkpointBytes = parameters * 4 * (2 + moments)

    ranksOnNode = node.size
    bankBytes = bank / ranksOnNode
    let own = networkBytes + activationBytes + bankBytes + (ranks.rank == 0 ? checkpointBytes : 0)
    nodeBytes = Int(try node.sum([Int64(own)])[0])
    (availableBytes, memoryGroup) = available
    self.parameters = parameters
    (self.height, self.width) = (height, width)
    timedSides = sides
  }

  /// Two steps to compile kernels and map memory, then the fastest of three.
  private static func sample(_ trainer: U2PLTrainer, side: Int, images: Int) throws -> Sample {
    let pixels = (0..<side * side * trainer.configuration.data.channels).map { i in
      let words = trainer.philox.words(counter: SIMD4(UInt32(i), 0, 0, 0))
      return Float(words[0].unitInterval * 4 - 2)
    }
    let classes = trainer.configuration.data.classes
    let labels = (0..<side * side).map { UInt8($0 / 16 % classes) }
    let example = Example(height: side, width: side, pixels: pixels, labels: labels)
    var fastest = Double.infinity
    resetPeakStorage()
    let instruments = StepInstruments(trainer)
    for step in 0..<5 {
      instruments.startClock()
      let times = try instruments.step(
        Batch(step: step, labeled: [example], unlabeled: images > 1 ? [example] : [], identifiers: ["noise", "noise"])
      ).times
      if step >= 2 { fastest = min(fastest, times.seconds) }
    }
    let slowest = Double(try trainer.ranks.maximum([Int64(fastest * 1e6)])[0]) * 1e-6
    return Sample(pixels: side * side * images, seconds: slowest, bytes: peakStorage)
  }

  /// - Throws: ``TrainingError`` when this node's memory will not suffice, saying what would help.
  public func requireMemory(on host: String) throws {
    guard availableBytes > 0, nodeBytes > availableBytes else { return }
    let gibibytes = { (bytes: Int) in String(format: "%.2f GiB", Double(bytes) / 0x1p30) }
    throw TrainingError(
      description: "\(host) has \(gibibytes(availableBytes)) of memory available"
        + (memoryGroup.map { " (the limit of the control group \($0))" } ?? "") + ", and the run needs about "
        + "\(gibibytes(nodeBytes)) there (\(ranksOnNode) \(ranksOnNode == 1 ? "rank" : "ranks")): start fewer ranks on it, "
        + "or lower batch.labeled, batch.unlabeled, augment.crop or u2pl.capacity")
  }
}
