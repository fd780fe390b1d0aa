import Configuration
import Distributed
import Foundation
import Method
import Network

/// What a semi-supervised step costs on many ranks: what they send each other, counted from the network and the
/// configuration as ``U2PLTrainer`` sends it, and the time that takes on links of a given latency and bandwidth.
///
/// Every rank has a link of its own that carries both directions at once, messages of different pairs do not hinder each
/// other, and all ranks compute equally long. The batch grows with the ranks (weak scaling).
public struct StepPlan: Sendable {
  /// A rank's connection to the others.
  public struct Link: Sendable {
    /// Seconds from a message's sending to its arrival, α.
    public let latency: Double
    /// Bytes a second in each direction.
    public let bandwidth: Double

    public init(latency: Double, bandwidth: Double) {
      self.latency = latency
      self.bandwidth = bandwidth
    }
  }

  /// Images of one rank, and what it takes to compute a step on them.
  public struct Work: Sendable {
    public let labeled: Int
    public let unlabeled: Int
    /// Of a step on a rank alone.
    public let seconds: Double
    /// The share of it in which gradients are exchanged meanwhile: the backward pass.
    public let backwardShare: Double

    /// - Parameter backwardShare: nil for what the passes over images give: forward passes of student and teacher, the weak
    ///   view of the unlabeled images, and a backward pass that takes twice as long as a forward one.
    public init(labeled: Int, unlabeled: Int, seconds: Double, backwardShare: Double? = nil) {
      self.labeled = labeled
      self.unlabeled = unlabeled
      self.seconds = seconds
      let images = Double(labeled + unlabeled)
      self.backwardShare = backwardShare ?? 2 * images / (4 * images + Double(unlabeled))
    }
  }

  public enum Part: String, CaseIterable, Sendable {
    case gradients = "gradients"
    case batchNorm = "batch norm"
    case percentile = "γ_t"
    case contrast = "contrastive loss"
    case bank = "memory bank"
    case losses = "losses"
    case mix = "mix"
  }

  /// What one rank sends, by what for.
  public struct PartTraffic: Sendable {
    public let part: Part
    public let traffic: Traffic
  }

  /// A step's time on a number of ranks, in seconds.
  public struct Cost: Sendable {
    public let ranks: Int
    public let compute: Double
    /// What each part adds to it; of the gradients, what the backward pass does not hide.
    public let exposed: [(part: Part, seconds: Double)]
    /// All of the gradients' exchange, hidden or not.
    public let gradients: Double
    public var seconds: Double { compute + exposed.reduce(0) { $0 + $1.seconds } }
    /// Images a second on all ranks, as a share of what they would reach without each other.
    public var efficiency: Double { compute / seconds }
    /// The part that adds most, nil on one rank.
    public var greatest: Part? { exposed.max { $0.seconds < $1.seconds }.flatMap { $0.seconds > 0 ? $0.part : nil } }
  }

  /// Floats of the gradient.
  public let parameters: Int
  private let configuration: Configuration
  private let height: Int
  private let width: Int
  /// Channels of each batch norm, and in how many forward passes in training mode it is.
  private let norms: [(channels: Int, forwardPasses: Int)]
  /// Layers that say that their gradient is ready, and so let messages move on.
  private let gradientEntries: Int

  /// - Parameters height, width: of the images.
  public init(_ configuration: Configuration, height: Int, width: Int) {
    self.configuration = configuration
    (self.height, self.width) = (height, width)
    let entries = SegmenterShape(configuration).entries
    let trained = entries.filter { $0.kind == .parameter }
    parameters = trained.reduce(0) { $0 + $1.count }
    gradientEntries = trained.count
    norms = entries.filter { $0.name.hasSuffix(".running_mean") }.map {
      // The teacher has no use for the auxiliary head.
      (channels: $0.count, forwardPasses: $0.name.hasPrefix("auxor.") ? 1 : 2)
    }
  }

  // MARK: What is sent

  /// What a rank sends in a step with mixing taken by its probability; empty on one rank.
  public func traffic(ranks: Int, labeled: Int, unlabeled: Int) -> [PartTraffic] {
    guard ranks > 1 else { return [] }
    let size = StepSize(
      configuration, ranks: ranks, labeled: labeled, unlabeled: unlabeled, height: height, width: width)
    return Part.allCases.map { part in
      var traffic = Traffic(ranks: ranks)
      switch part {
      case .gradients: traffic.bucketedAllReduce(elements: parameters)
      case .batchNorm:
        for norm in norms {
          let counts = BatchNorm.reducedCounts(channels: norm.channels)
          for _ in 0..<norm.forwardPasses { traffic.orderedReduce(count: counts.forward) }
          traffic.orderedReduce(count: counts.backward)
        }
      case .percentile: traffic.reliability(size)
      case .contrast: traffic.contrast(size)
      case .bank: traffic.enqueue(size)
      case .losses:
        traffic.meanConfidence()
        traffic.supervisedLoss(size)
        traffic.unsupervisedLoss()
      case .mix: traffic.strongView(size)
      }
      return PartTraffic(part: part, traffic: traffic)
    }
  }

  // MARK: What it takes

  /// The time of a step on `ranks` ranks with a rank's `work` each.
  public func cost(ranks: Int, work: Work, link: Link) -> Cost {
    let traffic = traffic(ranks: ranks, labeled: work.labeled, unlabeled: work.unlabeled)
    var gradients = 0.0
    let exposed = traffic.map { item -> (part: Part, seconds: Double) in
      let (part, traffic) = (item.part, item.traffic)
      let transfer = traffic.linkBytes / link.bandwidth
      guard part == .gradients else { return (part, traffic.rounds * link.latency + transfer) }
      // Buckets under way at the same time wait for their messages together.
      let buckets = (Double(parameters) / Double(BucketedAllReduce.defaultBucket)).rounded(.up)
      let together = min(buckets, Double(BucketedAllReduce.window))
      gradients = traffic.rounds / together * link.latency + transfer
      return (part, unhidden(gradients, rounds: traffic.rounds, buckets: buckets, work))
    }
    return Cost(ranks: ranks, compute: work.seconds, exposed: exposed, gradients: gradients)
  }

  /// What remains of the exchange when the backward pass has ended.
  ///
  /// A bucket moves on when a layer says that its gradient is ready: layers bound how many rounds can be hidden. (It also
  /// does while batch norm waits for its messages, which is not counted.) The last bucket is complete only at the end.
  /// That batch norm's messages queue behind gradients costs nothing of its own: the link carries what it has to anyway.
  private func unhidden(_ exchange: Double, rounds: Double, buckets: Double, _ work: Work) -> Double {
    guard configuration.reduction == .ordered else { return exchange }
    let last = exchange / buckets
    let movable = min(1, Double(gradientEntries * BucketedAllReduce.window) / max(rounds, 1))
    let hidden = min(work.backwardShare * work.seconds, (exchange - last) * movable)
    return exchange - hidden
  }
}
