import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// Lists, images and masks that cannot be trained on: one message, at once, whichever rank finds them.
final class BadDataTests: CommandTestCase {
  /// Four images `a` to `d` in VOC's layout, 33×33, with four classes; every list holds all of them.
  override func setUpWithError() throws {
    try super.setUpWithError()
    for (i, name) in ["a", "b", "c", "d"].enumerated() {
      let pixels = (0..<33 * 33 * 3).map { UInt8($0 * (i + 3) % 251) }
      let image = "data/JPEGImages/\(name).png"
      try write(image, [])
      try ImageFile.writePNG(Raster(height: 33, width: 33, pixels: pixels), to: path(image))
      try writeMask(name, side: 33) { UInt8(($0 / 99 + i) % 4) }
    }
    for list in ["labeled", "unlabeled", "val"] { try write("data/\(list).txt", "a\nb\nc\nd\n") }
    try write(
      "voc.yaml",
      tinyConfiguration(
        data: "{kind: voc, root: data, labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt, "
          + "classes: 4, shuffle: off}"))
  }

  private func writeMask(_ name: String, side: Int, _ value: (Int) -> UInt8) throws {
    let mask = "data/SegmentationClass/\(name).png"
    try write(mask, [])
    try ImageFile.writePNG(
      LabelMap(height: side, width: side, values: (0..<side * side).map(value)), palette: nil, to: path(mask))
  }

  /// Puts a JPEG of 20×14 pixels in the place of image `c`, with a mask that fits.
  private func replaceImageC(by bytes: some Sequence<UInt8>) throws {
    try FileManager.default.removeItem(atPath: path("data/JPEGImages/c.png"))
    try write("data/JPEGImages/c.jpg", bytes)
    let mask = LabelMap(height: 14, width: 20, values: [UInt8](repeating: 1, count: 280))
    try ImageFile.writePNG(mask, palette: nil, to: path("data/SegmentationClass/c.png"))
  }

  private func assertNotTrained(
    _ settings: [String] = [], at ranks: [Int?] = [nil, 2], saying parts: String..., file: StaticString = #filePath,
    line: UInt = #line
  ) throws {
    try assertRefused(training("run", settings, config: "voc.yaml"), at: ranks, saying: parts, file: file, line: line)
  }

