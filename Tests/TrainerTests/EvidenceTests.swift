import Trainer
import XCTest

/// When pseudo-labels start, and what they count by.
final class EvidenceTests: XCTestCase {
  /// A fold of 1000 pixels of each of two classes, of which a share is right: IoU s / (2 − s), Dice s of both.
  private func fold(_ share: Double) -> ConfusionMatrix {
    let right = Int64(1000 * share)
    return ConfusionMatrix(classes: 2, counts: [right, 1000 - right, 1000 - right, right])
  }

  private func iou(_ share: Double) -> Double { share / (2 - share) }

  /// Feeds a share a window of ten steps; the weight after each.
  private func weights(_ evidence: inout Evidence, _ shares: [Double], from window: Int = 0) -> [Double] {
    shares.enumerated().map { i, share in
      _ = evidence.observe(fold(share), window: window + i, step: 10 * (window + i + 1))
      return evidence.weight
    }
  }

  func testNothingCountsBeforeEveryFoldWasHeldOut() {
    var evidence = Evidence(folds: 4, latestStart: 0, startsByItself: false)
    XCTAssertEqual(weights(&evidence, [0.5, 0.5, 0.5]), [0, 0, 0])
    XCTAssertNil(evidence.score)
    let after = weights(&evidence, [0.5, 0.5, 0.5, 0.5, 0.5], from: 3)
    XCTAssertEqual(evidence.start?.step, 40)
    // The ramp; the mean Dice, which is the share, is enough for full trust.
    for (a, b) in zip(after, [0.25, 0.5, 0.75, 1, 1]) { XCTAssertEqual(a, b, accuracy: 1e-12) }
    XCTAssertEqual(evidence.score!, iou(0.5), accuracy: 1e-12)
  }

  /// While q grows by 2 % within every four windows the labels have more to teach.
  func testStartsWhenTheLabelsHaveLittleMoreToTeach() {
    var evidence = Evidence(folds: 4, latestStart: 10_000, startsByItself: true)
    let growing = (0..<12).map { 0.4 + 0.04 * Double($0) }
    XCTAssertEqual(weights(&evidence, growing).max(), 0)
    XCTAssertNil(evidence.start)
    let still = weights(&evidence, [Double](repeating: growing.last!, count: 12), from: 12)
    let start = evidence.start!.window
    // The last growth of the sum over four folds is three windows later at most, then four without.
    XCTAssertTrue((15...19).contains(start), "started at window \(start)")
    XCTAssertEqual(still[start - 13], 0)
    XCTAssertEqual(still[start - 12], 0.25, accuracy: 1e-12)
    XCTAssertEqual(still.last!, 1, accuracy: 1e-12)
  }

  func testStartsAtTheLatestStep() {
    // Not while the learning rate rises.
    var early = Evidence(folds: 4, latestStart: 10_000, startsByItself: true, earliestStart: 90)
    for window in 0..<8 { XCTAssertEqual(early.observe(fold(0.5), window: window, step: 10 * window + 10), .none) }
    XCTAssertEqual(early.observe(fold(0.5), window: 8, step: 90), .started)
    var evidence = Evidence(folds: 4, latestStart: 80, startsByItself: true)
    _ = weights(&evidence, (0..<12).map { 0.4 + 0.04 * Double($0) })
    XCTAssertEqual(evidence.start?.step, 80)
  }

  /// A number of epochs is kept to, however little the teacher learns.
  func testStartsNotEarlierThanOrdered() {
    var evidence = Evidence(folds: 4, latestStart: 150, startsByItself: false)
    XCTAssertEqual(weights(&evidence, [Double](repeating: 0.5, count: 14)).max(), 0)
    XCTAssertEqual(weights(&evidence, [0.5], from: 14), [0.25])
  }

  /// A teacher that is wrong on most pixels counts by twice its mean Dice.
  func testTrustGrowsWithTheTeacher() {
    var evidence = Evidence(folds: 1, latestStart: 0, startsByItself: false)
    let after = weights(&evidence, [0.1, 0.3, 0.45, 0.5, 0.9])
    for (a, b) in zip(after, [0.2, 0.6, 0.9, 1, 1]) { XCTAssertEqual(a, b, accuracy: 1e-12) }
  }

  /// Down to nothing at 4/5 of the best q, and up again with it.
  func testWeightFallsWhereTheTeacherGetsWorse() {
    var evidence = Evidence(folds: 4, latestStart: 0, startsByItself: false)
    XCTAssertEqual(weights(&evidence, [Double](repeating: 0.8, count: 8)).last!, 1, accuracy: 1e-12)
    let falling = weights(&evidence, [0.75, 0.75, 0.75, 0.75], from: 8)
    let expected = (1 - (iou(0.8) - iou(0.75)) / (0.2 * iou(0.8)))
    XCTAssertEqual(falling.last!, expected, accuracy: 1e-12)
    XCTAssertTrue(zip(falling, falling.dropFirst()).allSatisfy { $0 > $1 })
    XCTAssertEqual(weights(&evidence, [0.5, 0.5, 0.5, 0.5], from: 12).last!, 0)
    XCTAssertEqual(evidence.best, iou(0.8), accuracy: 1e-12)
    XCTAssertEqual(weights(&evidence, [0.8, 0.8, 0.8, 0.8], from: 16).last!, 1, accuracy: 1e-12)
  }

  /// A class that the labels do not have takes nothing away, one that is never found does.
  func testClasses() {
    var evidence = Evidence(folds: 1, latestStart: 0, startsByItself: false)
    _ = evidence.observe(ConfusionMatrix(classes: 3, counts: [10, 0, 0, 0, 10, 0, 0, 0, 0]), window: 0, step: 10)
    XCTAssertEqual(evidence.weight, 1)
    var other = Evidence(folds: 1, latestStart: 0, startsByItself: false)
    _ = other.observe(ConfusionMatrix(classes: 3, counts: [10, 10, 0, 10, 0, 0, 10, 0, 0]), window: 0, step: 10)
    // Dice 2·10/50, 0 and 0.
    XCTAssertEqual(other.weight, 2 * (0.4 + 0 + 0) / 3, accuracy: 1e-12)
  }
}
