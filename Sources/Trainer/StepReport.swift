/// What one training step computed; the same on every rank but for the times.
public struct StepReport: Sendable {
  /// Counted from 0.
  public var step: Int
  public var epoch: Int
  /// L = L_s + λ_u L_u + λ_c L_c.
  public var loss = 0.0
  public var supervised = 0.0
  /// λ_u L_u; 0 in a supervised step.
  public var unsupervised = 0.0
  /// L_c, before λ_c; 0 in a supervised step.
  public var contrastive = 0.0
  /// γ_t in nats, nil in a supervised step, and where every unlabeled pixel is ignored.
  public var gamma: Double?
  /// γ_{t,c}, nil for a class without pseudo-labels; empty where one γ_t is for all.
  public var gammaOfClass: [Double?] = []
  /// α_t, nil in a supervised step.
  public var alpha: Double?
  /// Pixels with a pseudo-label after filtering, over the global batch.
  public var reliable = 0
  /// All pixels of unlabeled images of the global batch; padding is none.
  public var unlabeledPixels = 0
  /// Mean probability of the pseudo-labels before filtering; nil in a supervised step.
  public var confidence: Double?
  /// What `unsupervised` holds as a factor, and λ_c L_c has in the loss; nil where pseudo-labels count in full.
  public var weight: Double?
  /// The encoder's learning rate.
  public var learningRate = 0.0
  /// The L2 norm of the global gradient before clipping; nil where `optimizer.clip_norm` is.
  public var gradientNorm: Double?
  /// |A_c|, |N_c| of labeled and of unlabeled pixels, and the length of Q_c for each class; empty in a supervised step.
  public var anchors: [Int] = []
  public var labeledNegatives: [Int] = []
  public var unlabeledNegatives: [Int] = []
  public var bank: [Int] = []
  /// Seconds by phase on this rank.
  public var phases: [(phase: String, seconds: Double)] = []
  /// The part of each phase that this rank was in calls of MPI, which wait for other ranks, in seconds.
  public var waits: [(phase: String, seconds: Double)] = []
  /// The same by call of MPI.
  public var calls: [String: Double] = [:]

  /// |N_c|.
  public var negatives: [Int] { zip(labeledNegatives, unlabeledNegatives).map(+) }
  public var seconds: Double { phases.reduce(0) { $0 + $1.seconds } }
  /// Share of unlabeled pixels that keep their pseudo-label.
  public var reliableShare: Double? {
    unlabeledPixels > 0 && alpha != nil ? Double(reliable) / Double(unlabeledPixels) : nil
  }
}

/// A run that cannot go on.
public struct TrainingError: Error, CustomStringConvertible, Sendable {
  public let description: String
  public init(description: String) { self.description = description }
}
