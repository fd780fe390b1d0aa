import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// `u2pl data import`: a data set that can be trained on, from annotations of other tools.
final class DataImportTests: CommandTestCase {
  private func convert(_ arguments: [String]) throws -> Command.Outcome {
    try run(["data", "import"] + arguments)
  }

  func testCOCO() throws {
    for name in ["a/one.jpg", "two.jpg", "three.jpg"] { try write("photos/\(name)", JPEG.color) }
    try write(
      "coco.json",
      """
      {"images": [{"id": 1, "file_name": "a/one.jpg", "height": 14, "width": 20}, {"id": 2, "file_name": "two.jpg", "height": 14, "width": 20}],
       "categories": [{"id": 3, "name": "cat"}],
       "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "segmentation": [[0, 0, 20, 0, 20, 7, 0, 7]]}]}
      """)
    let outcome = try convert(["coco.json", "--images", "photos", "-o", "set"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.output.contains("where objects overlap, smaller objects"), outcome.output)
    XCTAssertEqual(try lines(of: "set/classes.txt"), ["background", "cat"])
    XCTAssertEqual(try lines(of: "set/labeled.txt"), ["a/one"])
    XCTAssertEqual(try lines(of: "set/unlabeled.txt"), ["two", "three"])
    XCTAssertEqual(
      try ImageFile.readLabels(path("set/labels/a/one.png")).values,
      [UInt8](repeating: 1, count: 140) + [UInt8](repeating: 0, count: 140))
    try write("set.yaml", "data: {kind: folder, root: set, labeled: labeled.txt, unlabeled: unlabeled.txt}\n")
    let check = try run(["data", "check", "set.yaml"])
    XCTAssertEqual(check.status, 0, check.summary)
    try assertRefused(
      ["data", "import", "coco.json", "-o", "set"], at: [nil], saying: "set/labels: holds files already")
    try assertRefused(["data", "import", "nothing.json", "-o", "x"], at: [nil], saying: "no such file or folder")
  }

  func testColours() throws {
    func save(_ name: String, _ colors: [[UInt8]]) throws {
      try write(name, [])
      try ImageFile.writePNG(
        Raster(height: 1, width: colors.count, channels: 3, values: .uint8(colors.flatMap { $0 })), to: path(name))
    }
    try save("masks/a.png", [[0, 0, 0], [255, 0, 0], [255, 255, 255], [0, 0, 0]])
    try save("masks/deep/b.png", [[0, 0, 0], [0, 255, 0]])
    let found = try convert(["masks", "-o", "set"])
    XCTAssertEqual(found.status, 0, found.summary)
    XCTAssertTrue(found.output.contains("4 colours in 2 masks"), found.output)
    XCTAssertEqual(try lines(of: "set/colors.txt").dropFirst().first, "0 0 0 class0")
    try write("colors.txt", "0 0 0 ground\n#ff0000 house roof\n0,255,0,tree\n255 255 255 ignore\n")
    let outcome = try convert(["masks", "--colors", "colors.txt", "-o", "set"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertEqual(try lines(of: "set/classes.txt"), ["ground", "house roof", "tree"])
    XCTAssertEqual(try lines(of: "set/labeled.txt"), ["a", "deep/b"])
    XCTAssertEqual(try ImageFile.readLabels(path("set/labels/a.png")).values, [0, 1, 255, 0])
    XCTAssertEqual(try ImageFile.readLabels(path("set/labels/deep/b.png")).values, [0, 2])
    try write("colors.txt", "0 0 0 ground\n#ff0000 house\n")
    let refused = try convert(["masks", "--colors", "colors.txt", "-o", "other"])
    XCTAssertEqual(refused.status, 2)
    XCTAssertTrue(
      refused.errors.contains("masks/a.png: the pixel (x 2, y 0) has the colour 255 255 255"), refused.errors)
  }
}
