import Configuration
import Distributed

/// Line 6 of docs/method.md: the entropy at which a pseudo-label is unreliable, one for all pixels or one for each class of
/// pseudo-labels.
package struct ReliabilityThresholds {
  /// γ_t; nil where thresholds are by class, and where no rank has a pseudo-label.
  package let global: Double?
  /// γ_{t,c}; nil for a class that no pixel has, and the whole where one γ_t is for all.
  package let ofClass: [Double?]?
  /// Pixels here that have a label of either kind.
  package let pixels: Int

  /// Exact percentiles over the global batch of pseudo-labels that are no ignore and not known to be true. Collective.
  ///
  /// - Parameters:
  ///   - percentile: 100 (1 − α_t).
  ///   - entropy: of the teacher's probabilities, in nats, for each pixel of `view`.
  /// - Throws: ``NotOrderable`` on every rank where an entropy is not a number.
  package init(
    _ kind: Configuration.U2PL.Threshold, classes: Int, percentile: Double, of entropy: [Float],
    _ view: PseudoLabeled, ranks: Communicator
  ) throws {
    func gamma(_ values: [Float]) throws -> Double? {
      try values.withUnsafeBufferPointer { try ranks.percentile(percentile, of: $0) }
    }
    pixels = view.labels.count { $0 != ignoreLabel }
    switch kind {
    case .global:
      var considered: [Float] = []
      considered.reserveCapacity(entropy.count)
      for p in entropy.indices where view.labels[p] != ignoreLabel && !view.isKnown[p] {
        considered.append(entropy[p])
      }
      global = try gamma(considered)
      ofClass = nil
    case .perClass:
      var considered = [[Float]](repeating: [], count: classes)
      for p in entropy.indices where view.labels[p] != ignoreLabel && !view.isKnown[p] {
        considered[Int(view.labels[p])].append(entropy[p])
      }
      global = nil
      ofClass = try considered.map(gamma)
    }
  }

  /// Removes the pseudo-labels with H ≥ γ.
  ///
  /// - Returns: the labels that are left, where H > γ, and how many pixels here keep a label.
  package func apply(
    to view: PseudoLabeled, entropy: [Float]
  ) -> (labels: [UInt8], unreliable: [Bool], reliable: Int) {
    var labels = view.labels
    var unreliable = [Bool](repeating: false, count: entropy.count)
    var reliable = 0
    for p in entropy.indices where labels[p] != ignoreLabel {
      let gamma = ofClass.map { $0[Int(labels[p])] } ?? global
      guard !view.isKnown[p], let gamma else {
        reliable += 1
        continue
      }
      let h = Double(entropy[p])
      unreliable[p] = h > gamma
      if h >= gamma { labels[p] = ignoreLabel } else { reliable += 1 }
    }
    return (labels, unreliable, reliable)
  }
}
