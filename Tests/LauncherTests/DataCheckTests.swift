import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// `u2pl data check` reads everything and says all that is wrong, on any number of ranks.
final class DataCheckTests: CommandTestCase {
  private let images = ["a", "b", "c", "d", "e", "f"]

  /// Six images of 20×14 with masks of the classes 0 to 3, where image i has i pixels of class 3 and one that is ignored.
  override func setUpWithError() throws {
    try super.setUpWithError()
    for (i, name) in images.enumerated() {
      try write("data/images/\(name).jpg", JPEG.color)
      try mask(name) { $0 < i ? 3 : $0 == 100 ? 255 : UInt8($0 % 3) }
    }
    try write("data/classes.txt", "sky\ntree\nroad\ncar\n")
    try write("data/labeled.txt", "a\nb\nc\nd\n")
    try write("data/unlabeled.txt", "a\ne\nf\n")
    try write("data/val.txt", "e\nf\n")
    try write(
      "check.yaml",
      tinyConfiguration(
        data: "{kind: folder, root: data, labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt}"))
  }

  private func mask(_ name: String, width: Int = 20, _ value: (Int) -> UInt8) throws {
    let file = "data/labels/\(name).png"
    try write(file, [])
    try ImageFile.writePNG(
      LabelMap(height: 14, width: width, values: (0..<14 * width).map(value)), palette: nil, to: path(file))
  }

  /// The output without the time.
  private func check(_ settings: [String] = [], ranks: Int? = nil) throws -> Command.Outcome {
    try run(["data", "check", "check.yaml"] + settings.flatMap { ["--set", $0] }, ranks: ranks, limit: 30)
  }

  /// What it shows, without the time it took and what is said of the machine.
  private func text(_ outcome: Command.Outcome) -> String {
    outcome.output.replacing(/in [0-9.]+ s/, with: "in time").replacing(/(warning|note: mpirun).*\n/, with: "")
  }

  func testASoundDataSet() throws {
    let alone = try check()
    XCTAssertEqual(alone.status, 0, alone.summary)
    // Masks have 280 pixels; those of the labeled images 4 · 1 ignored and 0 + 1 + 2 + 3 of class 3.
    for part in [
      "data.kind folder, data, 4 classes", "6 images read in time: nothing is wrong",
      "note: 2 images of the validation list are unlabeled ones too (data/images/e.jpg, data/images/f.jpg)",
    ] {
      XCTAssertTrue(text(alone).contains(part), "lacks \(part): \(alone.output)")
    }
    let rows = text(alone).split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    XCTAssertTrue(rows.contains(["labeled", "4", "20×14", "20×14", "0.36", "%"]), alone.output)
    XCTAssertTrue(rows.contains(["unlabeled", "3", "20×14", "20×14", "–"]), alone.output)
    XCTAssertTrue(rows.contains(["validation", "2", "20×14", "20×14", "0.36", "%"]), alone.output)
    XCTAssertTrue(rows.contains(["car", "0.54", "3", "1.61", "2"]), alone.output)
    XCTAssertTrue(rows.contains(["ignore", "0.36", "4", "0.36", "2"]), alone.output)
    for ranks in [2, 3] {
      let shared = try check(ranks: ranks)
      XCTAssertEqual(shared.status, 0, shared.summary)
      XCTAssertEqual(text(shared), text(alone))
    }
  }

