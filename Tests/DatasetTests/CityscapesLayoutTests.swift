import Dataset
import TestSupport
import XCTest

final class CityscapesLayoutTests: XCTestCase {
  private let image = "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
  private let mask = "gtFine/train/aachen/aachen_000000_000019_gtFine"

  /// One image of 40×1 whose `labelIds` are 0, 1, …, 39.
  private func scratch(list: String) throws -> Scratch {
    let scratch = try Scratch(self)
    try scratch.write(image, PNG.grey8(height: 1, width: 40) { x, _ in UInt8(x) })
    try scratch.write("\(mask)_labelIds.png", PNG.grey8(height: 1, width: 40) { x, _ in x == 39 ? 255 : UInt8(x) })
    try scratch.write("list.txt", list.utf8)
    return scratch
  }

  /// The table of Cityscapes' own scripts.
  private let trainIds: [Int: UInt8] = [
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15,
    31: 16, 32: 17, 33: 18,
  ]

  func testEveryFormOfALine() throws {
    let forms = [
      image, "/" + image, "./" + image, "aachen_000000_000019", "aachen_000000_000019_leftImg8bit",
      "\(image) \(mask)_labelIds.png", "\(image)\t\(mask)_labelIds.png",
    ]
    let set = try scratch(list: forms.joined(separator: "\n")).open(.cityscapes, classes: 19)
    XCTAssertEqual(set.count, forms.count)
    for index in 0..<set.count {
      XCTAssertEqual(set.identifier(index), image, forms[index])
      XCTAssertEqual(try set.check(index).width, 40)
      XCTAssertEqual(try set.labels(index).values, (0..<40).map { trainIds[$0] ?? 255 }, forms[index])
    }
  }

  func testTrainIdsAreTakenAsTheyAreAndBeforeLabelIds() throws {
    let scratch = try scratch(list: image)
    try scratch.write("\(mask)_labelTrainIds.png", PNG.grey8(height: 1, width: 40) { x, _ in x < 19 ? UInt8(x) : 255 })
    let set = try scratch.open(.cityscapes, classes: 19)
    XCTAssertEqual(try set.labels(0).values, (0..<40).map { $0 < 19 ? UInt8($0) : 255 })
    try scratch.write("\(mask)_labelTrainIds.png", PNG.grey8(height: 1, width: 40) { x, _ in UInt8(x) })
    assert(message { try set.check(0) }, names: "labelTrainIds.png", "value 19", "x 19, y 0", "20, 21", "0 to 18")
  }

  func testUnlabeledImagesNeedNoMask() throws {
    let scratch = try scratch(list: image)
    try FileManager.default.removeItem(atPath: "\(scratch.path)/gtFine")
    XCTAssertNoThrow(try scratch.open(.cityscapes, labeled: false, classes: 19).check(0))
    assert(
      message { try scratch.open(.cityscapes, classes: 19) }, names: "list.txt, line 1", image, "no mask",
      "\(mask)_labelTrainIds.png", "_labelIds.png", scratch.path)
  }

  func testWhatIsMissingOrMisnamed() throws {
    for (line, parts) in [
      ("leftImg8bit/val/x/x_0_0_leftImg8bit.png", ["leftImg8bit/val/x/x_0_0_leftImg8bit.png does not exist"]),
      ("bonn_000001_000019", ["leftImg8bit/train/bonn/bonn_000001_000019_leftImg8bit.png", "val, test, train_extra"]),
      ("a b c", ["3 words", "leftImg8bit/train/aachen"]),
      ("\(image) gtFine/none.png", ["no gtFine/none.png"]),
      ("other.png", ["not named as", "path of its mask after it"]),
    ] {
      let scratch = try scratch(list: "\(image)\n\(line)\n")
      try scratch.write("other.png", PNG.grey8(height: 1, width: 40) { _, _ in 0 })
      let text = message { try scratch.open(.cityscapes, classes: 19) }
      for part in parts + ["list.txt, line 2"] { assert(text, names: part) }
    }
  }

  func testFewerClassesThanLabelIdsStandFor() throws {
    let set = try scratch(list: image).open(.cityscapes, classes: 18)
    assert(message { try set.check(0) }, names: "value 33", "18 classes only")
  }
}
