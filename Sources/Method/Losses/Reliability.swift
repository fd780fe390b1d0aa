import Distributed
import Network

/// Line 6 of docs/method.md: which pseudo-labels the teacher is sure of.
package struct Reliability {
  /// γ_t in nats, nil where every unlabeled pixel is ignored, and where thresholds are by class.
  package let gamma: Double?
  /// γ_{t,c} in nats, nil for a class without pseudo-labels; empty where one γ_t is for all.
  package let gammaOfClass: [Double?]
  /// α_t.
  package let alpha: Double
  /// ŷ where H < γ_t, and labels that are known; 255 elsewhere: N × H × W of this rank's unlabeled samples.
  package let labels: [UInt8]
  /// ŷ of the strong view, before any was taken away.
  package let pseudoLabels: [UInt8]
  /// The labels that pixels may be anchors of; `labels`, unless `semantics.anchors` is published.
  package let anchorLabels: [UInt8]
  /// Where H > γ_t, N × H × W; false where there was no pseudo-label.
  package let unreliable: [Bool]
  /// Pixels that keep their label, and all pixels of unlabeled images, over the global batch. Padding is none.
  package let reliableCount: Int
  package let pixelCount: Int
}

/// The teacher's entropies are not finite: γ_t has no value. The same on every rank.
package struct EntropyNotFinite: Error {
  /// L_s, which is known by then.
  package let supervised: Double
  package let cause: NotOrderable
}

extension StepContext {
  /// Line 6 of docs/method.md: H of the teacher's strong-view probabilities, and γ_t, the exact percentile 100 (1 − α_t) of
  /// it over the pseudo-labels of the global batch, or of each class of them. Collective.
  ///
  /// - Parameters:
  ///   - mixed: ŷ of the strong view.
  ///   - teacherLogits: N × h × w × C, labeled samples first.
  ///   - pixels: brings them to the size of the pseudo-labels.
  /// - Throws: ``NotOrderable`` on every rank when an entropy is not finite on any.
  func reliability(
    of mixed: PseudoLabeled, _ teacherLogits: Tensor, _ pixels: UpsampledPixels
  ) throws -> Reliability {
    let entropy = pixels.entropy(teacherLogits, samples: unlabeledSamples)
    let alpha = configuration.u2pl.alpha(epoch: epoch, of: schedule.epochs)
    let thresholds = try ReliabilityThresholds(configuration, alpha: alpha, of: entropy, mixed, ranks: ranks)
    let found = thresholds.apply(to: mixed, entropy: entropy)
    // Padding is no pixel of an image; what CutOut has removed is.
    let totals = try ranks.sum([Int64(found.reliable), Int64(thresholds.pixels + mixed.removed)])
    return Reliability(
      gamma: thresholds.global, gammaOfClass: thresholds.ofClass ?? [], alpha: alpha, labels: found.labels,
      pseudoLabels: mixed.labels,
      anchorLabels: thresholds.anchorLabels(of: mixed, entropy: entropy, reliable: found.labels),
      unreliable: found.unreliable, reliableCount: Int(totals[0]), pixelCount: Int(totals[1]))
  }

  /// Line 7 of docs/method.md: λ_u L_u, the mean cross-entropy over reliable pixels times all pixels of unlabeled images per
  /// reliable one, times the trust in pseudo-labels; 0 where none is reliable. Writes the gradient of the unlabeled samples.
  /// Collective.
  func unsupervisedLoss(_ head: Head, _ reliability: Reliability) throws -> Double {
    let reliable = Double(reliability.reliableCount)
    let scale =
      reliability.reliableCount > 0 ? trust * Double(reliability.pixelCount) / (reliable * reliable) : 0
    let sums = head.pixels.crossEntropy(
      head.logits, samples: unlabeledSamples, labels: reliability.labels, scale: Float(scale), gradient: head.gradient)
    return try globalSum(sums, .unlabeled) * scale
  }
}

extension Traffic {
  /// `reliability`.
  package mutating func reliability(_ size: StepSize) {
    for _ in 0..<(size.configuration.u2pl.threshold == .perClass ? size.classes : 1) { percentile() }
    if size.configuration.semantics.anchors == .published { percentile() }
    allReduce(count: 2)
  }

  /// `unsupervisedLoss`.
  package mutating func unsupervisedLoss() { orderedReduce(count: 1) }
}
