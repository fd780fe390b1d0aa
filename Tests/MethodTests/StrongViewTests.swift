// Ranks: 1 2 3 4
import Compute
import Configuration
import Foundation
import Method
import TestSupport
import XCTest

/// Mixing of the unlabeled samples: what each pixel is replaced by, also across the boundary of two ranks.
final class StrongViewTests: XCTestCase {
  private let ranks = TestRanks.world
  /// Divisible by 1, 2, 3, 4 and 6 ranks.
  private let count = 12
  private let (height, width) = (14, 19)
  private var plane: Int { height * width }

  /// A batch of which every number tells the slot and pixel it belongs to.
  private func batch(_ slots: Range<Int>) -> PseudoLabeled {
    func each<T>(_ value: (_ slot: Int, _ p: Int) -> T) -> [T] {
      slots.flatMap { slot in (0..<plane).map { value(slot, $0) } }
    }
    let labels = (0..<count).map { blockLabels("mix \($0)", count: 1, size: 19, classes: 6, block: 3) }
    return PseudoLabeled(
      height: height, width: width,
      pixels: slots.flatMap { slot in (0..<3 * plane).map { Float(slot * 10_000 + $0) } },
      labels: each { labels[$0][$1] }, confidence: each { Float($0 * 10_000 + $1) / 1e6 })
  }

  private func view(_ mix: Configuration.Augment.Mix, probability: Double = 1) -> StrongView {
    view(mix) { $0.mixProbability = probability }
  }

  private func view(
    _ mix: Configuration.Augment.Mix, _ change: (inout Configuration.Augment) -> Void
  ) -> StrongView {
    var settings = try! configuration("").augment
    settings.mix = mix
    change(&settings)
    return StrongView(settings, philox: Philox(seed: 8))
  }

  private func serial(_ view: StrongView, step: Int) throws -> PseudoLabeled {
    var whole = batch(0..<count)
    try view.apply(&whole, labeled: [], firstSlot: 0, step: step, ranks: .alone)
    return whole
  }

  /// Where each sample was replaced, after checking that image, label and confidence were so together, by those of
  /// sample (i + 1) mod B at the same place, and that all else is as before.
  private func replaced(_ mixed: PseudoLabeled, _ name: String) -> [[Bool]] {
    let original = batch(0..<count)
    return (0..<count).map { slot in
      var wrong = 0
      let mask = (0..<plane).map { p in
        let here = slot * plane + p, partner = (slot + 1) % count * plane + p
        let isReplaced = mixed.confidence[here] != original.confidence[here]
        let source = isReplaced ? partner : here
        let image = (0..<3).allSatisfy { mixed.pixels[here * 3 + $0] == original.pixels[source * 3 + $0] }
        if !image || mixed.labels[here] != original.labels[source]
          || mixed.confidence[here] != original.confidence[source]
        {
          wrong += 1
        }
        return isReplaced
      }
      XCTAssertEqual(wrong, 0, "\(name), slot \(slot): pixels that are neither the sample's nor its partner's")
      return mask
    }
  }

  /// Checks that the pixels form a full rectangle, and returns its size.
  private func rectangle(_ mask: [Bool], _ name: String) -> (top: Int, left: Int, height: Int, width: Int) {
    let at = mask.indices.filter { mask[$0] }
    guard let first = at.first, let last = at.last else {
      XCTFail("\(name): nothing was replaced")
      return (0, 0, 0, 0)
    }
    let (top, bottom, left, right) = (first / width, last / width, first % width, last % width)
    XCTAssertEqual(at, (top...bottom).flatMap { y in (left...right).map { y * width + $0 } }, name)
    return (top, left, bottom - top + 1, right - left + 1)
  }

  func testCutMixReplacesARectangleOfHalfTheArea() throws {
    var widths = Set<Int>(), corners = Set<[Int]>()
    for step in 0..<6 {
      for (slot, mask) in replaced(try serial(view(.cutmix), step: step), "step \(step)").enumerated() {
        let box = rectangle(mask, "step \(step), slot \(slot)")
        // Half the area up to half a row of the box, as its height is a whole number.
        XCTAssertLessThanOrEqual(abs(2 * box.height * box.width - plane), box.width, "step \(step), slot \(slot)")
        widths.insert(box.width)
        corners.insert([box.top, box.left])
      }
    }
    XCTAssertEqual(widths, Set(width / 2 + 1...width), "every width there may be, among 72 boxes")
    XCTAssertGreaterThan(corners.count, 25)
  }

  func testClassMixKeepsHalfOfTheClasses() throws {
    let original = batch(0..<count)
    var choices = Set<[UInt8]>()
    for step in 0..<4 {
      for (slot, mask) in replaced(try serial(view(.classmix), step: step), "step \(step)").enumerated() {
        let labels = Array(original.labels[slot * plane..<(slot + 1) * plane])
        let present = Set(labels).subtracting([ignoreLabel])
        let kept = Set((0..<plane).filter { !mask[$0] }.map { labels[$0] })
        let gone = Set((0..<plane).filter { mask[$0] }.map { labels[$0] })
        XCTAssertEqual(kept.count, present.count / 2, "step \(step), slot \(slot)")
        XCTAssertTrue(kept.isDisjoint(with: gone), "a class stays as a whole or goes as a whole")
        XCTAssertFalse(kept.contains(ignoreLabel))
        choices.insert(kept.sorted())
      }
    }
    XCTAssertGreaterThan(choices.count, 10)
  }

