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
  /// Share of the labeled pixels that are probably wrong; see ``LabelReview``.
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
}

/// Labeled images in the order in which their masks are probably wrong.
///
/// The score of an image is the sum of two parts:
/// - *class*: of all pairs of classes, the most pixels that have the one and are seen as the other with confidence, less twice as
///   many as the other images let expect, as a share of the labeled pixels. What the network confuses everywhere is no
///   sign of a wrong mask; neither is a boundary, from which pixels keep a margin.
/// - *shift*: twice the gain in the probability of the labels where the mask is moved back (``MaskShift``), less the median
///   gain over all images, which a network has that was trained on shifted masks throughout.
package struct LabelReview {
  /// Worst first.
  package let findings: [LabelFinding]

  /// Weight of the gain of a shift. A shift makes pixels wrong along boundaries alone, where half of a probability is much.
  private static let shiftWeight = 2.0
  /// Contradictions that are expected count so many times.
  private static let tolerance = 2.0
  /// Less is no finding, but what networks and masks differ in anyway.
  private static let leastScore = 0.005

  init(_ evidence: [LabelEvidence], classes: Int) {
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
      /// Pixels of a pair beyond what the other images let expect.
      func excess(_ pair: Contradictions.Pair) -> Double {
        let own = contradictions.inner[pair.label]
        let others = max(1, inner[pair.label] - own)
        let rate = Double(all[pair.label * classes + pair.seen]! - pair.count) / Double(others)
        return max(0, Double(pair.count) - Self.tolerance * min(1, rate) * Double(own))
      }
      let worst = contradictions.pairs.max { excess($0) < excess($1) }
      let ofClass = worst.map { excess($0) / Double(max(1, contradictions.labeled)) } ?? 0
      let ofShift = Self.shiftWeight * max(0, one.shift.gain - usual)
      let isShift = ofShift > ofClass
      let reverse = worst.flatMap { worst in
        contradictions.pairs.first { $0.label == worst.seen && $0.seen == worst.label }
      }
      let score = ofClass + ofShift
      let kind: LabelFinding.Kind =
        score < Self.leastScore
        ? .none
        : isShift
          ? .shifted
          : reverse.map { 4 * excess($0) > Double(contradictions.inner[$0.label]) } ?? false
            ? .swapped : .wrongClass
      let pair = kind == .swapped || kind == .wrongClass ? worst : nil
      return LabelFinding(
        image: one.image, score: score, kind: kind, label: pair?.label, seen: pair?.seen, box: pair?.box,
        share: pair.map { Double($0.count) / Double(max(1, contradictions.inner[$0.label])) } ?? 0,
        down: kind == .shifted ? one.shift.down : 0, right: kind == .shifted ? one.shift.right : 0)
    }.sorted { ($1.score, $0.image) < ($0.score, $1.image) }
  }
}

extension LabelFinding {
  /// In words, such as `tree is labeled where car is seen, and car where tree (82 % of its pixels), at x 12–80, y 30–61`.
  package func words(_ name: (Int) -> String) -> String {
    func place() -> String {
      box.map { ", at x \($0.left)–\($0.right), y \($0.top)–\($0.bottom)" } ?? ""
    }
    let percent = String(format: "%.0f %%", 100 * share)
    switch kind {
    case .swapped:
      return "\(name(label!)) and \(name(seen!)) are probably swapped: \(percent) of \(name(label!)) looks like "
        + "\(name(seen!)), and the reverse\(place())"
    case .wrongClass:
      return "\(name(label!)) is labeled where \(name(seen!)) is seen: \(percent) of its pixels\(place())"
    case .shifted:
      var parts: [String] = []
      if down != 0 { parts.append("\(abs(down)) pixels \(down > 0 ? "down" : "up")") }
      if right != 0 { parts.append("\(abs(right)) pixels to the \(right > 0 ? "right" : "left")") }
      return "the mask is probably shifted \(parts.joined(separator: " and "))"
    case .none: return "nothing suspicious"
    }
  }
}
