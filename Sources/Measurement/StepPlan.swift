import Configuration
import Foundation
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
  public struct Traffic: Sendable {
    public let part: Part
    /// Messages that follow on each other: each waits for the one before.
    public var rounds = 0.0
    /// Bytes through the rank's link, in the direction that carries more.
    public var linkBytes = 0.0
    /// Bytes handed to MPI through the communicator of all ranks, as `Communicator.bytesSent` counts them: what an
    /// MPI collective sends is counted once, however often it is passed on.
    public var handedBytes = 0.0
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
  /// Channels of each batch norm, and how often a step reduces its moments (2C + 1 numbers) and its gradients (2C).
  private let norms: [(channels: Int, forward: Int, backward: Int)]
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
      (channels: $0.count, forward: $0.name.hasPrefix("auxor.") ? 1 : 2, backward: 1)
    }
  }

  /// Floats of a bucket of the exchange, and buckets under way at a time; see `BucketedAllReduce`.
  private static let bucket = 1 << 20
  private static let window = 4
  /// Histograms of 11, 11 and 10 bits.
  private static let histogramBytes = [8 << 11, 8 << 11, 8 << 10].map(Double.init)

  /// Pixels of layer1's map, at which the contrastive loss works: a stride of 2, then a pool with ceil-mode.
  private var mapPixels: Int {
    func size(_ length: Int) -> Int { (length - 1) / 2 + 1 }
    func pooled(_ length: Int) -> Int { length / 2 + 1 }
    return pooled(size(height)) * pooled(size(width))
  }

  // MARK: What is sent

  /// What a rank sends in a step with mixing taken by its probability; empty on one rank.
  public func traffic(ranks: Int, labeled: Int, unlabeled: Int) -> [Traffic] {
    guard ranks > 1 else { return [] }
    let c = configuration.data.classes
    let settings = configuration.u2pl
    var parts: [Traffic] = []
    func part(_ part: Part, _ body: (inout Collectives) -> Void) {
      var collectives = Collectives(ranks: ranks)
      body(&collectives)
      parts.append(
        Traffic(
          part: part, rounds: collectives.rounds, linkBytes: collectives.linkBytes,
          handedBytes: collectives.handedBytes))
    }

    part(.gradients) { $0.vector(elements: parameters, bucket: Self.bucket) }
    part(.batchNorm) {
      for norm in norms {
        for _ in 0..<norm.forward { $0.orderedReduce(bytes: Double(8 * (2 * norm.channels + 1))) }
        for _ in 0..<norm.backward { $0.orderedReduce(bytes: Double(8 * 2 * norm.channels)) }
      }
    }
    part(.percentile) {
      for _ in 0..<(settings.threshold == .perClass ? c : 1) {
        $0.allReduce(bytes: 16)  // how many numbers, and whether all are some
        for bytes in Self.histogramBytes { $0.allReduce(bytes: bytes) }
        $0.allReduce(bytes: 8)  // the next greater one
      }
      $0.allReduce(bytes: 16)  // reliable and all pixels
    }
    let slots = ranks * (labeled + unlabeled)
    part(.contrast) {
      $0.allReduce(bytes: Double(2 * slots * c * 8))
      $0.orderedReduce(bytes: Double(8 * c * configuration.model.features))
      $0.orderedReduce(bytes: Double(8 * c * settings.anchors))
    }
    part(.bank) { collectives in
      let new = newKeys(ranks: ranks, labeled: labeled, unlabeled: unlabeled)
      // The leaders' communicator carries it, not that of all ranks.
      collectives.countsAsHanded = false
      for bytes in [16 * new.keys, 8 * new.vectors, 4 * Double(configuration.model.features) * new.vectors] {
        collectives.allReduce(bytes: Double(8 * ranks))
        collectives.allGather(totalBytes: bytes)
      }
    }
    part(.losses) {
      let heads = configuration.model.auxiliary ? 2 : 1
      $0.orderedReduce(bytes: 8)  // confidence
      $0.allReduce(bytes: 8)
      for _ in 0..<heads {
        if configuration.loss.ohem != nil {
          $0.allReduce(bytes: 8)
          for bytes in Self.histogramBytes { $0.allReduce(bytes: bytes) }
        }
        $0.allReduce(bytes: Double(8 * c))
        $0.orderedReduce(bytes: 8)
      }
      if configuration.loss.dice > 0 {
        $0.orderedReduce(bytes: Double(16 * c))
        $0.allReduce(bytes: Double(8 * c))
      }
      $0.orderedReduce(bytes: 8)  // L_u
    }
    part(.mix) {
      let augment = configuration.augment
      guard augment.mix == .cutmix || augment.mix == .classmix else { return }
      // Image, pseudo-labels and confidence of one sample.
      for bytes in [12, 1, 4] {
        $0.exchange(bytes: Double(bytes * height * width), times: augment.mixProbability)
      }
    }
    return parts
  }

  /// Entries of the queues and distinct vectors that a step adds on all ranks, with classes in all orders equally often.
  private func newKeys(ranks: Int, labeled: Int, unlabeled: Int) -> (keys: Double, vectors: Double) {
    let settings = configuration.u2pl
    let classes = Double(configuration.data.classes), pixels = Double(ranks * mapPixels)
    let low = min(Double(settings.lowRank), classes), high = min(Double(settings.highRank), classes)
    let unreliable = Double(unlabeled) * pixels * settings.alpha0
    let ofClass = (Double(labeled) * pixels * low + unreliable * max(0, high - low)) / classes
    let limit = settings.enqueuePerStep.map(Double.init) ?? .infinity
    let keys = settings.capacity.reduce(0.0) { $0 + min(ofClass, limit, Double($1)) }
    return (keys, min(keys, Double(labeled) * pixels + unreliable))
  }

  // MARK: What it takes

  /// The time of a step on `ranks` ranks with a rank's `work` each.
  public func cost(ranks: Int, work: Work, link: Link) -> Cost {
    let traffic = traffic(ranks: ranks, labeled: work.labeled, unlabeled: work.unlabeled)
    var gradients = 0.0
    let exposed = traffic.map { part -> (part: Part, seconds: Double) in
      let transfer = part.linkBytes / link.bandwidth
      guard part.part == .gradients else { return (part.part, part.rounds * link.latency + transfer) }
      // Buckets under way at the same time wait for their messages together.
      let buckets = (Double(parameters) / Double(Self.bucket)).rounded(.up)
      let together = min(buckets, Double(Self.window))
      gradients = part.rounds / together * link.latency + transfer
      return (part.part, unhidden(gradients, rounds: part.rounds, buckets: buckets, work))
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
    let movable = min(1, Double(gradientEntries * Self.window) / max(rounds, 1))
    let hidden = min(work.backwardShare * work.seconds, (exchange - last) * movable)
    return exchange - hidden
  }
}

