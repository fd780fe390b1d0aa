import Dataset
import TestSupport
import XCTest

final class VOCLayoutTests: XCTestCase {
  func testBlankLinesSpacesAndLineEndsDoNotMatter() throws {
    let scratch = try Scratch(self)
    try scratch.writePair(list: "\u{FEFF}a\r\n\n  \t\r\n  b\t\r\na")
    try scratch.write("JPEGImages/b.png", PNG.grey8(height: 2, width: 3) { _, _ in 7 })
    try scratch.write("SegmentationClass/b.png", PNG.grey8(height: 2, width: 3) { _, _ in 1 })
    let set = try scratch.open()
    XCTAssertEqual((0..<set.count).map(set.identifier), ["a", "b", "a"])
    XCTAssertEqual(try set.image(1).colors(), [UInt8](repeating: 7, count: 18))
    XCTAssertEqual(hash(try set.image(2).colors()), JPEG.colorHash)
  }

  func testAugmentedMasksGoBeforeOriginalOnes() throws {
    let scratch = try Scratch(self)
    try scratch.writePair(list: "a\nb\n")
    try scratch.write("JPEGImages/b.jpg", JPEG.color)
    try scratch.write("SegmentationClassAug/b.png", PNG.grey8(height: 14, width: 20) { _, _ in 3 })
    try scratch.write("SegmentationClass/b.png", PNG.grey8(height: 14, width: 20) { _, _ in 2 })
    let set = try scratch.open()
    XCTAssertEqual(try set.labels(0).values[1], 1)
    XCTAssertEqual(try set.labels(1).values[1], 3)
  }

  /// The two-column form of published lists, with and without their leading slashes; unlabeled sets need no mask.
  func testPairsOfPaths() throws {
    let scratch = try Scratch(self)
    try scratch.write("left/x/1.png", PNG.grey8(height: 1, width: 2) { x, _ in UInt8(x) })
    try scratch.write("fine/1_ids.png", PNG.grey8(height: 1, width: 2) { x, _ in UInt8(x + 1) })
    try scratch.write("list.txt", "left/x/1.png fine/1_ids.png\n/left/x/1.png /fine/1_ids.png\n".utf8)
    let set = try scratch.open()
    XCTAssertEqual(set.count, 2)
    for index in 0..<2 {
      XCTAssertEqual(set.identifier(index), "left/x/1.png")
      XCTAssertEqual(try set.labeledImage(index).image.colors(), [0, 0, 0, 1, 1, 1])
      XCTAssertEqual(try set.labeledImage(index).labels.values, [1, 2])
      XCTAssertNoThrow(try set.check(index))
    }
    try scratch.write("list.txt", "left/x/1.png nowhere.png".utf8)
    XCTAssertNoThrow(try scratch.open(labeled: false).check(0))
  }

  func testListOutsideTheRootIsFound() throws {
    let scratch = try Scratch(self)
    let elsewhere = try Scratch(self)
    try scratch.writePair()
    let list = try elsewhere.write("mine.txt", "a\n".utf8)
    XCTAssertEqual(try FileSet(root: scratch.path, list: list, layout: .voc, classes: 5, labeled: true).count, 1)
  }

  /// Real photographs, where the machine has them.
  func testCamVidIsReadWhole() throws {
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { root.deleteLastPathComponent() }
    root.appendPathComponent("../shared/data/camvid")
    let path = root.standardizedFileURL.path
    guard FileManager.default.fileExists(atPath: path + "/splits/23/labeled.txt") else {
      throw XCTSkip("CamVid is not at \(path): reading real photographs was NOT tested")
    }
    let set = try FileSet(root: path, list: "splits/23/labeled.txt", layout: .voc, classes: 11, labeled: true)
    XCTAssertEqual(set.count, 23)
    var seen = Set<UInt8>()
    for index in 0..<set.count {
      XCTAssertNoThrow(try set.check(index))
      let (image, labels) = try set.labeledImage(index)
      XCTAssertEqual([image.height, image.width], [180, 240])
      seen.formUnion(labels.values)
    }
    XCTAssertEqual(seen, Set(0...10).union([255]))
    XCTAssertThrowsError(
      try (0..<23).forEach {
        try FileSet(root: path, list: "splits/23/labeled.txt", layout: .voc, classes: 10, labeled: true).check($0)
      })
  }
}
