import Distributed
import Network

/// Line 6 of docs/method.md: which pseudo-labels the teacher is sure of.
package struct Reliability {
  /// γ_t in nats, nil where every unlabeled pixel is ignored.
  package let gamma: Double?
  /// α_t.
  package let alpha: Double
  /// ŷ where H < γ_t, 255 elsewhere: N × H × W of this rank's unlabeled samples.
  package let labels: [UInt8]
  /// Where H > γ_t, N × H × W; false where there was no pseudo-label.
  package let unreliable: [Bool]
  /// Pixels that keep their pseudo-label, and all unlabeled pixels, over the global batch; both 0 where there is no γ_t.
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
  /// it over the unlabeled pixels of the global batch. Collective.
  ///
  /// - Parameters:
  ///   - teacherLogits: N × h × w × C, labeled samples first.
  ///   - pixels: brings them to the size of the pseudo-labels.
  ///   - pseudoLabels: ŷ of the strong view, N × H × W of the unlabeled samples.
  /// - Throws: ``NotOrderable`` on every rank when an entropy is not finite on any.
  func reliability(
    of pseudoLabels: [UInt8], _ teacherLogits: Tensor, _ pixels: UpsampledPixels
  ) throws -> Reliability {
    let entropy = pixels.entropy(teacherLogits, samples: unlabeledSamples)
    let alpha = configuration.u2pl.alpha0 * (1 - Double(epoch) / Double(schedule.epochs))
    let considered = zip(entropy, pseudoLabels).filter { $1 != ignoreLabel }.map(\.0)
    let gamma = try considered.withUnsafeBufferPointer { try ranks.percentile(100 * (1 - alpha), of: $0) }
    var labels = pseudoLabels
    var unreliable = [Bool](repeating: false, count: entropy.count)
    guard let gamma else {
      return Reliability(
        gamma: nil, alpha: alpha, labels: labels, unreliable: unreliable, reliableCount: 0, pixelCount: 0)
    }
    var reliable = 0
    for p in entropy.indices where labels[p] != ignoreLabel {
      let h = Double(entropy[p])
      unreliable[p] = h > gamma
      if h >= gamma { labels[p] = ignoreLabel } else { reliable += 1 }
    }
    let totals = try ranks.sum([Int64(reliable), Int64(entropy.count)])
    return Reliability(
      gamma: gamma, alpha: alpha, labels: labels, unreliable: unreliable, reliableCount: Int(totals[0]),
      pixelCount: Int(totals[1]))
  }

  /// Line 7 of docs/method.md: λ_u L_u, the mean cross-entropy over reliable pixels times all unlabeled pixels per reliable
  /// one; 0 where none is reliable. Writes the gradient of the unlabeled samples. Collective.
  func unsupervisedLoss(_ head: Head, _ reliability: Reliability) throws -> Double {
    let reliable = Double(reliability.reliableCount)
    let scale = reliability.reliableCount > 0 ? Double(reliability.pixelCount) / (reliable * reliable) : 0
    let sums = head.pixels.crossEntropy(
      head.logits, samples: unlabeledSamples, labels: reliability.labels, scale: Float(scale), gradient: head.gradient)
    return try globalSum(sums, .unlabeled) * scale
  }
}

extension Traffic {
  /// `reliability`.
  package mutating func reliability() {
    percentile()
    allReduce(count: 2)
  }

  /// `unsupervisedLoss`.
  package mutating func unsupervisedLoss() { orderedReduce(count: 1) }
}
