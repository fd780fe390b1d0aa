/// L and its terms in one step, over the global batch.
public struct StepLosses: Sendable, Equatable {
  /// L_s.
  public let supervised: Double
  /// Pixels of labeled images that L_s counts, over the global batch: those of a class whose weight is above 0.
  public let supervisedPixels: Int
  /// λ_u L_u; 0 in a supervised step.
  public let unsupervised: Double
  /// L_c, before λ_c; 0 in a supervised step.
  public let contrastive: Double
  /// L = L_s + λ_u L_u + λ_c L_c, the last times the trust in pseudo-labels.
  public let total: Double

  /// Of a supervised step.
  package init(supervised: (loss: Double, pixels: Int)) {
    self.init(supervised: supervised, unsupervised: 0, contrastive: 0, lambdaC: 0)
  }

  package init(supervised: (loss: Double, pixels: Int), unsupervised: Double, contrastive: Double, lambdaC: Double) {
    (self.supervised, supervisedPixels) = supervised
    self.unsupervised = unsupervised
    self.contrastive = contrastive
    total = supervised.loss + unsupervised + lambdaC * contrastive
  }
}

/// What one training step computed; the same on every rank.
public struct StepReport: Sendable {
  /// What only a step with unlabeled images has.
  struct SemiSupervised {
    let reliability: Reliability
    let contrast: Contrast
    /// Mean probability of the pseudo-labels before mixing; nil where there is none.
    let confidence: Double?
  }

  /// Counted from 0.
  public let step: Int
  public let epoch: Int
  public let losses: StepLosses
  /// γ_t in nats; nil in a supervised step, and where every unlabeled pixel is ignored.
  public let gamma: Double?
  /// γ_{t,c}, nil for a class without pseudo-labels; empty where one γ_t is for all.
  public let gammaOfClass: [Double?]
  /// α_t; nil in a supervised step.
  public let alpha: Double?
  /// Pixels with a pseudo-label after filtering, over the global batch; 0 where there is no γ_t.
  public let reliable: Int
  /// All pixels of unlabeled images of the global batch; padding is none.
  public let unlabeledPixels: Int
  /// Mean probability of the pseudo-labels before mixing; nil in a supervised step, and where there is none.
  public let confidence: Double?
  /// What `unsupervised` holds as a factor, and λ_c L_c has in the loss; nil where pseudo-labels count in full.
  public let weight: Double?
  /// The encoder's learning rate.
  public let learningRate: Double
  /// The L2 norm of the global gradient before clipping; nil where `optimizer.clip_norm` is.
  public let gradientNorm: Double?
  /// |A_c|, labeled and unlabeled pixels of N_c, and the length of Q_c for each class; empty in a supervised step.
  public let anchors: [Int]
  public let labeledNegatives: [Int]
  public let unlabeledNegatives: [Int]
  public let bank: [Int]

  init(
    _ context: StepContext, _ losses: StepLosses, _ semiSupervised: SemiSupervised?, learningRate: Double,
    gradientNorm: Double, weight: Double? = nil
  ) {
    step = context.step
    epoch = context.epoch
    self.losses = losses
    self.learningRate = learningRate
    self.gradientNorm = context.configuration.optimizer.clipNorm == nil ? nil : gradientNorm
    self.weight = weight
    gamma = semiSupervised?.reliability.gamma
    gammaOfClass = semiSupervised?.reliability.gammaOfClass ?? []
    alpha = semiSupervised?.reliability.alpha
    reliable = semiSupervised?.reliability.reliableCount ?? 0
    unlabeledPixels = semiSupervised?.reliability.pixelCount ?? 0
    confidence = semiSupervised?.confidence
    anchors = semiSupervised?.contrast.anchors ?? []
    labeledNegatives = semiSupervised?.contrast.labeledNegatives ?? []
    unlabeledNegatives = semiSupervised?.contrast.unlabeledNegatives ?? []
    bank = semiSupervised?.contrast.bank ?? []
  }

  public var loss: Double { losses.total }
  public var supervised: Double { losses.supervised }
  public var supervisedPixels: Int { losses.supervisedPixels }
  public var unsupervised: Double { losses.unsupervised }
  public var contrastive: Double { losses.contrastive }

  /// |N_c|.
  public var negatives: [Int] { zip(labeledNegatives, unlabeledNegatives).map(+) }

  /// Share of unlabeled pixels that keep their pseudo-label.
  public var reliableShare: Double? {
    unlabeledPixels > 0 && alpha != nil ? Double(reliable) / Double(unlabeledPixels) : nil
  }
}
