import RunLogs
import Compute
import Configuration
import Distributed
import Foundation
import Method
import Network

/// What the collectives of a training step cost, each measured in turn with what it is compared to. Every call is
/// collective; times are of the slowest rank.
public struct CollectiveBenchmark {
  private let ranks: Communicator
  private let nodes: NodeGroup

  public init(ranks: Communicator) throws {
    self.ranks = ranks
    nodes = try NodeGroup(ranks)
  }

  /// Seconds on the slowest rank, and bytes this rank has sent.
  public struct Cost: Sendable {
    public let seconds: Double
    public let bytes: Int
  }

  private func cost(_ body: () throws -> Void) throws -> Cost {
    try ranks.barrier()
    let start = ProcessInfo.processInfo.systemUptime, sent = ranks.bytesSent
    try body()
    let microseconds = Int64((ProcessInfo.processInfo.systemUptime - start) * 1e6)
    let bytes = ranks.bytesSent - sent
    return Cost(seconds: Double(try ranks.maximum([microseconds])[0]) * 1e-6, bytes: bytes)
  }

  /// The ordered sum of a gradient, and MPI's own, by turns: A B A B …
  public func gradients(elements: Int, rounds: Int) throws -> [(ordered: Cost, mpi: Cost)] {
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: elements)
    defer { values.deallocate() }
    values.initialize(repeating: 0.5)
    // Both have met the memory and each other before anything is timed.
    try ranks.orderedAllReduce(values)
    try ranks.unorderedAllReduce(values)
    return try (0..<rounds).map { _ in
      // From the same numbers each time: sums of sums would overflow, and infinities add at another speed.
      values.update(repeating: 0.5)
      let ordered = try cost { try ranks.orderedAllReduce(values) }
      values.update(repeating: 0.5)
      return (ordered, try cost { try ranks.unorderedAllReduce(values) })
    }
  }

  /// γ_t over this many entropies a rank.
  public func percentile(pixels: Int, rounds: Int) throws -> [Cost] {
    let philox = Philox(seed: UInt64(ranks.rank))
    let entropies = (0..<pixels).map { i -> Float in
      let words = philox.words(counter: SIMD4(UInt32(truncatingIfNeeded: i), 0, 0, 0))
      return Float(words[0].unitInterval * words[1].unitInterval * 3)
    }
    return try (0..<rounds + 1).map { _ in
      try cost { try entropies.withUnsafeBufferPointer { _ = try ranks.percentile(80, of: $0) } }
    }.suffix(rounds)
  }

  /// One training step of a network on images of this size, one labeled and one unlabeled a rank.
  public func step(encoder: String, size: Int) throws -> Double {
    let configuration = try Configuration(
      yaml: """
        data: {kind: shapes, labeled: 64, unlabeled: 64, classes: 12, size: \(size)}
        batch: {labeled: \(ranks.size), unlabeled: \(ranks.size)}
        augment: {crop: off, scale: off}
        model: {encoder: \(encoder)}
        u2pl: {capacity: 1000}
        """, source: "bench", overrides: [])
    let times = try StepBenchmark(configuration, ranks: ranks).run(steps: 1, warmup: 1).times
    trimStorage()
    return Double(try ranks.maximum([Int64(times[0].seconds * 1e6)])[0]) * 1e-6
  }

  /// What a memory bank takes on this node when it is full.
  public struct BankMemory: Sendable {
    public let ranksOnNode: Int
    /// Set aside for vectors, norms and queues.
    public let bytesPerNode: Int
    /// By how much the memory of all ranks of the node together grew while it was filled; shared pages count once.
    public let growth: Int
  }

  /// Fills a bank of `classes` classes with `capacity` vectors each.
  public func bank(classes: Int, capacity: Int, features: Int) throws -> BankMemory {
    let bank = try MemoryBank(capacities: [Int](repeating: capacity, count: classes), features: features, nodes: nodes)
    let before = try memoryOfNode()
    let batch = min(capacity, 1000)
    for start in stride(from: 0, to: capacity, by: batch) {
      let count = min(batch, capacity - start)
      for c in 0..<classes {
        var counts = [Int](repeating: 0, count: classes)
        counts[c] = count
        var new: MemoryBank.NewKeys?
        if nodes.isLeader {
          var numbers = [[Int]](repeating: [], count: classes)
          numbers[c] = Array(0..<count)
          new = MemoryBank.NewKeys(vectors: [Float](repeating: 1, count: count * features), numbers: numbers)
        }
        try bank.enqueue(new, counts: counts)
      }
    }
    // Every rank reads all of it, as it would in a step.
    var sum: Float = 0
    for queue in bank.queues {
      for i in 0..<queue.count { sum += bank.vector(cell: queue[i])[0] }
    }
    precondition(sum == Float(classes * capacity))
    let growth = try memoryOfNode() - before
    try bank.close()
    return BankMemory(ranksOnNode: nodes.node.size, bytesPerNode: bank.bytesPerNode, growth: growth)
  }

  /// Proportional set size of all ranks of this node together, in bytes.
  private func memoryOfNode() throws -> Int { Int(try nodes.node.sum([Int64(ProcessMemory.proportional)])[0]) }
}
