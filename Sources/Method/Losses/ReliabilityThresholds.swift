import Configuration
import Distributed

/// Line 6 of docs/method.md: the entropy at which a pseudo-label is unreliable, one for all pixels or one for each class of
/// pseudo-labels.
package struct ReliabilityThresholds {
  /// γ_t; nil where thresholds are by class, and where no rank has a pseudo-label.
  package let global: Double?
  /// γ_{t,c}; nil for a class that no pixel has, and the whole where one γ_t is for all.
  package let ofClass: [Double?]?
  /// The entropy up to which an unlabeled pixel may be an anchor; nil where that follows from γ.
  package let certain: Double?
  /// Pixels here that have a label of either kind.
  package let pixels: Int
  private let semantics: Configuration.Semantics

  /// Exact percentiles over the global batch of pseudo-labels that are no ignore and not known to be true. Collective.
  ///
  /// - Parameters:
  ///   - alpha: α_t; the percentile is 100 (1 − α_t).
  ///   - entropy: of the teacher's probabilities, in nats, for each pixel of `view`.
  /// - Throws: ``NotOrderable`` on every rank where an entropy is not a number.
  package init(
    _ configuration: Configuration, alpha: Double, of entropy: [Float], _ view: PseudoLabeled, ranks: Communicator
  ) throws {
    let semantics = configuration.semantics
    self.semantics = semantics
    func percentile(_ q: Double, _ values: [Float]) throws -> Double? {
      try values.withUnsafeBufferPointer {
        semantics.percentiles == .published
          ? try ranks.percentile(q, of: $0, interpolate: Self.published) : try ranks.percentile(q, of: $0)
      }
    }
    func gamma(_ values: [Float]) throws -> Double? { try percentile(100 * (1 - alpha), values) }
    pixels = view.labels.count { $0 != ignoreLabel }
    var considered: [Float] = []
    if configuration.u2pl.threshold == .global || semantics.anchors == .published {
      considered.reserveCapacity(entropy.count)
      for p in entropy.indices where view.labels[p] != ignoreLabel && !view.isKnown[p] {
        considered.append(entropy[p])
      }
    }
    switch configuration.u2pl.threshold {
    case .global:
      global = try gamma(considered)
      ofClass = nil
    case .perClass:
      var byClass = [[Float]](repeating: [], count: configuration.data.classes)
      for p in entropy.indices where view.labels[p] != ignoreLabel && !view.isKnown[p] {
        byClass[Int(view.labels[p])].append(entropy[p])
      }
      global = nil
      ofClass = try byClass.map(gamma)
    }
    certain = semantics.anchors == .published ? try percentile(100 * alpha, considered) : nil
  }

  /// NumPy's interpolation between single-precision numbers, as precise as what it is compared with.
  private static func published(_ low: Float, _ high: Float, _ fraction: Double) -> Double {
    let difference = Double(high - low)
    let value =
      fraction < 0.5 ? Double(low) + difference * fraction : Double(high) - difference * (1 - fraction)
    return Double(Float(value))
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
      unreliable[p] = semantics.unreliable == .published ? h >= gamma : h > gamma
      if h >= gamma { labels[p] = ignoreLabel } else { reliable += 1 }
    }
    return (labels, unreliable, reliable)
  }

  /// The labels that unlabeled pixels may be anchors of.
  ///
  /// - Parameter reliable: those that ``apply(to:entropy:)`` has left.
  package func anchorLabels(of view: PseudoLabeled, entropy: [Float], reliable: [UInt8]) -> [UInt8] {
    guard semantics.anchors == .published else { return reliable }
    return entropy.indices.map { p in
      view.isKnown[p] || certain.map { Double(entropy[p]) <= $0 } == true ? view.labels[p] : ignoreLabel
    }
  }
}
