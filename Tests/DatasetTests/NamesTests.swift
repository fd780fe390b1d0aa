import Dataset
import Foundation
import TestSupport
import XCTest

/// Files whose names are not, byte for byte, what a list writes: one rule for all layouts.
final class NamesTests: XCTestCase {
  private let composed = "F\u{E4}hrte", decomposed = "Fa\u{308}hrte"

  private func grey(_ value: UInt8) -> [UInt8] { PNG.grey8(height: 2, width: 3) { _, _ in value } }

  /// Each layout with a list of every form of a line for the image and mask that `files` writes under `name`.
  private func layouts(_ name: String) -> [(layout: FileLayout, image: String, mask: String, lines: [String])] {
    let city = "leftImg8bit/train/x/\(name)_leftImg8bit.png", truth = "gtFine/train/x/\(name)_gtFine_labelTrainIds.png"
    return [
      (
        .folder, "images/\(name).png", "labels/\(name).png",
        [name, "images/\(name).png", "images/\(name).png labels/\(name).png"]
      ),
      (
        .voc, "JPEGImages/\(name).png", "SegmentationClass/\(name).png",
        [name, "JPEGImages/\(name).png", "JPEGImages/\(name).png SegmentationClass/\(name).png"]
      ),
      (.cityscapes, city, truth, [city, "\(city) \(truth)"]),
    ]
  }

  func testEitherUnicodeFormFindsTheFile() throws {
    XCTAssertFalse(composed.utf8.elementsEqual(decomposed.utf8))
    for (listed, stored) in [(composed, decomposed), (decomposed, composed)] {
      for ((layout, image, mask, _), (_, _, _, lines)) in zip(
        layouts("\(stored)/\(stored)"), layouts("\(listed)/\(listed)"))
      {
        let scratch = try Scratch(self)
        try scratch.write(image, grey(7))
        try scratch.write(mask, grey(1))
        try scratch.write("list.txt", lines.joined(separator: "\n").utf8)
        let set = try scratch.open(layout)
        XCTAssertEqual(set.count, lines.count)
        for index in lines.indices {
          XCTAssertEqual(try set.image(index).colors()[0], 7, "\(layout): \(lines[index])")
          XCTAssertEqual(try set.labels(index).values[0], 1, "\(layout): \(lines[index])")
        }
      }
    }
  }

  /// The root and the list, too, and the names in a packed file.
  func testUnicodeFormsOfFoldersAndOfPackedNames() throws {
    let scratch = try Scratch(self)
    try scratch.write("\(decomposed)/images/\(decomposed).png", grey(7))
    try scratch.write("\(decomposed)/labels/\(composed).png", grey(1))
    try scratch.write("\(decomposed)/\(decomposed).txt", "\(decomposed)\n".utf8)
    let root = "\(scratch.path)/\(composed)"
    let set = try FileSet(root: root, list: "\(composed).txt", layout: .folder, classes: 2, labeled: true)
    XCTAssertEqual(try set.labeledImage(0).image.colors()[0], 7)
    var plan = try PackPlan([("l", set)])
    try plan.measure(0)
    let path = scratch.path + "/p.h5"
    _ = try PackWriter.prepare(plan, path)
    let writer = try PackWriter(plan, path)
    try writer.write(0)
    try writer.publish()
    try scratch.write("list.txt", "\(composed)\n".utf8)
    let packed = try PackedSet(PackedFile(path), list: "list.txt", classes: 2, labeled: true)
    XCTAssertEqual(packed.problems.map(\.description), [])
    XCTAssertEqual(try packed.labeledImage(0).image.colors()[0], 7)
  }

  /// Where both forms are there, the bytes decide.
  func testTwoFormsOfAName() throws {
    for (layout, images, masks) in [
      (FileLayout.folder, "images", "labels"), (.voc, "JPEGImages", "SegmentationClass"),
    ] {
      let scratch = try Scratch(self)
      for (name, value) in [(composed, 10), (decomposed, 20)] {
        try scratch.write("\(images)/\(name).png", grey(UInt8(value)))
        try scratch.write("\(masks)/\(name).png", grey(UInt8(value / 10)))
      }
      try scratch.write("list.txt", "\(decomposed)\n\(composed)\n".utf8)
      let set = try scratch.open(layout)
      XCTAssertEqual(try (0..<2).map { try set.image($0).colors()[0] }, [20, 10])
      XCTAssertEqual(try (0..<2).map { try set.labels($0).values[0] }, [2, 1])
    }
  }