  func testCutoutRemovesARectangle() throws {
    let original = batch(0..<count)
    for step in 0..<3 {
      let mixed = try serial(view(.cutout), step: step)
      XCTAssertEqual(mixed.confidence, original.confidence)
      for slot in 0..<count {
        // Pixel values of slot 0 start at 0: channel 2 is never 0 there.
        let removed = (0..<plane).map { mixed.pixels[(slot * plane + $0) * 3 + 2] == 0 }
        let box = rectangle(removed, "step \(step), slot \(slot)")
        XCTAssertLessThanOrEqual(abs(2 * box.height * box.width - plane), box.width)
        let wrong = (0..<plane).count { p in
          let here = slot * plane + p
          let image = (0..<3).allSatisfy {
            mixed.pixels[here * 3 + $0] == (removed[p] ? 0 : original.pixels[here * 3 + $0])
          }
          return !image || mixed.labels[here] != (removed[p] ? ignoreLabel : original.labels[here])
        }
        XCTAssertEqual(wrong, 0, "step \(step), slot \(slot)")
      }
    }
  }

  /// One draw decides for the whole batch, at the given probability.
  func testHowOftenAStepIsMixed() throws {
    let original = batch(0..<count).confidence
    func mixedSteps(_ view: StrongView, _ steps: Int) throws -> Int {
      try (0..<steps).count { step in
        let mixed = try serial(view, step: step)
        let changed = (0..<count).count { slot in
          mixed.confidence[slot * plane..<(slot + 1) * plane] != original[slot * plane..<(slot + 1) * plane]
        }
        XCTAssertTrue(changed == 0 || changed == count, "step \(step): \(changed) of \(count) samples mixed")
        return changed > 0
      }
    }
    XCTAssertEqual(try mixedSteps(view(.off), 5), 0)
    XCTAssertEqual(try mixedSteps(view(.cutmix, probability: 0), 5), 0)
    XCTAssertEqual(try mixedSteps(view(.cutmix), 5), 5)
    // 200 draws at 0.5: 100, deviation 7.
    XCTAssertEqual(Double(try mixedSteps(view(.cutmix, probability: 0.5), 200)), 100, accuracy: 35)
  }

  func testAreaOfTheRectangleIsDrawn() throws {
    let view = view(.cutmix) { ($0.mixProbability, $0.cutmixArea) = (1, 0.1...0.6) }
    var shares: [Double] = []
    for step in 0..<20 {
      for (slot, mask) in replaced(try serial(view, step: step), "step \(step)").enumerated() {
        let box = rectangle(mask, "step \(step), slot \(slot)")
        // The height is a whole number: up to half a row of the box more or less.
        let slack = Double(box.width) / 2 / Double(plane), share = Double(box.height * box.width) / Double(plane)
        XCTAssertTrue(share >= 0.1 - slack && share <= 0.6 + slack, "step \(step), slot \(slot): \(share)")
        shares.append(share)
      }
    }
    // Uniform: mean 0.35, deviation of the mean of 240 0.01.
    XCTAssertEqual(shares.reduce(0, +) / Double(shares.count), 0.35, accuracy: 0.05)
    XCTAssertTrue(shares.min()! < 0.15 && shares.max()! > 0.55)
  }

  func testEachImageMayHaveItsOwnDraw() throws {
    let original = batch(0..<count).confidence
    let view = view(.cutmix) { ($0.mixProbability, $0.mixDraw) = (0.3, .image) }
    let perStep = try (0..<50).map { step in
      let mixed = try serial(view, step: step)
      return (0..<count).count { slot in
        mixed.confidence[slot * plane..<(slot + 1) * plane] != original[slot * plane..<(slot + 1) * plane]
      }
    }
    // 600 draws at 0.3: 180, deviation 11.
    XCTAssertEqual(Double(perStep.reduce(0, +)), 180, accuracy: 50)
    XCTAssertTrue(perStep.contains { $0 > 0 && $0 < count }, "steps are mixed as a whole")
  }

  /// The shares that ranks make by themselves are those of one rank with the whole batch; so the last sample of a rank
  /// was mixed with the first of the next.
  func testRanksMixTheGlobalBatch() throws {
    guard count % ranks.size == 0 else { throw XCTSkip("SKIPPED: \(count) samples on \(ranks.size) ranks") }
    let mine = ranks.rank * count / ranks.size..<(ranks.rank + 1) * count / ranks.size
    for mix in [Configuration.Augment.Mix.cutmix, .classmix, .cutout, .off] {
      for (step, probability) in [(0, 1.0), (1, 1), (2, 0.5), (3, 0.5), (4, 0.5), (5, 0.5)] {
        let view = view(mix) {
          $0.mixProbability = probability
          if step >= 4 { ($0.mixDraw, $0.cutmixArea) = (.image, 0.2...0.7) }
        }
        let whole = try serial(view, step: step)
        var share = batch(mine)
        try view.apply(&share, labeled: [], firstSlot: mine.lowerBound, step: step, ranks: ranks)
        let range = mine.lowerBound * plane..<mine.upperBound * plane
        XCTAssertEqual(share.labels, Array(whole.labels[range]), "\(mix), step \(step)")
        XCTAssertEqual(share.confidence, Array(whole.confidence[range]), "\(mix), step \(step)")
        XCTAssertEqual(
          share.pixels, Array(whole.pixels[3 * range.lowerBound..<3 * range.upperBound]), "\(mix), step \(step)")
      }
    }
  }
}
