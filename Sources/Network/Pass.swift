import Compute

/// Combines what each rank has reduced over its own slots. The network does not know how ranks communicate.
public protocol RankReducer {
  /// Combines equally long arrays of all ranks in the slot tree's order; every rank gets the result.
  ///
  /// - Parameter combine: replaces its first operand, the left one, by the combination with its second.
  func reduce(_ values: inout [Double], _ combine: (inout [Double], [Double]) -> Void) throws

  /// True on exactly one rank, which alone contributes a value that every rank has computed alike.
  var isFirst: Bool { get }

  /// Called in the backward pass when this rank's share of the gradient of these elements of `Parameters.values` is
  /// complete, in the same order on all ranks: its sum over ranks may begin.
  func gradientReady(_ elements: Range<Int>) throws
}

/// The reducer of a process that holds the whole batch.
public struct SingleRank: RankReducer {
  public init() {}
  public var isFirst: Bool { true }
  public func reduce(_ values: inout [Double], _ combine: (inout [Double], [Double]) -> Void) throws {}
  public func gradientReady(_ elements: Range<Int>) throws {}
}

/// One forward pass and its backward pass: what layers need to know of them.
public struct Pass {
  public enum Mode: Sendable {
    /// Batch norm by running statistics, no dropout.
    case evaluation
    /// Batch norm by statistics of the global batch, running statistics updated, dropout.
    case training
  }

  public let mode: Mode
  /// Whether layers keep what the backward pass needs: a recorded pass.
  public let recordsForBackward: Bool
  /// This rank's node of the slot tree, and which of its slots the tensors hold.
  public let tree: SlotTree
  public let kind: SlotKind
  public let ranks: any RankReducer
  /// Channel dropout of this pass; nil for none.
  public let dropout: ChannelDropout?
  /// Called after each convolution of the forward pass: one over a large image takes its time.
  public var layerDone: () -> Void = {}

  public init(
    mode: Mode, recordsForBackward: Bool, tree: SlotTree, kind: SlotKind = .all,
    ranks: any RankReducer = SingleRank(), dropout: ChannelDropout? = nil
  ) {
    self.mode = mode
    self.recordsForBackward = recordsForBackward
    self.tree = tree
    self.kind = kind
    self.ranks = ranks
    self.dropout = dropout
  }

  /// Evaluation of any number of samples, each by itself.
  public static func evaluation(samples: Int, layerDone: @escaping () -> Void = {}) -> Pass {
    var pass = Pass(
      mode: .evaluation, recordsForBackward: false, tree: SlotTree(labeled: samples, unlabeled: 0), kind: .labeled)
    pass.layerDone = layerDone
    return pass
  }
}

/// The draws of channel dropout: whole channels of a sample are set to zero with `rate`, the others scaled by
/// 1 / (1 − rate). A channel's fate depends on seed, step, global slot, layer and network only.
public struct ChannelDropout: Sendable {
  public let rate: Double
  let philox: Philox
  let step: Int
  /// Global number of each sample of the tensors: labeled slots first, then unlabeled ones.
  let slots: [Int]
  /// 0 for the student, 1 for the teacher: they drop different channels.
  let network: UInt32

  public init(rate: Double, philox: Philox, step: Int, slots: [Int], network: UInt32) {
    self.rate = rate
    self.philox = philox
    self.step = step
    self.slots = slots
    self.network = network
  }

  /// The factor of a channel: 0 or 1 / (1 − rate).
  func factor(sample: Int, channel: Int, layer: Int) -> Float {
    let index = network << 31 | UInt32(layer) << 20 | UInt32(channel)
    let word = philox.words(index: index, item: UInt32(slots[sample]), step: UInt32(step), stream: .dropout)[0]
    return word.unitInterval < rate ? 0 : Float(1 / (1 - rate))
  }
}