  func testEndingsInAnyCase() throws {
    for (layout, image, mask, lines) in layouts("a") {
      let scratch = try Scratch(self)
      try scratch.write(image.dropLast(3) + "PNG", grey(7))
      try scratch.write(mask.dropLast(3) + "Png", grey(1))
      try scratch.write("list.txt", lines.joined(separator: "\n").utf8)
      let set = try scratch.open(layout)
      for index in lines.indices {
        XCTAssertEqual(try set.image(index).colors()[0], 7, "\(layout): \(lines[index])")
        XCTAssertEqual(try set.labels(index).values[0], 1, "\(layout): \(lines[index])")
      }
    }
    for name in ["a.JPG", "a.Jpeg", "a.JPEG", "a.Jpg"] {
      let scratch = try Scratch(self)
      try scratch.writePair(list: "a\nJPEGImages/a.jpg\na.jpg\nSegmentationClass/a.png\n")
      try FileManager.default.moveItem(
        atPath: scratch.path + "/JPEGImages/a.jpg", toPath: scratch.path + "/JPEGImages/\(name)")
      XCTAssertEqual(try scratch.open().count, 4, name)
    }
    // What a list has always meant goes first.
    let scratch = try Scratch(self)
    try scratch.writePair()
    for name in ["a.JPG", "a.png", "a.PNG"] { try scratch.write("JPEGImages/\(name)", grey(9)) }
    XCTAssertEqual(try scratch.open().image(0).width, 20)
  }

  func testHiddenFilesAreNoImages() throws {
    let appleDouble: [UInt8] = [0, 5, 0x16, 7, 0, 2, 0, 0]
    for (layout, images, masks) in [
      (FileLayout.folder, "images", "labels"), (.voc, "JPEGImages", "SegmentationClass"),
    ] {
      let scratch = try Scratch(self)
      for folder in [images, masks] {
        try scratch.write("\(folder)/a.png", grey(1))
        for name in ["._a.png", "._a.jpg", ".hidden.png", ".DS_Store", "Thumbs.db", "desktop.ini"] {
          try scratch.write("\(folder)/\(name)", appleDouble)
        }
        try scratch.write("\(folder)/folder.png/x", [])
      }
      for list in [images, masks] {
        let set = try FileSet(root: scratch.path, list: list, layout: layout, classes: 2, labeled: true)
        XCTAssertEqual(set.problems.map(\.description), [])
        XCTAssertEqual((0..<set.count).map(set.identifier), ["a"], list)
        XCTAssertNoThrow(try set.check(0))
      }
      try scratch.write("list.txt", "a\n._b\n".utf8)
      try scratch.write("\(images)/._b.png", appleDouble)
      assert(message { try scratch.open(layout) }, names: "list.txt, line 2", "hidden file, which is no image")
    }
    let scratch = try Scratch(self)
    try scratch.write("images/._a.png", appleDouble)
    assert(
      message { try FileSet(root: scratch.path, list: "images", layout: .folder, classes: 2, labeled: false) },
      names: scratch.path + "/images", "no JPEG or PNG")
  }

  func testNamesThatAreNotUTF8() throws {
    let scratch = try Scratch(self)
    try scratch.write("images/a.png", grey(1))
    let path = Array("\(scratch.path)/images/Gr".utf8) + [0xF6, 0xDF] + Array("e.png\0".utf8)
    let file = path.withUnsafeBytes {
      open($0.baseAddress!.assumingMemoryBound(to: CChar.self), O_CREAT | O_WRONLY, 0o600)
    }
    guard file >= 0 else { throw XCTSkip("SKIPPED: this file system takes UTF-8 names only") }
    close(file)
    assert(
      message { try FileSet(root: scratch.path, list: "images", layout: .folder, classes: 2, labeled: false) },
      names: "images/Gr\\xF6\\xDFe.png", "is not UTF-8", "convmv")
    try scratch.write("list.txt", "a\nGr\u{F6}\u{DF}e\n".utf8)
    assert(
      message { try scratch.open(.folder, labeled: false) }, names: "list.txt, line 2",
      "there is images/Gr\\xF6\\xDFe.png",
      "not UTF-8", "convmv")
  }

  func testWhatIsNearlyIt() throws {
    let cases: [(file: String, line: String, near: String)] = [
      ("images/IM 01.png", "im_01", "there is images/IM 01.png"), ("images/b.bmp", "b", "there is images/b.bmp"),
      ("images/c.webp", "c.jpg", "there is images/c.webp"), ("Images/d.png", "d", "no folder images, but Images"),
      ("images/Fahrte.png", composed, "there is images/Fahrte.png"),
      ("images/e.png", "images/E.png labels/e.png", "there is images/e.png"),
      ("images/f.png", "images/f.jpg labels/f.png", "there is images/f.png"),
    ]
    for (file, line, near) in cases {
      let scratch = try Scratch(self)
      try scratch.write(file, grey(1))
      try scratch.write("list.txt", "\(line)\n".utf8)
      assert(message { try scratch.open(.folder, labeled: false) }, names: "list.txt, line 1", near)
    }
    let scratch = try Scratch(self)
    try scratch.write("images/a.png", grey(1))
    try scratch.write("labels/a_mask.png", grey(1))
    try scratch.write("list.txt", "a\n".utf8)
    assert(message { try scratch.open(.folder) }, names: "line 1", "image a has no mask", "there is labels/a_mask.png")
    try scratch.write("SegmentationClass/a.tif", grey(1))
    try scratch.write("JPEGImages/a.png", grey(1))
    assert(message { try scratch.open(.voc) }, names: "line 1", "has no mask", "there is SegmentationClass/a.tif")
  }
}
