import Foundation
import TestSupport
import Trainer
import Transforms
import XCTest

import Labeling

/// Which images `suggest` chooses, and why.
final class SelectionTests: SeededTestCase {
  private let classes = 3

  /// A summary made by hand: shares of three classes, a representation of two numbers, and a plain thumbnail.
  private func summary(
    _ shares: [Float] = [1, 0, 0], at representation: [Float] = [1, 0], look: Float = 0.5, unreliable: Float = 0.1
  ) -> ImageSummary {
    var packed = [Float](repeating: 0, count: ImageSummary.packedCount(classes: classes, features: 2))
    packed[0] = 1000 * (1 - unreliable)
    packed[ImageSummary.bins - 1] = 1000 * unreliable
    var result = ImageSummary(packed: packed, classes: classes)
    (result.shares, result.predicted, result.representation) = (shares, shares, representation)
    // A look of its own: a gradient whose slope is `look`.
    let cells = ImageSummary.cells
    result.thumbnail = (0..<cells * cells * 3).map { look * Float($0 / 3 / cells) / Float(cells) }
    return result
  }

  private func selection(
    _ candidates: [ImageSummary], labeled: [ImageSummary] = [], _ matrix: ConfusionMatrix? = nil
  ) -> Selection {
    Selection(
      candidates, labeled: labeled, need: ClassNeed(matrix, candidates, classes: classes), gamma: 0.5)
  }

  /// The class that the network finds badly decides between images that are alike otherwise.
  func testBadlyFoundClasses() {
    let matrix = ConfusionMatrix(classes: 3, counts: [90, 5, 5, 5, 90, 5, 80, 0, 20])
    let candidates = [
      summary([0.8, 0.2, 0], at: [1, 0], look: 0.1), summary([0.7, 0, 0.3], at: [1, 0], look: 0.4),
      summary([0.2, 0.8, 0], at: [1, 0], look: 0.8),
    ]
    let selection = selection(candidates, matrix)
    let outcome = selection.choose(1)
    XCTAssertEqual(outcome.choices.map(\.image), [1])
    let choice = outcome.choices[0]
    XCTAssertEqual(choice.classes.first, 2)
    let reason = selection.reason(choice, usual: 0.1) { ["sky", "road", "pole"][$0] }
    XCTAssertTrue(reason.contains("pole (IoU 18 %, taken for sky)"), reason)
  }

  /// Of images that show the same, the one that is unlike the labeled ones.
  func testCoverage() {
    let labeled = [summary(at: [1, 0], look: 0.2)]
    let candidates = [
      summary(at: [0.9, 0.1], look: 0.4), summary(at: [0, 1], look: 0.6), summary(at: [0.05, 0.95], look: 0.8),
    ]
    let outcome = selection(candidates, labeled: labeled).choose(2)
    XCTAssertEqual(outcome.choices[0].image, 1)
    XCTAssertEqual(try XCTUnwrap(outcome.choices[0].distance), 2.0.squareRoot(), accuracy: 1e-6)
    // The third is close to the first choice by then.
    XCTAssertEqual(outcome.choices[1].image, 0)
  }

  func testUnreliablePixels() {
    let candidates = [
      summary(look: 0.1, unreliable: 0.1), summary(look: 0.5, unreliable: 0.6), summary(look: 0.9, unreliable: 0.3),
    ]
    let selection = selection(candidates)
    let outcome = selection.choose(3)
    XCTAssertEqual(outcome.choices[0].image, 1)
    XCTAssertEqual(outcome.choices[0].unreliable, 0.6, accuracy: 1e-3)
    let reason = selection.reason(outcome.choices[0], usual: 0.3333) { "\($0)" }
    XCTAssertTrue(reason.contains("60.0 % of its pixels are unreliable, 33.3 % in the mean"), reason)
  }

  /// Copies, mirror images, and copies of labeled images are left out; as many as there are is no endless loop.
  func testNearDuplicates() throws {
    let mirrored = {
      var result = self.summary(at: [0.5, 0.5], look: 0.3)
      let cells = ImageSummary.cells, original = result.thumbnail
      // A gradient from left to right, and its mirror image.
      result.thumbnail = original.indices.map { Float($0 / 3 % cells) / Float(cells) }
      var other = result
      other.thumbnail = original.indices.map { Float(cells - 1 - $0 / 3 % cells) / Float(cells) }
      return [result, other]
    }()
    let labeled = [summary(at: [0, 1], look: 0.9)]
    let candidates = [
      summary(at: [1, 0], look: 0.1), summary(at: [1, 0], look: 0.11), summary(at: [0, 1], look: 0.89), mirrored[0],
      mirrored[1],
    ]
    let outcome = selection(candidates, labeled: labeled).choose(100)
    XCTAssertEqual(outcome.choices.count, 2, "\(outcome.choices)")
    XCTAssertEqual(outcome.duplicates.count, 3)
    XCTAssertEqual(outcome.duplicates.filter { $0.of == nil }.map(\.image), [2])
    XCTAssertTrue(outcome.choices.contains { [3, 4].contains($0.image) })
  }

  func testWhatRanksSend() {
    let image = Raster(height: 40, width: 60, pixels: (0..<7200).map { UInt8($0 * 7 % 256) })
    var prediction = Scene.prediction(
      LabelMap(height: 40, width: 60, values: (0..<2400).map { UInt8($0 / 600) }))
    prediction = ImagePrediction(
      height: 40, width: 60, probabilities: prediction.probabilities, representation: [0.6, 0.8])
    let summary = ImageSummary(image, prediction)
    XCTAssertEqual(ImageSummary(packed: summary.packed, classes: 4), summary)
    XCTAssertEqual(summary.packed.count, ImageSummary.packedCount(classes: 4, features: 2))
    XCTAssertEqual(summary.histogram.reduce(0, +), 2400)
    XCTAssertEqual(summary.shares.reduce(0, +), 1, accuracy: 1e-4)
    // The mask tells more than the network, where there is one.
    let labels = LabelMap(height: 40, width: 60, values: (0..<2400).map { $0 < 1200 ? 255 : 3 })
    XCTAssertEqual(ImageSummary(image, prediction, labels: labels).shares, [0, 0, 0, 0.5])
  }

  func testThumbnailsOfSmallImages() {
    for (height, width) in [(1, 1), (5, 100), (16, 16)] {
      let image = Raster(height: height, width: width, pixels: [UInt8](repeating: 51, count: height * width * 3))
      XCTAssertEqual(Set(ImageSummary.thumbnail(of: image)), [0.2])
    }
  }

  func testPercentile() {
    let images = [summary(unreliable: 0.3), summary(unreliable: 0.2)]
    // A bin is on one side as a whole.
    let high = ReliabilityLevel.percentile(0.24, of: images), low = ReliabilityLevel.percentile(0.25, of: images)
    XCTAssertEqual(images[0].share(above: high.gamma), 0)
    XCTAssertEqual(images[0].share(above: low.gamma), 0.3, accuracy: 1e-6)
    XCTAssertLessThan(low.gamma, high.gamma)
  }
}
