import Dataset
import TestSupport
import XCTest

/// Every kind of bad file and list, and what its message must name.
final class BadInputTests: XCTestCase {
  // MARK: Lists

  func testMissingRootAndRootThatIsAFile() throws {
    let scratch = try Scratch(self)
    let missing = scratch.path + "/none"
    assert(
      message { try FileSet(root: missing, list: "l", layout: .voc, classes: 2, labeled: true) }, names: missing,
      "does not exist")
    let file = try scratch.write("file", [1])
    assert(
      message { try FileSet(root: file, list: "l", layout: .voc, classes: 2, labeled: true) }, names: file,
      "not a directory")
  }

  func testMissingListNamesAllPlaces() throws {
    let scratch = try Scratch(self)
    assert(
      message { try FileSet(root: scratch.path, list: "splits/no.txt", layout: .voc, classes: 2, labeled: true) },
      names: scratch.path + "/splits/no.txt, splits/no.txt, " + scratch.path + "/../splits/no.txt")
  }

  func testEmptyList() throws {
    let scratch = try Scratch(self)
    try scratch.writePair(list: " \n\n\t\n")
    assert(message { try scratch.open() }, names: scratch.path + "/list.txt", "empty")
  }

  func testListThatIsNotText() throws {
    let scratch = try Scratch(self)
    try scratch.writePair()
    try scratch.write("list.txt", [0xFF, 0xFE, 0x61])
    assert(message { try scratch.open() }, names: "/list.txt", "UTF-8")
    try scratch.write("list.txt", Array("a\nGr".utf8) + [0xF6, 0xDF] + Array("e\n".utf8))
    assert(message { try scratch.open() }, names: "/list.txt, line 2", "not UTF-8", "Gr\\xF6\\xDFe", "iconv -f latin1")
    try scratch.write("list.txt", Array("a\nb\0\n".utf8))
    assert(message { try scratch.open() }, names: "/list.txt, line 2", "a byte that is 0")
  }

  func testMissingImageNamesTheLine() throws {
    let scratch = try Scratch(self)
    try scratch.writePair(list: "a\n\nb\n")
    assert(
      message { try scratch.open() }, names: scratch.path + "/list.txt, line 3", "JPEGImages/b.jpg", scratch.path)
  }

  func testMissingMaskNamesTheLineAndOnlyLabeledSetsNeedIt() throws {
    let scratch = try Scratch(self)
    try scratch.writePair(list: "a\nb\n")
    try scratch.write("JPEGImages/b.jpeg", JPEG.grey)
    assert(message { try scratch.open() }, names: "line 2", "SegmentationClass/b.png", "SegmentationClassAug/b.png")
    let unlabeled = try scratch.open(labeled: false)
    XCTAssertEqual(unlabeled.count, 2)
    assert(message { try unlabeled.labels(1) }, names: "JPEGImages/b.jpeg", "no mask")
  }

  func testPairOfPathsWithAMissingFile() throws {
    let scratch = try Scratch(self)
    try scratch.writePair(list: "JPEGImages/a.jpg masks/a.png\n")
    assert(message { try scratch.open() }, names: "line 1", "no masks/a.png")
    try scratch.write("list.txt", "x/a.jpg SegmentationClass/a.png".utf8)
    assert(message { try scratch.open() }, names: "line 1", "no x/a.jpg")
  }

  func testLineOfThreeWords() throws {
    let scratch = try Scratch(self)
    try scratch.writePair(list: "a b c\n")
    assert(message { try scratch.open() }, names: "line 1", "3 words")
  }

  // MARK: Images

  /// What reading and checking say about a set whose only image has these bytes.
  private func messages(image: [UInt8]) throws -> [String] {
    let scratch = try Scratch(self)
    try scratch.writePair(image: image)
    let set = try scratch.open()
    return [message { try set.image(0) }, message { try set.check(0) }]
  }

  func testJPEGCutAnywhereIsAnError() throws {
    let scratch = try Scratch(self)
    try scratch.writePair()
    let set = try scratch.open()
    XCTAssertNoThrow(try set.check(0))
    // Without its end marker alone it has all of its pixels.
    for length in 1..<JPEG.color.count - 2 {
      try scratch.write("JPEGImages/a.jpg", JPEG.color.prefix(length))
      assert(message { try set.image(0) }, names: "JPEGImages/a.jpg")
      assert(message { try set.check(0) }, names: "JPEGImages/a.jpg")
    }
  }

  func testProgressiveJPEGCutShortIsAnError() throws {
    for text in try messages(image: JPEG.progressive.dropLast(40)) {
      assert(text, names: "JPEGImages/a.jpg", "incomplete")
    }
  }

  func testJPEGWithItsCodedDataOverwrittenIsAnError() throws {
    var bytes = JPEG.color
    // In the coded data only one marker in a few is allowed: this one is not.
    bytes.replaceSubrange(bytes.count - 30..<bytes.count - 28, with: [0xFF, 0xC4])
    let scratch = try Scratch(self)
    try scratch.writePair(image: bytes)
    assert(message { try scratch.open().image(0) }, names: "JPEGImages/a.jpg", "damaged")
  }

