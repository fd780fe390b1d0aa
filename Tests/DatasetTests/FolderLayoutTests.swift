import Dataset
import TestSupport
import XCTest

final class FolderLayoutTests: XCTestCase {
  private func grey(_ value: UInt8) -> [UInt8] { PNG.grey8(height: 2, width: 3) { _, _ in value } }

  /// `a` with a mask of ones; `b c` and `deep/a` as well; `d` without a mask.
  private func scratch(list: String) throws -> Scratch {
    let scratch = try Scratch(self)
    for (name, value) in [("a.PNG", 10), ("b c.png", 20), ("deep/a.png", 30), ("d.png", 40)] {
      try scratch.write("images/\(name)", grey(UInt8(value)))
    }
    for name in ["a", "b c", "deep/a"] { try scratch.write("labels/\(name).png", grey(1)) }
    try scratch.write("list.txt", list.utf8)
    return scratch
  }

  func testEveryFormOfALine() throws {
    let forms = [
      ("a", 10), ("a.png", 10), ("images/a.PNG", 10), ("/images/a.jpg", 10), ("labels/a.png", 10), ("b c", 20),
      ("b c.jpg", 20), ("deep/a", 30), ("images/deep/a.png", 30), ("images/deep/a.png labels/a.png", 30),
      ("images/b c.png\tlabels/b c.png", 20),
    ]
    let set = try scratch(list: forms.map(\.0).joined(separator: "\n")).open(.folder, classes: 2)
    XCTAssertEqual(set.count, forms.count)
    for (index, (form, value)) in forms.enumerated() {
      XCTAssertEqual(try set.image(index).colors()[0], UInt8(value), form)
      XCTAssertEqual(try set.labels(index).values, [1, 1, 1, 1, 1, 1], form)
    }
    XCTAssertEqual(set.identifier(4), "a")
    XCTAssertEqual(set.identifier(8), "deep/a")
  }

  func testAFolderIsAListOfItsImages() throws {
    let scratch = try scratch(list: "a")
    func open(_ list: String, labeled: Bool) throws -> FileSet {
      try FileSet(root: scratch.path, list: list, layout: .folder, classes: 2, labeled: labeled)
    }
    let images = try open("images", labeled: false)
    XCTAssertEqual((0..<images.count).map(images.identifier), ["a", "b c", "d"])
    // From anywhere else, its own name begins the paths.
    let absolute = try open(scratch.path + "/images", labeled: false)
    XCTAssertEqual((0..<absolute.count).map(absolute.line), ["images/a.PNG", "images/b c.png", "images/d.png"])
    XCTAssertEqual((0..<absolute.count).map(absolute.identifier), ["a", "b c", "d"])
    let deep = try open("images/deep", labeled: true)
    XCTAssertEqual((0..<deep.count).map(deep.identifier), ["deep/a"])
    let labeled = try open("labels/", labeled: true)
    XCTAssertEqual((0..<labeled.count).map(labeled.identifier), ["a", "b c"])
    XCTAssertEqual(try labeled.image(1).colors()[0], 20)
    try scratch.write("empty/readme.txt", [])
    assert(message { try open("empty", labeled: true) }, names: scratch.path + "/empty", "no JPEG or PNG")
  }

  func testLabelMapping() throws {
    let scratch = try scratch(list: "a")
    try scratch.write("labels/a.png", PNG.grey8(height: 2, width: 3) { x, y in [0, 255, 7, 9][min(3, x + 2 * y)] })
    let strict = try scratch.open(
      .folder, classes: 2, coding: LabelCoding([0: 0, 255: 1, 7: nil], ignoringOthers: false))
    assert(
      message { try strict.check(0) }, names: "labels/a.png", "value 9", "x 1, y 1", "0, 7, 255", "data.label_map",
      "other: ignore")
    let lenient = try scratch.open(.folder, classes: 2, coding: LabelCoding([0: 0, 255: 1], ignoringOthers: true))
    XCTAssertEqual(try lenient.labels(0).values, [0, 1, 255, 255, 255, 255])
  }

  func testWhatIsMissingOrAmbiguous() throws {
    for (line, parts) in [
      ("d", ["image d has no mask", "labels/d.png"]), ("e", ["image e does not exist", "images/e.jpg", ".png"]),
      ("deep/b", ["images/deep/b.jpg"]), ("images/a.PNG labels/z.png", ["no labels/z.png"]),
      ("twice", ["several images", "twice.jpg, twice.png", "rename"]),
    ] {
      let scratch = try scratch(list: "a\n\(line)\n")
      try scratch.write("images/twice.png", grey(0))
      try scratch.write("images/twice.jpg", JPEG.color)
      let text = message { try scratch.open(.folder, classes: 2) }
      for part in parts + ["list.txt, line 2"] { assert(text, names: part) }
    }
    let scratch = try scratch(list: "d")
    XCTAssertNoThrow(try scratch.open(.folder, labeled: false, classes: 2).check(0))
    try scratch.write("labels/d.jpg", JPEG.grey)
    assert(message { try scratch.open(.folder, classes: 2).check(0) }, names: "labels/d.jpg", "must be a PNG")
  }

  /// All bad lines are kept, the first is told, with how many there are.
  func testProblemsAreCollected() throws {
    let scratch = try scratch(list: "x\na\ny\nd\n")
    let set = try FileSet(root: scratch.path, list: "list.txt", layout: .folder, classes: 2, labeled: true)
    XCTAssertEqual(set.count, 1)
    XCTAssertEqual(set.problems.count, 3)
    assert(set.problems[2].description, names: "line 4", "image d has no mask")
    assert(message { try set.requireComplete() }, names: "line 1", "2 more lines", "u2pl data check")
    XCTAssertEqual(set.origin(0), scratch.path + "/list.txt, line 2")
  }
}
