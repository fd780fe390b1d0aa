import Trainer
import XCTest

final class CaseCountsTests: XCTestCase {
  /// Two images of case a, one of case b.
  func testNumbersThatCanBeCheckedInTheHead() {
    var counts = CaseCounts(images: 3, classes: 3)
    let images: [(truth: [UInt8], prediction: [UInt8])] = [
      ([0, 0, 1, 1], [0, 1, 1, 1]), ([0, 0, 0, 255], [0, 0, 1, 2]), ([0, 1, 1, 1], [0, 1, 0, 1]),
    ]
    for (image, (truth, prediction)) in images.enumerated() {
      var matrix = ConfusionMatrix(classes: 3)
      matrix.add(truth: truth, prediction: prediction)
      counts.add(matrix, image: image)
    }
    let means = counts.means(of: ["a", "a", "b"])
    XCTAssertEqual(means.cases, 2)
    // Case a: class 0 has 3 hits of 5 true and 3 predicted, class 1 has 2 of 2 and 4. Case b: 1 of 1 and 2; 2 of 3 and 2.
    let dice0 = [6.0 / 8, 2.0 / 3]
    let dice1 = [4.0 / 6, 4.0 / 5]
    let iou0 = [3.0 / 5, 1.0 / 2]
    let iou1 = [2.0 / 4, 2.0 / 3]
    XCTAssertEqual(means.dice[0]!, (dice0[0] + dice0[1]) / 2, accuracy: 1e-15)
    XCTAssertEqual(means.dice[1]!, (dice1[0] + dice1[1]) / 2, accuracy: 1e-15)
    XCTAssertNil(means.dice[2])
    XCTAssertEqual(means.intersectionOverUnion[0]!, (iou0[0] + iou0[1]) / 2, accuracy: 1e-15)
    let cases = (0..<2).map { (iou0[$0] + iou1[$0]) / 2 }
    XCTAssertEqual(means.meanIntersectionOverUnion.mean, (cases[0] + cases[1]) / 2, accuracy: 1e-15)
    XCTAssertEqual(
      means.meanIntersectionOverUnion.deviation, abs(cases[0] - cases[1]) / 2.0.squareRoot(),
      accuracy: 1e-15)
    let ofCases = (0..<2).map { (dice0[$0] + dice1[$0]) / 2 }
    XCTAssertEqual(means.meanDice.mean, (ofCases[0] + ofCases[1]) / 2, accuracy: 1e-15)
    XCTAssertEqual(counts.means(of: ["1", "2", "3"]).cases, 3)
  }
}
