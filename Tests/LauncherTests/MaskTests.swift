import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// Masks that teach nothing, or not what they are meant to: said at the start, by `data check`, and beside evaluations.
final class MaskTests: CommandTestCase {
  private let side = 33

  /// Four labeled, four unlabeled and two validation images of a background and, on a third of it, a thing.
  ///
  /// - Parameter stored: what masks store for the two.
  private func make(background: UInt8, thing: UInt8, share: Int = 3) throws {
    for index in 0..<10 {
      let inside = { (p: Int) in p % (self.side * self.side) < self.side * self.side / share }
      let values = (0..<side * side).map { inside($0) ? thing : background }
      let pixels = (0..<side * side * 3).map { UInt8((inside($0 / 3) ? 180 : 40) + ($0 * 7 + index) % 30) }
      for folder in ["images", "labels"] { try write("data/\(folder)/\(index).png", []) }
      try ImageFile.writePNG(
        Raster(height: side, width: side, pixels: pixels), to: path("data/images/\(index).png"))
      try ImageFile.writePNG(
        LabelMap(height: side, width: side, values: values), palette: nil, to: path("data/labels/\(index).png"))
    }
    try write("data/labeled.txt", "0\n1\n2\n3\n")
    try write("data/unlabeled.txt", "4\n5\n6\n7\n")
    try write("data/val.txt", "8\n9\n")
    try write("data/classes.txt", "background\nthing\n")
    try write(
      "mine.yaml",
      tinyConfiguration(
        data: "{kind: folder, root: data, labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt}"))
  }

  private func check(_ settings: [String] = [], ranks: Int? = nil) throws -> Command.Outcome {
    try run(["data", "check", "mine.yaml"] + settings.flatMap { ["--set", $0] }, ranks: ranks)
  }

  /// What each command has to say, at one rank and at two; all end with `status`.
  private func assertSaid(
    _ parts: [String], status: Int32 = 0, _ settings: [String] = [], file: StaticString = #filePath, line: UInt = #line
  ) throws {
    for ranks in [nil, 2] {
      let name = "run-\(UUID().uuidString)"
      let training = training(name, settings, config: "mine.yaml")
      var outcomes = try [check(settings, ranks: ranks), run(training, ranks: ranks)]
      // A calibration takes a while.
      if ranks == nil { outcomes.append(try run(training + ["--dry-run"])) }
      for outcome in outcomes {
        XCTAssertEqual(outcome.status, status, outcome.summary, file: file, line: line)
        for part in parts where !(outcome.output + outcome.errors).contains(part) {
          XCTFail("“\(part)” is not said: \(outcome.summary)", file: file, line: line)
        }
        XCTAssertFalse(outcome.output.contains("nothing is wrong"), outcome.summary, file: file, line: line)
      }
      guard status == 0 else { continue }
      let log = try String(contentsOfFile: path("\(name)/logs/rank-0000.log"), encoding: .utf8)
      for part in parts where !log.contains(part) { XCTFail("“\(part)” is not in the log", file: file, line: line) }
    }
  }

  func testMasksOf0And255() throws {
    try make(background: 0, thing: 255)
    try assertSaid([
      "warning: no labeled mask shows thing, and 33.3 % of their pixels are 255, which is ignored",
      "--set 'data.label_map={0: background, 255: thing}'", "{0: thing, 255: background} if the masks are inverted",
    ])
    // The advice, followed.
    let mapped = ["data.label_map={0: background, 255: thing}"]
    let checked = try check(mapped)
    XCTAssertTrue(checked.output.contains("nothing is wrong"), checked.summary)
    let trained = try run(training("mapped", mapped, config: "mine.yaml"))
    XCTAssertEqual(trained.status, 0, trained.summary)
    XCTAssertFalse(trained.output.contains("no labeled mask shows"), trained.output)
  }

  func testInvertedMasks() throws {
    try make(background: 255, thing: 0)
    try assertSaid([
      "no labeled mask shows thing, and 66.7 % of their pixels are 255", "{0: thing, 255: background} if the masks are",
    ])
  }