  /// Without this, the other tests could pass for reasons of their own.
  func testThatNothingElseIsWrong() throws {
    try replaceImageC(by: JPEG.color)
    for ranks in [nil, 2] {
      let outcome = try run(training("run\(ranks ?? 1)", config: "voc.yaml"), ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertEqual(outcome.errors, "")
    }
  }

  func testAListThatIsMissing() throws {
    try assertNotTrained(["data.labeled=splits/92.txt"], saying: "splits/92.txt", "no such list", "data/splits/92.txt")
    try assertNotTrained(["data.unlabeled=u.txt"], at: [nil], saying: "u.txt", "no such list")
    try assertNotTrained(["data.validation=v.txt"], at: [nil], saying: "v.txt", "no such list")
    try assertNotTrained(
      ["data.root=nowhere"], at: [nil], saying: "--set data.root=nowhere: data.root: there is no folder 'nowhere'")
  }

  func testAListThatNamesAMissingImage() throws {
    try write("data/unlabeled.txt", "a\n\nb\nmissing\nd\n")
    try assertNotTrained(saying: "data/unlabeled.txt, line 4", "missing", "JPEGImages/missing.jpg")
  }

  func testAListThatNamesAnImageWithoutMask() throws {
    try FileManager.default.removeItem(atPath: path("data/SegmentationClass/d.png"))
    try assertNotTrained(saying: "data/labeled.txt, line 4", "image d has no mask", "SegmentationClass/d.png")
  }

  func testAnImageAndAMaskOfDifferentSizes() throws {
    try writeMask("b", side: 32) { _ in 0 }
    try assertNotTrained(saying: "JPEGImages/b.png", "SegmentationClass/b.png", "33×33", "32×32")
  }

  func testAMaskWithAValueThatIsNoClass() throws {
    try writeMask("d", side: 33) { $0 == 34 ? 4 : $0 == 0 ? 255 : 3 }
    try assertNotTrained(saying: "SegmentationClass/d.png", "value 4", "x 1, y 1", "0 to 3", "255")
  }

  func testATruncatedJPEG() throws {
    try replaceImageC(by: JPEG.color.prefix(JPEG.color.count * 2 / 3))
    try assertNotTrained(saying: "JPEGImages/c.jpg", "incomplete", "again")
  }

  /// On two ranks, the first has two images of one size, and only the second sees that not all are.
  func testImagesOfDifferentSizesInABatch() throws {
    try replaceImageC(by: JPEG.color)
    let settings = ["augment=off", "batch.labeled=4", "batch.unlabeled=4"]
    for ranks in [nil, 2, 4] {
      let outcome = try run(
        training("run\(ranks ?? 1)", settings, config: "voc.yaml"), ranks: ranks, limit: patience)
      XCTAssertGreaterThan(outcome.status, 0, outcome.summary)
      XCTAssertEqual(outcome.errors.components(separatedBy: "u2pl: error:").count, 2, outcome.summary)
      XCTAssertTrue(outcome.errors.contains("augment.crop"), outcome.summary)
    }
  }

  /// A list to evaluate is looked over before the first image; what only decoding finds ends all ranks just as well.
  func testDamagedValidationImages() throws {
    let trained = try run(training("run", ["schedule.epochs=1"], config: "voc.yaml"))
    XCTAssertEqual(trained.status, 0, trained.summary)
    let evaluate = ["evaluate", "--checkpoint", "run/checkpoints/latest", "--confusion", "c.csv"]
    let good = try run(evaluate, ranks: 2)
    XCTAssertEqual(good.status, 0, good.summary)
    // The second rank's second image.
    try write("data/val.txt", "a\nb\nd\nc\n")
    try replaceImageC(by: JPEG.color.prefix(JPEG.color.count * 2 / 3))
    try assertRefused(evaluate, saying: "JPEGImages/c.jpg", "incomplete", "again")
    try write("data/JPEGImages/c.jpg", JPEG.color.prefix(JPEG.color.count - 60) + JPEG.color.suffix(2))
    try assertRefused(evaluate, saying: "JPEGImages/c.jpg", "damaged", "again")
    try write("data/JPEGImages/c.jpg", JPEG.color)
    try writeMask("a", side: 33) { _ in 9 }
    try assertRefused(evaluate, saying: "SegmentationClass/a.png", "value 9")
  }

  /// Image `c` is damaged inside, and first needed in step 2, by the second of two ranks.
  private func damageImageC() throws {
    let bytes = JPEG.color
    try replaceImageC(by: bytes.prefix(bytes.count - 60) + bytes.suffix(2))
    try write("data/labeled.txt", "a\nb\nd\na\nb\nc\n")
    try write("data/unlabeled.txt", "a\nb\n")
    try write("data/val.txt", "a\nb\n")
  }

  /// Such a file is found before the first step, wherever files are looked over, with the list and the line that name it.
  func testAJPEGWithAPieceMissingInside() throws {
    try damageImageC()
    let place = "data/labeled.txt, line 6: data/JPEGImages/c.jpg: is damaged"
    try assertNotTrained(saying: place, "copy or export it again")
    try assertRefused(training("run", config: "voc.yaml") + ["--dry-run"], saying: place)
    let pack = try run(["data", "pack", "voc.yaml", "-o", "x.h5"], ranks: 2)
    XCTAssertEqual(pack.status, 2, pack.summary)
    XCTAssertTrue(pack.output.contains(place), pack.summary)
    // A launch does not try it again.
    let launch = try run(["launch", "-n", "2", "--backoff", "0.1", "--"] + training("run", config: "voc.yaml"))
    XCTAssertEqual(launch.status, 2, launch.summary)
    XCTAssertTrue(launch.output.contains("launch: this is not tried again"), launch.summary)
    XCTAssertFalse(launch.output.contains("attempt 2"), launch.summary)
  }

  /// Where images are not decoded first, it is found when its pixels are needed, by the one rank whose slot it is in.
  func testADamagedImageThatIsNotLookedFor() throws {
    try damageImageC()
    for ranks in [nil, 2] {
      let outcome = try run(
        training("run\(ranks ?? 1)", ["data.verify=off"], config: "voc.yaml"), ranks: ranks, limit: patience)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error:") }
      XCTAssertEqual(messages.count, 1, outcome.summary)
      XCTAssertTrue(
        messages.first?.contains("step 2: data/labeled.txt, line 6: data/JPEGImages/c.jpg: ") == true, outcome.summary)
      XCTAssertEqual(try metrics("run\(ranks ?? 1)").count, 3, "two steps and an evaluation come before it")
    }
  }

  /// The last words of a rank other than 0 reach the launch, which tries it twice: from the beginning, and from the checkpoint
  /// before the step. An image that is damaged both times is input.
  func testALaunchIsToldWhatOneRankHasFound() throws {
    try damageImageC()
    let line =
      ["launch", "-n", "2", "--backoff", "0.1", "--"] + training("run", ["data.verify=off"], config: "voc.yaml")
    let outcome = try run(line)
    XCTAssertEqual(outcome.status, 2, outcome.summary)
    XCTAssertTrue(
      outcome.output.contains(
        #/launch:   attempt 2, .* from step 2, to step 2: rank 1 on localhost ended with exit code 2: step 2: .*c\.jpg: /#
      ), outcome.summary)
    XCTAssertTrue(
      outcome.output.contains(
        "launch: this is not tried again: two attempts have been refused the same input (exit code 2)"),
      outcome.summary)
    let events = try String(contentsOfFile: path("run/logs/events-0001.jsonl"), encoding: .utf8)
      .split(separator: "\n").map { try json(String($0)) }
    XCTAssertEqual(events.count, 2)
    XCTAssertEqual(Set(events.compactMap { $0["attempt"] as? String }).count, 2)
    for event in events {
      XCTAssertEqual(event["event"] as? String, "failed")
      XCTAssertEqual(event["rank"] as? Int, 1)
      XCTAssertEqual(event["step"] as? Int, 2)
      XCTAssertEqual(event["code"] as? Int, 2)
      XCTAssertEqual(event["host"] as? String, ProcessInfo.processInfo.hostName)
    }
  }
}
