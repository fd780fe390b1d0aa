import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// `u2pl suggest`: what it writes, what it leaves out, and the way back into training.
final class SuggestTests: CommandTestCase {
  /// Six images of several sizes, of which the first is labeled and the last for validation, and a checkpoint `x.h5`.
  override func setUpWithError() throws {
    try super.setUpWithError()
    let sizes = [("a", 60, 97), ("b", 41, 30), ("c", 33, 33), ("d", 77, 49), ("e", 36, 120), ("v", 40, 40)]
    for (name, height, width) in sizes { try writeFixtureImage(name, height: height, width: width) }
    try writeFixtureModel("data", "val.txt", "")
    try write("data/none", "a\n")
    try write("data/val.txt", "v\n")
    try write("data/rest.txt", "b\nc\nd\ne\n")
  }

  func testWhatIsWritten() throws {
    let outcome = try apply("suggest", ["data/rest.txt"], to: "next", ["-n", "2", "--unreliable", "0.3"])
    let suggested = try lines(of: "next/suggested.txt")
    XCTAssertEqual(suggested.count, 2)
    XCTAssertTrue(Set(suggested).isSubset(of: ["b", "c", "d", "e"]), "\(suggested)")
    let rows = try lines(of: "next/suggestions.csv")
    XCTAssertEqual(rows.count, 3)
    let all = try json(XCTUnwrap(lines(of: "next/suggestions.json").first))
    XCTAssertEqual(all["candidates"] as? Int, 4)
    XCTAssertEqual(all["labeled"] as? Int, 1)
    let entries = try XCTUnwrap(all["suggestions"] as? [[String: Any]])
    for (entry, name) in zip(entries, suggested) {
      XCTAssertEqual(entry["image"] as? String, name)
      XCTAssertFalse(try XCTUnwrap(entry["reason"] as? String).isEmpty)
      XCTAssertTrue(outcome.output.contains(try XCTUnwrap(entry["reason"] as? String)), outcome.output)
      let image = try ImageFile.readRGB(path("data/JPEGImages/\(name).png"))
      let mask = try ImageFile.readLabels(path("next/masks/\(name).png"))
      XCTAssertEqual([mask.height, mask.width], [image.height, image.width])
      XCTAssertTrue(mask.values.allSatisfy { $0 < 11 || $0 == 255 })
      let overlay = try ImageFile.readRGB(path("next/overlays/\(name).png"))
      XCTAssertEqual([overlay.height, overlay.width], [image.height, image.width])
      // The table tells the share of undecided pixels in the mask.
      let share = Double(mask.values.count { $0 == 255 }) / Double(mask.values.count)
      XCTAssertEqual(share, try XCTUnwrap(entry["unreliable"] as? Double), accuracy: 0.02)
      XCTAssertGreaterThan(share, 0)
    }
    // The decided pixels are what predict says.
    let predicted = try run(
      ["predict", "--checkpoint", "x.h5", "-o", "out", "--no-color", "--no-overlay", "data/rest.txt"])
    XCTAssertEqual(predicted.status, 0, predicted.summary)
    for name in suggested {
      let mask = try ImageFile.readLabels(path("next/masks/\(name).png")).values
      let classes = try ImageFile.readLabels(path("out/index/\(name).png")).values
      XCTAssertTrue(zip(mask, classes).allSatisfy { $0 == 255 || $0 == $1 })
    }
  }

  func testTheSameOnAnyNumberOfRanks() throws {
    for (ranks, output) in [(nil, "one"), (2, "two"), (4, "four")] as [(Int?, String)] {
      try apply("suggest", ["data/rest.txt"], to: output, ["-n", "3"], ranks: ranks)
    }
    for output in ["two", "four"] {
      for name in try FileManager.default.subpathsOfDirectory(atPath: path("one")) where name.contains(".") {
        let texts = try [("one", name), (output, name)].map { folder, name in
          String(decoding: try Data(contentsOf: URL(fileURLWithPath: path("\(folder)/\(name)"))), as: UTF8.self)
            .replacing("\(folder)/", with: "")
        }
        XCTAssertEqual(texts[0], texts[1], "\(output)/\(name)")
      }
    }
  }