  func testMasksOfBackgroundAlone() throws {
    try make(background: 0, thing: 0)
    try assertSaid(["warning: no labeled mask shows thing"])
  }

  func testMasksWithoutALabeledPixel() throws {
    try make(background: 255, thing: 255)
    try assertSaid(
      ["the masks of the labeled list have no pixel of a class", "all pixels are 255", "data.label_map"], status: 2)
    // A slip in the map of sound masks.
    try make(background: 0, thing: 255)
    try assertSaid(
      ["the masks of the labeled list have no pixel of a class", "data.label_map gives none of them a class"],
      status: 2,
      ["data.label_map={0: ignore, 1: thing, other: ignore}"])
  }

  /// A sound training list does not help an evaluation without a pixel.
  func testAValidationListWithoutALabeledPixel() throws {
    try make(background: 0, thing: 1)
    let trained = try run(training("run", config: "mine.yaml"))
    XCTAssertEqual(trained.status, 0, trained.summary)
    for index in 8..<10 {
      try ImageFile.writePNG(
        LabelMap(height: side, width: side, values: [UInt8](repeating: 255, count: side * side)), palette: nil,
        to: path("data/labels/\(index).png"))
    }
    let says = "the masks of the validation list have no pixel of a class"
    try assertRefused(["evaluate", "--checkpoint", "run/checkpoints/latest"], saying: says)
    try assertRefused(training("again", config: "mine.yaml"), saying: says)
    let checked = try check()
    XCTAssertEqual(checked.status, 2, checked.summary)
    XCTAssertTrue(checked.output.contains(says), checked.summary)
  }

