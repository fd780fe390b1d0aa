import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// `u2pl predict` on bad input: what cannot work is refused at once, one bad image does not stop the rest.
final class BadPredictTests: CommandTestCase {
  override func setUpWithError() throws {
    try super.setUpWithError()
    for name in "abcd" { try write("in/\(name).jpg", JPEG.color) }
    try writeFixtureModel("data", "val.txt")
  }

  private func predict(_ images: [String], _ output: String = "out", _ options: [String] = []) -> [String] {
    ["predict", "--checkpoint", "x.h5", "-o", output] + options + images
  }

  func testDamagedImagesDoNotStopTheRest() throws {
    try write("in/b.jpg", JPEG.color.prefix(JPEG.color.count * 2 / 3))
    try write("in/c.jpg", JPEG.color.prefix(JPEG.color.count - 60) + JPEG.color.suffix(2))
    try write("in/e.png", "no image at all")
    try write("in/f.jpg", JPEG.cmyk)
    try write("in/g.png", [])
    for ranks in [nil, 2] {
      let output = "out\(ranks ?? 1)"
      let outcome = try run(predict(["in"], output), ranks: ranks, limit: patience)
      XCTAssertEqual(outcome.status, 3, outcome.summary)
      XCTAssertTrue(outcome.output.contains("2 images in "), outcome.summary)
      let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error: ") }
      XCTAssertEqual(messages.count, 6, outcome.summary)
      for name in [
        "in/b.jpg: is damaged", "in/c.jpg: is damaged", "in/e.png: is neither", "in/f.jpg: is a CMYK JPEG",
        "in/g.png: the file is empty",
      ] {
        XCTAssertEqual(messages.filter { $0.contains(name) }.count, 1, "\(name): \(outcome.summary)")
      }
      XCTAssertTrue(messages.contains { $0.contains("5 of 7 images could not be read") }, outcome.summary)
      XCTAssertEqual(
        try FileManager.default.contentsOfDirectory(atPath: path("\(output)/index")).sorted(), ["a.png", "d.png"])
    }
  }

  /// Results have an image's name without its ending.
  func testImagesWhoseResultsWouldHaveOneName() throws {
    try write("in/a.png", FileManager.default.contents(atPath: path("in/a.jpg"))!)
    try write("other/a.jpg", JPEG.color)
    let both = "would have results of one name, a.png; "
    try assertRefused(
      predict(["in"]),
      saying: "in/a.jpg and in/a.png \(both)rename or move one of them, or name the images that are meant")
    try assertRefused(
      predict(["in/b.jpg", "other/a.jpg", "in/a.jpg"]), at: [nil],
      saying: "other/a.jpg and in/a.jpg \(both)name a folder that holds both folders, or predict them into two places")
    // The advice, followed.
    try write("meant.txt", "in/a.png\nin/b.jpg\n")
    let outcome = try run(predict(["meant.txt"]))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
  }

  func testNothingIsWrittenOver() throws {
    // Results that would be inputs: by their names, and by a link.
    try ImageFile.writePNG(
      Raster(height: 2, width: 2, pixels: [UInt8](repeating: 9, count: 12)), to: path("in/p.png"))
    for folder in ["here/index", "linked"] {
      try FileManager.default.createDirectory(atPath: path(folder), withIntermediateDirectories: true)
    }
    try FileManager.default.copyItem(atPath: path("in/p.png"), toPath: path("here/index/p.png"))
    try FileManager.default.createSymbolicLink(atPath: path("linked/color"), withDestinationPath: path("in"))
    try assertRefused(
      predict(["here/index/p.png"], "here", ["--overwrite"]), saying: "here/index/p.png", "would replace the image",
      "-o")
    try assertRefused(
      predict(["in/p.png"], "linked", ["--overwrite"]), saying: "linked/color/p.png", "would replace the image in/p.png"
    )

    let first = try run(predict(["in/a.jpg", "in/b.jpg"]))
    XCTAssertEqual(first.status, 0, first.summary)
    try assertRefused(predict(["in/b.jpg", "in/c.jpg"]), saying: "out/classes.csv is there already", "--overwrite")
    let again = try run(predict(["in/b.jpg", "in/c.jpg"], "out", ["--overwrite"]))
    XCTAssertEqual(again.status, 0, again.summary)
  }

  func testPlacesThatCannotBeWritten() throws {
    try write("file", "something")
    try assertRefused(predict(["in"], "file"), saying: "file/", "cannot be made")
    try assertRefused(predict(["in"], "file/out"), saying: "file/out", "cannot be made")
  }

  func testInputThatIsNotThere() throws {
    try FileManager.default.createDirectory(atPath: path("empty"), withIntermediateDirectories: true)
    try write("lines.txt", "in/a.jpg\n\nin/z.jpg\n")
    try write("blank.txt", "\n \n")
    try write("other/a.jpg", JPEG.color)
    try assertRefused(predict(["in/a.jpg", "in/z.jpg"]), saying: "in/z.jpg: there is no such image, folder or list")
    try assertRefused(predict(["empty"]), at: [nil], saying: "empty: no image", ".jpg, .jpeg, .png")
    try assertRefused(predict(["lines.txt"]), at: [nil], saying: "lines.txt, line 3", "tried in/z.jpg", "data.root=")
    try assertRefused(predict(["blank.txt"]), at: [nil], saying: "blank.txt: the list is empty")
    try assertRefused(predict(["in", "other/a.jpg"]), at: [nil], saying: "in/a.jpg and other/a.jpg", "a.png")
    try assertRefused(
      ["predict", "--checkpoint", "none.h5", "-o", "out", "in"], saying: "none.h5")
  }

  func testListsOfOtherPrograms() throws {
    let text = "\u{FEFF}# c\r\nin\\a.jpg\r\nin/b.jpg,labels/b.png\r\n\u{1A}"
    try write("list.txt", XCTUnwrap(text.data(using: .utf16BigEndian)))
    let outcome = try run(predict(["list.txt"]), ranks: 2)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.output.contains("2 images in "), outcome.summary)
  }

  func testOptionsThatCannotBe() throws {
    for (options, says) in [
      (["--opacity", "2"], "--opacity 2.0: from 0 to 1"), (["--mode", "center_crop"], "--mode"),
    ] {
      let outcome = try run(predict(["in"], "out", options), limit: patience)
      XCTAssertEqual(outcome.status, 64, outcome.summary)
      XCTAssertTrue(outcome.errors.contains(says), outcome.summary)
    }
    try assertRefused(predict(["in"], "out", ["--scales", "1,x"]), at: [nil], saying: "evaluate.scales", "'x'")
    try write("palette.txt", "1 2 3\n4 5 256\n")
    try assertRefused(
      predict(["in"], "out", ["--palette", "palette.txt"]), at: [nil], saying: "palette.txt, line 2", "0 to 255")
    try write("palette.txt", "1 2 3\n4 5 6\n")
    try assertRefused(
      predict(["in"], "out", ["--palette", "palette.txt"]), saying: "palette.txt: 2 colours for 11 classes")
    try writeFixtureModel("data", "val.txt", "evaluate: {mode: center_crop}")
    let outcome = try run(predict(["in"]))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.output.contains("(student, whole)"), outcome.summary)
  }
}
