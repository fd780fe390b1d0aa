import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// Masks in which nobody has decided most pixels (255): trained on as any other, down to masks without a decided pixel.
final class PartlyLabeledTests: CommandTestCase {
  private let side = 33

  /// - Parameter decided: which pixels of image `index` have a class.
  private func make(_ decided: (_ index: Int, _ pixel: Int) -> Bool) throws {
    for index in 0..<8 {
      let inside = { (p: Int) in p % self.side > 8 + index && p / self.side > 10 }
      let values = (0..<side * side).map { decided(index, $0) ? (inside($0) ? UInt8(1) : 0) : 255 }
      let pixels = (0..<side * side * 3).map { UInt8((inside($0 / 3) ? 180 : 40) + ($0 * 7 + index) % 30) }
      for folder in ["images", "labels"] { try write("data/\(folder)/\(index).png", []) }
      try ImageFile.writePNG(Raster(height: side, width: side, pixels: pixels), to: path("data/images/\(index).png"))
      try ImageFile.writePNG(
        LabelMap(height: side, width: side, values: values), palette: nil, to: path("data/labels/\(index).png"))
    }
    try write("data/labeled.txt", "0\n1\n2\n3\n")
    try write("data/unlabeled.txt", "4\n5\n")
    try write("data/val.txt", "6\n7\n")
    try write("data/classes.txt", "ground\nthing\n")
    try write(
      "mine.yaml",
      tinyConfiguration(
        data: "{kind: folder, root: data, labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt}"))
  }

  private let settings = ["u2pl.low_rank=1", "u2pl.high_rank=2", "loss.dice=1", "data.balance=0.5"]

  /// Image 0 is decided in a corner, 1 in two strokes, 2 nowhere, 3 everywhere: the run computes finite numbers, the
  /// same on any number of ranks.
  func testStrokes() throws {
    try make { index, p in
      switch index {
      case 0: p / self.side < 12 && p % self.side < 12 || p > self.side * (self.side - 4)
      case 1: p / self.side == 5 || p / self.side == 25
      case 2: false
      default: true
      }
    }
    try train("one", settings, config: "mine.yaml")
    try train("two", settings, ranks: 2, config: "mine.yaml")
    try assertSame("one", "two", lastStep: 6)
    for line in try metrics("one") {
      let object = try json(line)
      guard object["evaluation"] == nil else { continue }
      XCTAssertTrue(try XCTUnwrap(object["loss"] as? Double).isFinite, line)
      XCTAssertGreaterThanOrEqual(try XCTUnwrap(object["supervised"] as? Double), 0, line)
    }
  }

  /// Steps whose labeled images have no decided pixel teach nothing, and end nothing.
  func testBatchesWithoutADecidedPixel() throws {
    try make { index, _ in index != 0 && index != 1 }
    let order = ["data.shuffle=off", "data.balance=0"]
    try train("run", settings + order, config: "mine.yaml")
    let supervised = try metrics("run").compactMap { try json($0)["supervised"] as? Double }
    // Images 0 and 1, then 2 and 3, and so on.
    XCTAssertEqual(supervised.count, 6)
    for (step, loss) in supervised.enumerated() { XCTAssertEqual(loss > 0, step % 2 == 1, "step \(step): \(loss)") }
  }

  private func train(_ name: String, _ settings: [String], ranks: Int? = nil, config: String) throws {
    let outcome = try run(training(name, settings, config: config), ranks: ranks, limit: 120)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
  }
}
