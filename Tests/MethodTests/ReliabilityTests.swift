// Ranks: 1 2 4
import Compute
import Configuration
import Distributed
import Foundation
import Method
import TestSupport
import Transforms
import XCTest

/// Thresholds by class, what padding and removed pixels count, and copy-paste.
final class ReliabilityTests: XCTestCase {
  private let ranks = TestRanks.world
  private let (count, size, classes) = (4, 17, 5)
  private var plane: Int { size * size }

  /// Class 4 has no pixel.
  private func view(_ slots: Range<Int>) -> PseudoLabeled {
    let all = blockLabels("reliability", count: count, size: size, classes: 4, block: 3)
    let labels = Array(all[slots.lowerBound * plane..<slots.upperBound * plane])
    return PseudoLabeled(
      height: size, width: size, pixels: [Float](repeating: 1, count: 3 * labels.count),
      labels: labels,
      confidence: [Float](repeating: 0.5, count: labels.count))
  }

  private func entropy(_ slots: Range<Int>) -> [Float] {
    Array(uniform("entropy", count * plane)[slots.lowerBound * plane..<slots.upperBound * plane])
      .map { 1 + $0 }
  }

  /// The percentile by definition, with linear interpolation.
  private func percentile(_ values: [Float], _ q: Double) -> Double {
    let sorted = values.sorted().map(Double.init)
    let rank = Double(sorted.count - 1) * q / 100
    let low = Int(rank)
    return sorted[low] + (sorted[min(low + 1, sorted.count - 1)] - sorted[low])
      * (rank - Double(low))
  }

  func testThresholdsByClass() throws {
    guard count % ranks.size == 0 else {
      throw XCTSkip("SKIPPED: \(count) samples on \(ranks.size) ranks")
    }
    let mine = ranks.rank * count / ranks.size..<(ranks.rank + 1) * count / ranks.size
    var own = view(mine)
    let known = own.labels.firstIndex { $0 == 2 }
    if let known { own.isKnown[known] = true }
    let before = own.labels
    let thresholds = try ReliabilityThresholds(
      try configuration(classes: classes, "u2pl: {threshold: class}"), alpha: 0.3, of: entropy(mine), own, ranks: ranks)
    XCTAssertNil(thresholds.global)
    let gammas = try XCTUnwrap(thresholds.ofClass)
    XCTAssertNil(gammas[4])
    // Each rank has marked its first pixel of class 2.
    var wholeKnown = Set<Int>()
    for rank in 0..<ranks.size {
      let slots = rank * count / ranks.size..<(rank + 1) * count / ranks.size
      if let at = view(slots).labels.firstIndex(where: { $0 == 2 }) {
        wholeKnown.insert(slots.lowerBound * plane + at)
      }
    }
    let (whole, entropies) = (view(0..<count).labels, entropy(0..<count))
    for c in 0..<4 {
      let values = whole.indices.filter { whole[$0] == c && !wholeKnown.contains($0) }.map {
        entropies[$0]
      }
      XCTAssertEqual(try XCTUnwrap(gammas[c]), percentile(values, 70), accuracy: 1e-6, "class \(c)")
    }
    let (labels, unreliable, reliable) = thresholds.apply(to: own, entropy: entropy(mine))
    var kept = 0
    for p in before.indices where before[p] != 255 {
      let h = Double(entropy(mine)[p])
      let gamma = gammas[Int(before[p])]!
      let keeps = p == known || h < gamma
      XCTAssertEqual(labels[p], keeps ? before[p] : 255)
      XCTAssertEqual(unreliable[p], !keeps && h > gamma)
      kept += keeps ? 1 : 0
    }
    XCTAssertEqual(reliable, kept)
    XCTAssertEqual(thresholds.pixels, before.count { $0 != 255 })
  }

  /// Padding is no pixel of an image; what CutOut removes is.
  func testRemovedPixelsAreCounted() throws {
    var augment = try configuration("").augment
    (augment.mix, augment.mixProbability) = (.cutout, 1)
    let before = view(0..<count)
    var after = before
    try StrongView(augment, philox: Philox(seed: 3)).apply(
      &after, labeled: [], firstSlot: 0, step: 0, ranks: .alone)
    let (all, left) = (before.labels.count { $0 != 255 }, after.labels.count { $0 != 255 })
    XCTAssertLessThan(left, all)
    XCTAssertLessThan(all, before.labels.count, "there is no padding to test")
    XCTAssertEqual(after.removed, all - left)
  }

  /// Half of a labeled image's classes, with their true labels, replace what lies under them.
  func testCopyPaste() throws {
    var augment = try configuration("").augment
    (augment.mix, augment.mixProbability) = (.copypaste, 1)
    let labeled = (0..<2).map { slot in
      Example(
        height: size, width: size, pixels: [Float](repeating: Float(10 + slot), count: 3 * plane),
        labels: Array(
          blockLabels("paste", count: 2, size: size, classes: 5, block: 4)[
            slot * plane..<(slot + 1) * plane]))
    }
    let before = view(0..<count)
    var choices = Set<Set<UInt8>>()
    for step in 0..<6 {
      var whole = before
      let mixing = StrongView(augment, philox: Philox(seed: 3))
      try mixing.apply(&whole, labeled: labeled, firstSlot: 0, step: step, ranks: .alone)
      for slot in 0..<count {
        // ⌊i·2/4⌋
        let partner = labeled[slot / 2]
        let range = slot * plane..<(slot + 1) * plane
        let pasted = Set(range.filter { whole.isKnown[$0] }.map { whole.labels[$0] })
        XCTAssertEqual(pasted.count, (Set(partner.labels).subtracting([255]).count + 1) / 2)
        choices.insert(pasted)
        for (p, at) in range.enumerated() {
          let isPasted = pasted.contains(partner.labels[p])
          XCTAssertEqual(whole.isKnown[at], isPasted)
          XCTAssertEqual(whole.labels[at], isPasted ? partner.labels[p] : before.labels[at])
          XCTAssertEqual(
            whole.pixels[3 * at + 1],
            isPasted ? partner.pixels[3 * p + 1] : before.pixels[3 * at + 1])
          XCTAssertEqual(whole.confidence[at], isPasted ? 1 : before.confidence[at])
        }
      }
      // Two ranks, each with half of either.
      for rank in 0..<2 {
        var share = view(2 * rank..<2 * rank + 2)
        try mixing.apply(
          &share, labeled: [labeled[rank]], firstSlot: 2 * rank, step: step, ranks: .alone)
        let range = 2 * rank * plane..<(2 * rank + 2) * plane
        XCTAssertEqual(share.labels, Array(whole.labels[range]))
        XCTAssertEqual(share.isKnown, Array(whole.isKnown[range]))
      }
    }
    XCTAssertGreaterThan(choices.count, 3)
  }
}