  /// Two of four labeled images show nothing: every other step of two images has no labeled pixel.
  func testStepsWithoutALabeledPixel() throws {
    try make(background: 0, thing: 1)
    for index in 2..<4 {
      try ImageFile.writePNG(
        LabelMap(height: side, width: side, values: [UInt8](repeating: 255, count: side * side)), palette: nil,
        to: path("data/labels/\(index).png"))
    }
    let settings = ["data.shuffle=off", "loss.ohem={min_kept: 100}", "loss.dice=0.5", "schedule.epochs=2"]
    for ranks in [nil, 2] {
      let name = "run\(ranks ?? 1)"
      let outcome = try run(training(name, settings, config: "mine.yaml"), ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      let steps = try metrics(name).map(json).filter { $0["loss"] != nil }
      XCTAssertEqual(steps.map { $0["labeled_pixels"] as? Int }, [nil, 0, nil, 0])
      for step in steps {
        let supervised = try XCTUnwrap(step["supervised"] as? Double)
        XCTAssertTrue(step["labeled_pixels"] == nil ? supervised > 0 : supervised == 0, "\(step)")
      }
      let log = try String(contentsOfFile: path("\(name)/logs/rank-0000.log"), encoding: .utf8)
      for text in [outcome.output, log] {
        let first = text.ranges(of: "step 1: no pixel of the labeled images counts, since all of them are ignored")
        XCTAssertEqual(first.count, 1, text)
        XCTAssertTrue(text.contains("2 of 4 steps had no labeled pixel that counts"), text)
      }
    }
    try assertSame("run1", "run2", lastStep: 4)
    // Of a class of weight 0 they do not count either; and a run in which all do says nothing.
    let weighed = try run(training("weighed", ["loss.class_weights=[0, 1]", "data.shuffle=off"], config: "mine.yaml"))
    XCTAssertTrue(weighed.output.contains("3 of 6 steps had no labeled pixel that counts"), weighed.summary)
    try make(background: 0, thing: 1)
    let whole = try run(training("whole", settings, config: "mine.yaml"))
    XCTAssertFalse(whole.output.contains("no labeled pixel"), whole.summary)
    XCTAssertFalse(try metrics("whole").contains { $0.contains("labeled_pixels") })
  }

  /// Masks that were made smaller as photographs are: between two classes lie values of others, or of none.
  func testMasksThatWereInterpolated() throws {
    try make(background: 0, thing: 1)
    func mask(_ value: (Int, Int) -> Int) throws {
      let values = (0..<side * side).map { UInt8(value($0 % side, $0 / side)) }
      try ImageFile.writePNG(
        LabelMap(height: side, width: side, values: values), palette: nil, to: path("data/labels/1.png"))
    }
    // A disc of 200 on 0 with a soft edge, as bilinear interpolation leaves it.
    try mask { x, y in
      let distance = (Double((x - 16) * (x - 16) + (y - 16) * (y - 16))).squareRoot()
      return Int((200 * min(1, max(0, (12.3 - distance) / 3))).rounded())
    }
    let settings = ["data.label_map={0: background, 200: thing}"]
    try write("data/labeled.txt", "1\n")
    for command in [
      training("run", settings, config: "mine.yaml"), ["data", "check", "mine.yaml", "--set", settings[0]],
    ] {
      let outcome = try run(command)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      let said = outcome.output + outcome.errors
      XCTAssertTrue(
        said.contains("looks interpolated, since these values lie along edges: resize masks with nearest"), said)
      let list = try XCTUnwrap(said.firstMatch(of: /is no class, and with ([0-9, ]+) and (\d+) more values \(/), said)
      XCTAssertEqual(list.1.split(separator: ",").count, 6, said)
    }
    // Areas that somebody has drawn are no edges.
    try mask { x, y in x / 8 * 5 + y / 8 * 25 + 50 }
    let drawn = try run(training("run", settings, config: "mine.yaml"))
    XCTAssertEqual(drawn.status, 2, drawn.summary)
    XCTAssertFalse(drawn.errors.contains("interpolated"), drawn.summary)
    XCTAssertTrue(drawn.errors.contains("data.label_map lists 0, 200; add the value there"), drawn.summary)
  }

  func testRareClasses() throws {
    try make(background: 0, thing: 1, share: 400)
    // 2 of 1089 pixels.
    try assertSaid(["warning: rare in the labeled masks: thing (0.18 %)", "data.balance", "loss.class_weights"])
    let checked = try check(["data.balance=0.5"])
    XCTAssertTrue(checked.output.contains("nothing is wrong"), checked.summary)
    let weights = try XCTUnwrap(
      checked.output.firstMatch(of: /--set '(loss.class_weights=\[[^\]]*\])'/), checked.output)
    // Half of all pixels over a class's own, 100 at most.
    XCTAssertEqual(String(weights.1), "loss.class_weights=[0.501, 100]")
    let trained = try run(training("weighed", [String(weights.1)], config: "mine.yaml"))
    XCTAssertEqual(trained.status, 0, trained.summary)
    XCTAssertFalse(trained.output.contains("rare in the labeled masks"), trained.output)
  }

  /// The mean over two classes of which one is never found reads like half right.
  func testEvaluationsNameClassesThatAMeanHides() throws {
    try make(background: 0, thing: 1, share: 400)
    let settings = ["data.classes=[background, thing, other]", "u2pl.enabled=off", "optimizer.learning_rate=0.2"]
    let outcome = try run(training("run", settings, config: "mine.yaml"))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let lines = outcome.output.split(separator: "\n").filter { $0.contains("mIoU") }
    XCTAssertEqual(lines.count, 3, outcome.output)
    for line in lines { XCTAssertTrue(line.hasSuffix("without a pixel: other"), outcome.output) }
    let evaluated = try run(["evaluate", "--checkpoint", "run/checkpoints/latest"])
    let last = try XCTUnwrap(evaluated.output.split(separator: "\n").last, evaluated.summary)
    XCTAssertTrue(last.hasPrefix("mIoU ") && last.hasSuffix("without a pixel: other"), evaluated.output)
    let missed = try XCTUnwrap(evaluated.output.firstMatch(of: #/thing +([0-9.]+|–) /#), evaluated.output)
    XCTAssertEqual(missed.1 == "0.00", last.contains("IoU 0: thing"), evaluated.output)
    XCTAssertTrue(last.contains("IoU 0: thing"), evaluated.output)
  }
}
