import Foundation

/// Which images to label next. They are chosen one by one, each for what it adds to those labeled or chosen before.
///
/// The score of an image is a sum of three parts, each at most its weight:
/// - *classes*: Σ_c need_c (√(L_c + m_c) − √L_c), where m_c is what the image shows of class c and L_c what the labeled
///   and chosen images show of it, both in multiples of what an image shows on average;
/// - *coverage*: the distance of its representation to the nearest that is labeled or chosen (greedy k-centres);
/// - *doubt*: the share of its pixels that are unreliable.
package struct Selection {
  /// An image that is chosen, and why.
  package struct Choice: Sendable {
    /// Its place among the candidates.
    package let image: Int
    package let score: Double
    package let parts: Parts
    /// To the nearest labeled or chosen image; nil for the first where none is labeled.
    package let distance: Double?
    package let unreliable: Double
    /// Classes that the image was chosen for, the one that adds most first.
    package let classes: [Int]
  }

  package struct Parts: Sendable, Equatable {
    package var classes = 0.0
    package var coverage = 0.0
    package var doubt = 0.0
    var sum: Double { classes + coverage + doubt }
  }

  /// The greatest that each part can be.
  static let weights = Parts(classes: 1, coverage: 0.5, doubt: 0.25)
  /// The most that an image counts of a class, in multiples of what an image shows on average.
  private static let mostOfAClass = 5.0

  private let candidates: [ImageSummary]
  private let labeled: [ImageSummary]
  let need: ClassNeed
  private let gamma: Double
  /// The median distance of two images.
  package let typicalDistance: Double

  package init(_ candidates: [ImageSummary], labeled: [ImageSummary], need: ClassNeed, gamma: Double) {
    (self.candidates, self.labeled, self.need, self.gamma) = (candidates, labeled, need, gamma)
    typicalDistance = Likeness.typicalDistance(candidates + labeled)
  }

  /// What choosing has led to.
  package struct Outcome {
    package var choices: [Choice] = []
    /// Candidates that were left out as near-duplicates, each with the chosen candidate that it is like; nil for a
    /// labeled image.
    package var duplicates: [(image: Int, of: Int?)] = []
  }

  /// Chooses `count` images, or as many as there are.
  package func choose(_ count: Int) -> Outcome {
    var outcome = Outcome()
    let shown = classShares
    var present = [Double](repeating: 0, count: need.values.count)
    for shares in shown.labeled { for c in present.indices { present[c] += shares[c] } }
    var distances = candidates.map { candidate in
      labeled.map { Likeness.distance(candidate, $0) }.min() ?? .infinity
    }
    let unreliable = candidates.map { $0.share(above: gamma) }
    let doubt = normalized(unreliable)
    let scale = (
      classes: shown.candidates.map { gains($0, present).reduce(0, +) }.max() ?? 0,
      distance: distances.filter(\.isFinite).max() ?? 0
    )
    var open = Set(candidates.indices)
    drop(&open, likeAnyOf: labeled, &outcome)
    while outcome.choices.count < count, !open.isEmpty {
      var best: (image: Int, parts: Parts)?
      for image in open.sorted() {
        let gain = gains(shown.candidates[image], present).reduce(0, +)
        let distance = distances[image].isFinite ? distances[image] : 0
        let parts = Parts(
          classes: Self.weights.classes * (scale.classes > 0 ? gain / scale.classes : 0),
          coverage: Self.weights.coverage * min(1, scale.distance > 0 ? distance / scale.distance : 0),
          doubt: Self.weights.doubt * doubt[image])
        if best == nil || parts.sum > best!.parts.sum { best = (image, parts) }
      }
      guard let (image, parts) = best else { break }
      open.remove(image)
      let added = gains(shown.candidates[image], present)
      outcome.choices.append(
        Choice(
          image: image, score: parts.sum, parts: parts,
          distance: distances[image].isFinite ? distances[image] : nil, unreliable: unreliable[image],
          classes: added.indices.filter { added[$0] > 0 }.sorted { (added[$1], $0) < (added[$0], $1) }))
      for c in present.indices { present[c] += shown.candidates[image][c] }
      for other in open {
        distances[other] = min(distances[other], Likeness.distance(candidates[other], candidates[image]))
      }
      for other in open.sorted()
      where Likeness.areNearDuplicates(candidates[other], candidates[image], typical: typicalDistance) {
        open.remove(other)
        outcome.duplicates.append((other, image))
      }
    }
    return outcome
  }

  private func drop(_ open: inout Set<Int>, likeAnyOf images: [ImageSummary], _ outcome: inout Outcome) {
    for candidate in candidates.indices
    where images.contains(where: { Likeness.areNearDuplicates(candidates[candidate], $0, typical: typicalDistance) }) {
      open.remove(candidate)
      outcome.duplicates.append((candidate, nil))
    }
  }

  /// What every image shows of each class, in multiples of what an image shows on average.
  private var classShares: (candidates: [[Double]], labeled: [[Double]]) {
    let all = candidates + labeled
    let means = need.values.indices.map { c in all.reduce(0) { $0 + Double($1.shares[c]) } / Double(max(1, all.count)) }
    func relative(_ image: ImageSummary) -> [Double] {
      means.indices.map { means[$0] > 0 ? min(Self.mostOfAClass, Double(image.shares[$0]) / means[$0]) : 0 }
    }
    return (candidates.map(relative), labeled.map(relative))
  }

  private func gains(_ shares: [Double], _ present: [Double]) -> [Double] {
    present.indices.map { need.values[$0] * ((present[$0] + shares[$0]).squareRoot() - present[$0].squareRoot()) }
  }

  private func normalized(_ values: [Double]) -> [Double] {
    let greatest = values.max() ?? 0
    return values.map { greatest > 0 ? $0 / greatest : 0 }
  }
}