/// Adds up what calls of ``Communicator`` send.
private struct Collectives {
  let ranks: Int
  var countsAsHanded = true
  private(set) var rounds = 0.0
  private(set) var linkBytes = 0.0
  private(set) var handedBytes = 0.0

  init(ranks: Int) { self.ranks = ranks }

  private var isPowerOfTwo: Bool { ranks & (ranks - 1) == 0 }
  /// Rounds in which something from one rank reaches all.
  private var doublings: Double { log2(Double(ranks)).rounded(.up) }
  private var others: Double { Double(ranks - 1) / Double(ranks) }

  private mutating func add(rounds: Double, linkBytes: Double, handed: Double) {
    self.rounds += rounds
    self.linkBytes += linkBytes
    if countsAsHanded { handedBytes += handed }
  }

  mutating func exchange(bytes: Double, times: Double) {
    add(rounds: times, linkBytes: times * bytes, handed: times * bytes)
  }

  /// MPI_Allreduce: recursive doubling while messages are small, else halving and doubling (Thakur et al. 2005).
  mutating func allReduce(bytes: Double) {
    let isSmall = bytes < 10_000
    add(
      rounds: isSmall ? doublings : 2 * doublings, linkBytes: isSmall ? doublings * bytes : 2 * others * bytes,
      handed: bytes)
  }

  /// MPI_Allgatherv of shares that are `totalBytes` together.
  mutating func allGather(totalBytes: Double) {
    add(rounds: doublings, linkBytes: others * totalBytes, handed: totalBytes / Double(ranks))
  }

  /// `orderedReduce`: whole arrays by distance doubling, or gathered.
  mutating func orderedReduce(bytes: Double) {
    guard isPowerOfTwo else {
      allReduce(bytes: Double(8 * ranks))
      return allGather(totalBytes: bytes * Double(ranks))
    }
    add(rounds: doublings, linkBytes: doublings * bytes, handed: doublings * bytes)
  }

  /// `BucketedAllReduce` of floats: halving, then gathering, in each bucket.
  mutating func vector(elements: Int, bucket: Int) {
    let bytes = Double(4 * elements), buckets = (Double(elements) / Double(bucket)).rounded(.up)
    guard isPowerOfTwo else {
      for _ in 0..<Int(buckets) { allReduce(bytes: Double(8 * ranks)) }
      add(rounds: buckets * doublings, linkBytes: Double(ranks - 1) * bytes, handed: bytes)
      return
    }
    add(rounds: buckets * 2 * doublings, linkBytes: 2 * others * bytes, handed: 2 * others * bytes)
  }
}
