import Foundation

/// A labeled image, and what is probably wrong with its mask.
package struct LabelFinding: Sendable, Equatable {
  /// What is suspected.
  package enum Kind: String, Sendable {
    /// Two classes stand for each other.
    case swapped
    /// The mask lies beside the image.
    case shifted
    /// An area has another class.
    case wrongClass = "class"
    /// Nothing.
    case none
  }

  /// The image's place in the list.
  package let image: Int
  /// How much of the mask is probably wrong; see ``LabelReview``.
  package let score: Double
  package let kind: Kind
  /// The class of the mask and the class that is seen instead, where ``kind`` is about classes.
  package let label: Int?
  package let seen: Int?
  /// Where: the largest connected area.
  package let box: PixelBox?
  /// Share of the inner pixels of `label` that are seen as `seen`.
  package let share: Double
  /// Pixels that the mask lies too far down, and too far right.
  package let down: Int
  package let right: Int

  package init(
    image: Int, score: Double, kind: Kind, label: Int?, seen: Int?, box: PixelBox?, share: Double, down: Int, right: Int
  ) {
    (self.image, self.score, self.kind, self.label, self.seen) = (image, score, kind, label, seen)
    (self.box, self.share, self.down, self.right) = (box, share, down, right)
  }
}

/// Labeled images in the order in which their masks are probably wrong.
///
/// The score of an image is the sum of three parts, each a share of its labeled pixels:
/// - *shift*: the gain in the mean probability of the labels if the mask is moved back (``MaskShift``), less the median
///   gain over all images, which is large if the network was trained on masks that are all shifted;
/// - *exchange*: the gain if two classes are exchanged (``MaskExchange``), which is 0 for undamaged masks;
/// - *class*: for the worst pair of classes, the pixels that are labeled as one and seen with confidence as the other,
///   less twice the number that the rate in the other images predicts: a network that confuses two classes everywhere
///   is no sign of a wrong mask. Pixels near boundaries are left out. This part counts a quarter, because hard images
///   have such pixels too.
package struct LabelReview {
  /// Worst first.
  package let findings: [LabelFinding]

  private static let classWeight = 0.25
  /// Factor of the contradictions that the other images predict.
  private static let tolerance = 2.0
  /// A lower score is no finding: networks and good masks differ as much.
  private static let leastScore = 0.003

  package init(_ evidence: [LabelEvidence], classes: Int) {
    // Counts over all images, by pair.
    var all: [Int: Int] = [:]
    var inner = [Int](repeating: 0, count: classes)
    for one in evidence {
      for pair in one.contradictions.pairs { all[pair.label * classes + pair.seen, default: 0] += pair.count }
      for c in 0..<classes { inner[c] += one.contradictions.inner[c] }
    }
    let gains = evidence.map(\.shift.gain).sorted()
    let usual = gains.isEmpty ? 0 : gains[gains.count / 2]
    findings = evidence.map { one in
      let contradictions = one.contradictions
      /// Pixels of a pair beyond what the other images predict.
      func excess(_ pair: Contradictions.Pair) -> Double {
        let own = contradictions.inner[pair.label]
        let others = max(1, inner[pair.label] - own)
        let rate = Double(all[pair.label * classes + pair.seen]! - pair.count) / Double(others)
        return max(0, Double(pair.count) - Self.tolerance * min(1, rate) * Double(own))
      }
      let worst = contradictions.pairs.max { excess($0) < excess($1) }
      let parts: [(kind: LabelFinding.Kind, score: Double)] = [
        (.shifted, max(0, one.shift.gain - usual)),
        (.swapped, one.exchange.gain),
        (
          .wrongClass,
          Self.classWeight * (worst.map { excess($0) / Double(max(1, contradictions.labeled)) } ?? 0)
        ),
      ]
      let score = parts.reduce(0) { $0 + $1.score }
      let kind = score < Self.leastScore ? .none : parts.max { $0.score < $1.score }!.kind
      return LabelFinding(one, kind: kind, score: score, worst: worst)
    }.sorted { ($1.score, $0.image) < ($0.score, $1.image) }
  }
}

extension LabelFinding {
  /// - Parameter worst: the pair of classes that are contradicted most.
  fileprivate init(_ evidence: LabelEvidence, kind: Kind, score: Double, worst: Contradictions.Pair?) {
    (image, self.kind, self.score) = (evidence.image, kind, score)
    let exchange = evidence.exchange, pairs = evidence.contradictions.pairs
    let pair: Contradictions.Pair? =
      switch kind {
      case .wrongClass: worst
      // The greater of the two areas, as far as they are seen with confidence.
      case .swapped:
        pairs.filter { [$0.label, $0.seen].sorted() == [exchange.first, exchange.second] }.max { $0.count < $1.count }
      case .shifted, .none: nil
      }
    label = pair?.label ?? (kind == .swapped ? exchange.first : nil)
    seen = pair?.seen ?? (kind == .swapped ? exchange.second : nil)
    box = pair?.box
    share = pair.map { Double($0.count) / Double(max(1, evidence.contradictions.inner[$0.label])) } ?? 0
    (down, right) = kind == .shifted ? (evidence.shift.down, evidence.shift.right) : (0, 0)
  }

  /// In words, such as `tree is labeled where car is seen: 82 % of its pixels, at x 12–80, y 30–61`.
  package func words(_ name: (Int) -> String) -> String {
    func place() -> String {
      box.map { ", at x \($0.left)–\($0.right), y \($0.top)–\($0.bottom)" } ?? ""
    }
    let percent = String(format: "%.0f %%", 100 * share)
    switch kind {
    case .swapped:
      return "\(name(label!)) and \(name(seen!)) are probably swapped"
        + (share > 0 ? ": \(percent) of \(name(label!)) looks like \(name(seen!))" : "") + place()
    case .wrongClass:
      return "\(name(label!)) is labeled where \(name(seen!)) is seen: \(percent) of its pixels\(place())"
    case .shifted:
      var parts: [String] = []
      func pixels(_ count: Int) -> String { "\(abs(count)) \(abs(count) == 1 ? "pixel" : "pixels")" }
      if down != 0 { parts.append("\(pixels(down)) \(down > 0 ? "down" : "up")") }
      if right != 0 { parts.append("\(pixels(right)) to the \(right > 0 ? "right" : "left")") }
      return "the mask is probably shifted \(parts.joined(separator: " and "))"
    case .none: return "nothing suspicious"
    }
  }
}