  /// A folder that holds everything: what is labeled or for validation is no candidate, neither are copies.
  func testWhatIsLeftOut() throws {
    try FileManager.default.copyItem(atPath: path("data/JPEGImages/d.png"), toPath: path("data/JPEGImages/f.png"))
    let outcome = try apply("suggest", ["data/JPEGImages"], to: "next", ["-n", "50"])
    XCTAssertTrue(outcome.output.contains("1 of the images are labeled already"), outcome.output)
    XCTAssertTrue(outcome.output.contains("1 of the images are for validation"), outcome.output)
    XCTAssertTrue(outcome.output.contains("1 near-duplicates"), outcome.output)
    XCTAssertTrue(outcome.output.contains("-n 50 is more than there are: 4 of 5"), outcome.output)
    let suggested = try lines(of: "next/suggested.txt")
    XCTAssertEqual(Set(suggested), suggested.contains("d") ? ["b", "c", "d", "e"] : ["b", "c", "f", "e"])
  }

  /// Equal names in two folders, and names in other letters, have files of their own.
  func testNamesThatCollide() throws {
    for (number, name) in ["x/im.png", "y/im.png", "y/IM.jpg.png"].enumerated() {
      try write(name, [])
      try ImageFile.writePNG(fixtureImage("collision \(number)", height: 40 + number, width: 40), to: path(name))
    }
    try apply("suggest", ["x/im.png", "y/im.png", "y/IM.jpg.png"], to: "next", ["-n", "3"])
    let all = try json(XCTUnwrap(lines(of: "next/suggestions.json").first))
    let masks = try XCTUnwrap(all["suggestions"] as? [[String: Any]]).map { entry -> (String, Int) in
      let mask = try XCTUnwrap(entry["mask"] as? String)
      return (mask.lowercased(), try ImageFile.readLabels(path(mask)).height)
    }
    XCTAssertEqual(Set(masks.map(\.0)).count, 3, "\(masks)")
    XCTAssertEqual(Set(masks.map(\.1)), [40, 41, 42])
  }

  func testUnreadableImages() throws {
    try write("data/JPEGImages/b.png", "no image")
    let outcome = try apply("suggest", ["data/rest.txt"], to: "next", ["-n", "4"], ranks: 2, status: 3)
    XCTAssertTrue(outcome.errors.contains("b.png"), outcome.summary)
    XCTAssertEqual(Set(try lines(of: "next/suggested.txt")), ["c", "d", "e"])
  }

  func testRefusals() throws {
    try write("full/kept.txt", "x")
    let line = ["suggest", "--checkpoint", "x.h5"]
    try assertRefused(line + ["-o", "full", "data/rest.txt"], saying: "full is there already", "kept.txt")
    try assertRefused(line + ["-o", "full/kept.txt", "data/rest.txt"], saying: "is a file")
    try assertRefused(line + ["-o", "n", "gone.png"], saying: "gone.png")
    try assertRefused(
      line + ["-o", "n", "data/JPEGImages/a.png"], saying: "there is no image to choose from", "labeled already")
    XCTAssertEqual(try run(line + ["-o", "n", "-n", "0", "data/rest.txt"]).status, 64)
    // The unlabeled list is the one that the configuration names.
    try assertRefused(line + ["-o", "n", "--set", "data.unlabeled=gone.txt"], saying: "gone.txt")
  }

  /// Suggested, labeled by copying the masks, and trained on: partly labeled masks as they are.
  func testTheLoop() throws {
    try apply("suggest", [], to: "next", ["-n", "2", "--set", "data.unlabeled=rest.txt", "--unreliable", "0.4"])
    let take = ["--take", "data/none", "--take", "next/suggested.txt"]
    let split = try run(["data", "split", "data/none", "data/rest.txt", "-o", "data/splits"] + take)
    XCTAssertEqual(split.status, 0, split.summary)
    XCTAssertEqual(
      Set(try lines(of: "data/splits/3/labeled.txt")), Set(["a"] + (try lines(of: "next/suggested.txt"))))
    XCTAssertEqual(try lines(of: "data/splits/3/unlabeled.txt").count, 2)
    for name in try lines(of: "next/suggested.txt") {
      try FileManager.default.removeItem(atPath: path("data/SegmentationClass/\(name).png"))
      try FileManager.default.copyItem(
        atPath: path("next/masks/\(name).png"), toPath: path("data/SegmentationClass/\(name).png"))
    }
    try write(
      "mine.yaml",
      tinyConfiguration(
        data: "{kind: voc, root: data, labeled: splits/3/labeled.txt, unlabeled: splits/3/unlabeled.txt, "
          + "validation: val.txt, classes: 11}"))
    let trained = try run(training("run", ["u2pl.high_rank=8", "u2pl.low_rank=3"], config: "mine.yaml"), limit: 120)
    XCTAssertEqual(trained.status, 0, trained.summary)
  }
}
