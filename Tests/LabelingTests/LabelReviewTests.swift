import Distributed
import TestSupport
import Transforms
import XCTest

import Labeling

/// What `review` finds in masks that were damaged on purpose, and what it leaves alone.
final class LabelReviewTests: SeededTestCase {
  private func review(_ masks: [LabelMap], _ predictions: [ImagePrediction]) throws -> LabelReview {
    var confidence = ClassConfidence(classes: Scene.classes)
    for (prediction, mask) in zip(predictions, masks) { confidence.add(prediction, mask) }
    try confidence.share(over: .alone)
    let thresholds = confidence.thresholds
    let evidence = masks.indices.map { index in
      let margin = Contradictions.margin(height: Scene.height, width: Scene.width)
      return LabelEvidence(
        image: index, shift: MaskShift.best(predictions[index], masks[index]),
        exchange: MaskExchange.best(predictions[index], masks[index]),
        contradictions: Contradictions(
          masks[index], seen: ClassConfidence.seen(predictions[index], thresholds), classes: Scene.classes,
          margin: margin))
    }
    // What ranks send each other says the same.
    var packed = evidence.flatMap(\.packed)[...]
    for one in evidence { XCTAssertEqual(LabelEvidence(unpacking: &packed, classes: Scene.classes), one) }
    XCTAssertTrue(packed.isEmpty)
    return LabelReview(evidence, classes: Scene.classes)
  }

  func testDamagedMasksComeFirst() throws {
    var masks = (0..<20).map(Scene.truth)
    // The second ten are hard images, of which the network is never sure: their loss is the greatest.
    let predictions = masks.enumerated().map { Scene.prediction($1, certainty: $0 < 10 ? 0.9 : 0.4) }
    masks[2] = Scene.swapped(masks[2], 2, 3)
    masks[5] = Scene.shifted(masks[5], down: 0, right: 8)
    masks[7] = Scene.shifted(masks[7], down: -8, right: 0, filling: false)
    // A house that nobody has drawn.
    masks[9].values = masks[9].values.enumerated().map { $1 == 2 ? ($0 / Scene.width < 45 ? 0 : 1) : $1 }
    let findings = try review(masks, predictions).findings
    XCTAssertEqual(Set(findings.prefix(4).map(\.image)), [2, 5, 7, 9])
    func finding(_ image: Int) throws -> LabelFinding { try XCTUnwrap(findings.first { $0.image == image }) }
    let swapped = try finding(2)
    XCTAssertEqual(swapped.kind, .swapped)
    XCTAssertEqual(Set([swapped.label, swapped.seen]), [2, 3])
    XCTAssertGreaterThan(swapped.share, 0.9)
    let right = try finding(5)
    XCTAssertEqual([right.down, right.right], [0, 8])
    XCTAssertEqual(right.kind, .shifted)
    let up = try finding(7)
    XCTAssertEqual([up.down, up.right], [-8, 0])
    let missing = try finding(9)
    XCTAssertEqual(missing.kind, .wrongClass)
    XCTAssertEqual(missing.seen, 2)
    let box = try XCTUnwrap(missing.box)
    let truth = Scene.truth(9)
    XCTAssertEqual(truth.values[(box.top + box.bottom) / 2 * Scene.width + (box.left + box.right) / 2], 2)
    for image in findings.dropFirst(4) { XCTAssertEqual(image.kind, .none, "\(image)") }
  }

  /// What a network confuses in every image is no sign of a wrong mask.
  func testWhatIsConfusedEverywhereIsLeftAlone() throws {
    let masks = (0..<12).map(Scene.truth)
    // Trees are taken for houses throughout.
    let predictions = masks.map { mask in
      Scene.prediction(LabelMap(height: mask.height, width: mask.width, values: mask.values.map { $0 == 3 ? 2 : $0 }))
    }
    for finding in try review(masks, predictions).findings { XCTAssertEqual(finding.kind, .none, "\(finding)") }
  }

  /// Undecided pixels contradict nothing, and a mask without any other is no finding.
  func testUndecidedPixelsAreLeftOut() throws {
    let truth = (0..<6).map(Scene.truth)
    var masks = truth
    masks[0].values = [UInt8](repeating: 255, count: masks[0].values.count)
    // Half of it is undecided; of what the other half hides, nothing is to be seen.
    masks[1].values = masks[1].values.enumerated().map { $0 % Scene.width < Scene.width / 2 ? 255 : $1 }
    let findings = try review(masks, truth.map { Scene.prediction($0) }).findings
    for finding in findings { XCTAssertEqual(finding.kind, .none, "\(finding)") }
  }

  /// Two classes of which the network is never sure are found to be exchanged nevertheless.
  func testExchangeOfHardClasses() throws {
    let truth = Scene.truth(4)
    let mask = Scene.swapped(truth, 2, 3)
    // Most of house and tree looks like ground, and a little like what it is.
    let plain = Scene.prediction(truth)
    let plane = truth.values.count
    var probabilities = plain.probabilities
    for p in 0..<plane where truth.values[p] >= 2 {
      let own = Int(truth.values[p])
      for c in 0..<4 { probabilities[c * plane + p] = c == 1 ? 0.6 : c == own ? 0.3 : 0.05 }
    }
    let prediction = ImagePrediction(height: truth.height, width: truth.width, probabilities: probabilities)
    let exchange = MaskExchange.best(prediction, mask)
    XCTAssertEqual([exchange.first, exchange.second], [2, 3])
    let exchanged = mask.values.count { $0 >= 2 }
    XCTAssertEqual(exchange.gain, 0.25 * Double(exchanged) / Double(plane), accuracy: 1e-4)
    XCTAssertEqual(MaskExchange.best(prediction, truth).gain, 0)
  }

  func testWords() {
    func finding(
      _ kind: LabelFinding.Kind, box: PixelBox? = nil, down: Int = 0, right: Int = 0
    ) -> LabelFinding {
      LabelFinding(
        image: 0, score: 1, kind: kind, label: 1, seen: 2, box: box, share: 0.82, down: down, right: right)
    }
    let name = { (c: Int) in ["sky", "tree", "car"][c] }
    let box = PixelBox(left: 12, top: 30, right: 80, bottom: 61)
    XCTAssertEqual(
      finding(.wrongClass, box: box).words(name),
      "tree is labeled where car is seen: 82 % of its pixels, at x 12–80, y 30–61")
    XCTAssertEqual(
      finding(.shifted, down: -8, right: 1).words(name),
      "the mask is probably shifted 8 pixels up and 1 pixel to the right")
    XCTAssertTrue(finding(.swapped, box: box).words(name).hasPrefix("tree and car are probably swapped: 82 %"))
  }

  /// Images that are too small to be shifted, and masks of one class.
  func testSmallImages() {
    for (height, width) in [(1, 1), (3, 200), (9, 9)] {
      let mask = LabelMap(height: height, width: width, values: [UInt8](repeating: 0, count: height * width))
      let prediction = Scene.prediction(mask)
      XCTAssertEqual(MaskShift.best(prediction, mask).gain, 0, accuracy: 1e-6)
      XCTAssertEqual(Contradictions(mask, seen: prediction.classes, classes: 4, margin: 2).pairs, [])
    }
  }
}