  func testPNGCutAnywhereIsAnError() throws {
    let whole = PNG.file(height: 2, width: 2, bits: 8, .rgb, rows: [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]])
    let scratch = try Scratch(self)
    try scratch.writePair(image: whole, mask: PNG.grey8(height: 2, width: 2) { _, _ in 0 })
    let set = try scratch.open()
    XCTAssertEqual(try set.image(0).colors(), [UInt8](1...12))
    XCTAssertNoThrow(try set.check(0))
    for length in 1..<whole.count {
      try scratch.write("JPEGImages/a.jpg", whole.prefix(length))
      assert(message { try set.image(0) }, names: "JPEGImages/a.jpg")
      assert(message { try set.check(0) }, names: "JPEGImages/a.jpg")
    }
  }

  func testPNGWithAFlippedBitIsAnError() throws {
    var bytes = PNG.grey8(height: 4, width: 4) { x, y in UInt8(x * y) }
    bytes[bytes.count - 25] ^= 1
    let scratch = try Scratch(self)
    assert(message { try ImageFile.readRGB(scratch.write("a.png", bytes)) }, names: "a.png", "damaged")
    assert(message { try ImageFile.readLabels(scratch.write("a.png", bytes)) }, names: "a.png", "damaged")
  }

  func testEmptyFileOtherFormatAndDirectory() throws {
    for text in try messages(image: []) { assert(text, names: "JPEGImages/a.jpg", "empty") }
    for text in try messages(image: Array("GIF89a…".utf8)) { assert(text, names: "a.jpg", "neither a JPEG nor a PNG") }
    let scratch = try Scratch(self)
    try scratch.write("JPEGImages/a.jpg/inside", [])
    try scratch.write("list.txt", "a".utf8)
    assert(message { try scratch.open(labeled: false).image(0) }, names: "JPEGImages/a.jpg", "not a file")
  }

  func testImageDeletedAfterTheListWasRead() throws {
    let scratch = try Scratch(self)
    try scratch.writePair()
    let set = try scratch.open()
    try FileManager.default.removeItem(atPath: scratch.path + "/JPEGImages/a.jpg")
    assert(message { try set.image(0) }, names: "JPEGImages/a.jpg", "No such file")
  }

  func testCMYK() throws {
    for text in try messages(image: JPEG.cmyk) { assert(text, names: "JPEGImages/a.jpg", "CMYK", "convert") }
  }

  func testAbsurdSizeIsRefusedBeforeMemoryIsTaken() throws {
    let bomb = PNG.file(height: 2_000_000_000, width: 20_001, bits: 8, .rgb, rows: [[0]])
    for text in try messages(image: bomb) {
      assert(text, names: "a.jpg", "20001×2000000000", "GiB of memory", "at most 4 GiB", "tiles")
    }
    // It is memory that counts, not a side.
    for (height, width) in [(1, 30_000), (30_000, 1)] {
      let rows = [[UInt8]](repeating: [UInt8](repeating: 0x55, count: (width + 7) / 8), count: height)
      let scratch = try Scratch(self)
      let long = try scratch.write("long.png", PNG.file(height: height, width: width, bits: 1, .grey, rows: rows))
      XCTAssertEqual(try ImageFile.readRGB(long).colors().count, 90_000)
    }
  }

  // MARK: Masks

  private func messages(mask: [UInt8], classes: Int = 5) throws -> [String] {
    let scratch = try Scratch(self)
    try scratch.writePair(mask: mask)
    let set = try scratch.open(classes: classes)
    return [message { try set.labeledImage(0) }, message { try set.check(0) }]
  }

  func testMaskOfAnotherSize() throws {
    for text in try messages(mask: PNG.grey8(height: 20, width: 14) { _, _ in 0 }) {
      assert(text, names: "JPEGImages/a.jpg", "SegmentationClass/a.png", "20×14", "14×20", "same size")
    }
  }

  func testMaskValueThatIsNoClass() throws {
    let mask = PNG.grey8(height: 14, width: 20) { x, y in (x, y) == (17, 9) ? 5 : (x, y) == (3, 2) ? 255 : 4 }
    for text in try messages(mask: mask) {
      assert(text, names: "SegmentationClass/a.png", "value 5", "x 17, y 9", "5 classes", "0 to 4", "255")
    }
    let scratch = try Scratch(self)
    try scratch.writePair(mask: mask)
    XCTAssertNoThrow(try scratch.open(classes: 6).check(0))
  }

  func testMaskOfColours() throws {
    let row = [UInt8](repeating: 1, count: 60)
    let mask = PNG.file(height: 14, width: 20, bits: 8, .rgb, rows: [[UInt8]](repeating: row, count: 14))
    for text in try messages(mask: mask) { assert(text, names: "a.png", "colours", "palette") }
  }

  func testMaskOf16Bits() throws {
    let row = [UInt8](repeating: 0, count: 40)
    let mask = PNG.file(height: 14, width: 20, bits: 16, .grey, rows: [[UInt8]](repeating: row, count: 14))
    for text in try messages(mask: mask) { assert(text, names: "a.png", "16-bit", "8-bit grey") }
  }

  func testMaskThatIsAJPEG() throws {
    for text in try messages(mask: JPEG.grey) { assert(text, names: "SegmentationClass/a.png", "must be a PNG") }
  }

  func testTruncatedMask() throws {
    for text in try messages(mask: PNG.grey8(height: 14, width: 20) { _, _ in 0 }.dropLast(60)) {
      assert(text, names: "SegmentationClass/a.png", "incomplete", "ends before")
    }
  }
}