  func testEverythingThatIsWrongIsTold() throws {
    try write("data/labeled.txt", "a\nnone\nb\nc\nd\na\n")
    try FileManager.default.removeItem(atPath: path("data/labels/a.png"))
    try write("data/images/b.jpg", JPEG.color.dropLast(30))
    try mask("c", width: 21) { _ in 0 }
    try mask("d") { $0 == 41 ? 9 : $0 == 3 ? 4 : 1 }
    try write("data/images/e.jpg", Array("GIF89a".utf8))
    try write("data/images/f.jpg", JPEG.color.prefix(JPEG.color.count - 60) + JPEG.color.suffix(2))
    let expected = [
      "data/labeled.txt, line 1: image a has no mask", "data/labeled.txt, line 2: image none does not exist",
      "data/labeled.txt, line 6: image a has no mask",
      "data/labeled.txt, line 3: data/images/b.jpg: is damaged or incomplete",
      "data/labeled.txt, line 4: data/images/c.jpg and data/labels/c.png: the image is 20×14 pixels but the mask 21×14",
      "data/labeled.txt, line 5: data/labels/d.png: value 4 at pixel (x 3, y 0) is no class, and with 9 (2 pixels)",
      "data/val.txt, line 1: data/images/e.jpg: is neither a JPEG nor a PNG",
      "data/val.txt, line 2: data/images/f.jpg: is damaged",
    ]
    var first: String?
    for ranks in [nil, 2] {
      let outcome = try check(ranks: ranks)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      for line in expected { XCTAssertTrue(outcome.output.contains(line), "lacks \(line): \(outcome.summary)") }
      XCTAssertTrue(outcome.output.contains("\(expected.count) problems:\n"), outcome.summary)
      XCTAssertTrue(
        outcome.errors.contains("u2pl: error: check.yaml: \(expected.count) problems in the data"), outcome.summary)
      XCTAssertEqual(text(outcome), first ?? text(outcome))
      first = first ?? text(outcome)
    }
  }

  func testListsThatAreMissing() throws {
    let outcome = try check(["data.labeled=no.txt", "data.validation=none.txt"], ranks: 2)
    XCTAssertEqual(outcome.status, 2, outcome.summary)
    for part in ["no.txt: no such list", "none.txt: no such list", "2 problems:", "3 images read"] {
      XCTAssertTrue(outcome.output.contains(part), "lacks \(part): \(outcome.summary)")
    }
    let nowhere = try check(["data.root=nowhere", "data.classes=4"])
    XCTAssertEqual(nowhere.status, 2, nowhere.summary)
    XCTAssertTrue(nowhere.output.contains("data.root: there is no folder 'nowhere'"), nowhere.summary)
    XCTAssertTrue(nowhere.output.contains("1 problem:"), nowhere.summary)
    try assertRefused(["data", "check", "none.yaml"], saying: "none.yaml", "no such file")
  }

  func testSizesWithoutACrop() throws {
    try write("data/images/f.jpg", [])
    try FileManager.default.removeItem(atPath: path("data/images/f.jpg"))
    try ImageFile.writePNG(
      Raster(height: 14, width: 19, pixels: [UInt8](repeating: 1, count: 798)), to: path("data/images/f.png"))
    try mask("f", width: 19) { _ in 0 }
    XCTAssertEqual(try check().status, 0)
    let outcome = try check(["augment=off"], ranks: 2)
    XCTAssertEqual(outcome.status, 2, outcome.summary)
    XCTAssertTrue(outcome.output.contains("data/unlabeled.txt, line 3: f is 19×14, a 20×14"), outcome.summary)
  }

  func testNotes() throws {
    try write("data/labeled.txt", "a\na\ne\n")
    try mask("e") { _ in 1 }
    try mask("a") { _ in 1 }
    let outcome = try check()
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    for part in [
      "note: the labeled list names 1 image more than once",
      "note: 1 image of the validation list is a labeled one too (data/images/e.jpg)",
      "note: 2 images of the unlabeled list are labeled ones too (data/images/a.jpg, data/images/e.jpg)",
      "warning: no labeled mask shows sky, road, car", "nothing that stops a run, but see the warning",
    ] {
      XCTAssertTrue(outcome.output.contains(part), "lacks \(part): \(outcome.summary)")
    }
  }

  func testGeneratedImagesCanBeCheckedToo() throws {
    let outcome = try run(["data", "check", "tiny.yaml"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.output.contains("data.kind shapes, 4 classes"), outcome.output)
    XCTAssertTrue(outcome.output.contains("17 images read"), outcome.output)
  }
}
