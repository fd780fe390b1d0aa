import Dataset
import Foundation
import Transforms
import XCTest

/// `u2pl data split`: the same lists from the same seed, whatever the number of ranks.
final class DataSplitTests: CommandTestCase {
  private let count = 40

  override func setUpWithError() throws {
    try super.setUpWithError()
    try write("all.txt", "\u{FEFF}" + (0..<count).map { " x\($0).png  y\($0).png\r\n" }.joined() + "\n")
  }

  func testSplits() throws {
    let outcome = try run(["data", "split", "all.txt", "-o", "out", "--labeled", "1/16, 1/4,13", "--validation", "1/5"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let validation = try lines(of: "out/val.txt")
    XCTAssertEqual(validation.count, 8)
    var smaller = Set<String>()
    // Of the 32 that are left.
    for number in [2, 8, 13] {
      let labeled = try lines(of: "out/\(number)/labeled.txt"), unlabeled = try lines(of: "out/\(number)/unlabeled.txt")
      XCTAssertEqual([labeled.count, unlabeled.count], [number, 32 - number])
      XCTAssertEqual(
        Set(labeled + unlabeled + validation), Set((0..<count).map { "x\($0).png  y\($0).png" }), "lines as they stand")
      XCTAssertTrue(smaller.isSubset(of: labeled))
      smaller = Set(labeled)
      XCTAssertTrue(outcome.output.contains("out/\(number)/labeled.txt: \(number) images"), outcome.output)
    }
  }

  /// Images that are labeled in any case, and more of them; several lists make one.
  func testTake() throws {
    try write("23.txt", "x3.png  y3.png\nx9.png  y9.png\n")
    try write("next/suggested.txt", "x20.png  y20.png\nx9.png  y9.png\n")
    let take = ["--take", "23.txt", "--take", "next/suggested.txt"]
    let outcome = try run(["data", "split", "all.txt", "-o", "out"] + take)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let taken = ["x3.png  y3.png", "x9.png  y9.png", "x20.png  y20.png"]
    XCTAssertEqual(try lines(of: "out/3/labeled.txt"), taken)
    XCTAssertEqual(try lines(of: "out/3/unlabeled.txt").count, count - 3)
    let more = try run(
      ["data", "split", "all.txt", "-o", "more", "--labeled", "3,10", "--validation", "5"] + take)
    XCTAssertEqual(more.status, 0, more.summary)
    XCTAssertEqual(try lines(of: "more/3/labeled.txt"), taken)
    XCTAssertTrue(Set(taken).isSubset(of: try lines(of: "more/10/labeled.txt")))
    XCTAssertEqual(try lines(of: "more/10/labeled.txt").count, 10)
    XCTAssertTrue(Set(taken).isDisjoint(with: try lines(of: "more/val.txt")))
    // The two lists of an earlier split make one again.
    let again = try run(
      ["data", "split", "out/3/labeled.txt", "out/3/unlabeled.txt", "-o", "again", "--take", "out/3/labeled.txt"])
    XCTAssertEqual(again.status, 0, again.summary)
    XCTAssertEqual(try lines(of: "again/3/labeled.txt"), taken)

    try write("strange.txt", "x3.png  y3.png\nx99.png\n")
    try assertRefused(
      ["data", "split", "all.txt", "-o", "no", "--take", "strange.txt"],
      saying: "strange.txt, line 2: x99.png is not in all.txt")
    try assertRefused(
      ["data", "split", "all.txt", "-o", "no", "--labeled", "2"] + take, saying: "--labeled 2", "3 images already")
    XCTAssertEqual(try run(["data", "split", "all.txt", "-o", "no"]).status, 64)
  }

  /// The lines are such that a configuration with the root `mine` reads them.
  func testAFolderIsAListToo() throws {
    for name in ["b.png", "a.jpg", "c.txt", "._a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"] {
      try write("mine/images/\(name)", [])
    }
    let outcome = try run(["data", "split", "mine/images", "-o", "out", "--labeled", "2"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertEqual(try lines(of: "out/2/labeled.txt"), ["images/a.jpg", "images/b.png"])
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("out/2/unlabeled.txt")))
  }

  func testCommentsAndOtherEncodings() throws {
    let text = "\u{FEFF}# made by hand\r\nx.png\r\n\r\n#y.png\r\nz.png\r\n\u{1A}"
    try write("list.txt", XCTUnwrap(text.data(using: .utf16LittleEndian)))
    let outcome = try run(["data", "split", "list.txt", "-o", "out", "--labeled", "2"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertEqual(try lines(of: "out/2/labeled.txt"), ["x.png", "z.png"])
  }

  func testTheSeedDecides() throws {
    for (folder, seed, ranks) in [("a", "7", nil), ("b", "7", 2), ("c", "8", nil)] as [(String, String, Int?)] {
      let outcome = try run(
        ["data", "split", "all.txt", "-o", folder, "--labeled", "10", "--seed", seed], ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
    }
    XCTAssertEqual(try lines(of: "a/10/labeled.txt"), try lines(of: "b/10/labeled.txt"))
    XCTAssertNotEqual(try lines(of: "a/10/labeled.txt"), try lines(of: "c/10/labeled.txt"))
    // What is there already stays, and stands in the way of others.
    XCTAssertEqual(try run(["data", "split", "all.txt", "-o", "a", "--labeled", "10", "--seed", "7"]).status, 0)
    try assertRefused(
      ["data", "split", "all.txt", "-o", "a", "--labeled", "10", "--seed", "8"], saying: "a/10/labeled.txt exists")
  }

  /// One image in ten shows the second class: without balance as few of the chosen, with it half of them.
  func testBalanced() throws {
    for i in 0..<count {
      for folder in ["images", "labels"] { try write("data/\(folder)/x\(i).png", []) }
      let values = (0..<64).map { UInt8(i % 10 == 0 && $0 > 50 ? 1 : 0) }
      try ImageFile.writePNG(
        Raster(height: 8, width: 8, pixels: [UInt8](repeating: 9, count: 192)), to: path("data/images/x\(i).png"))
      try ImageFile.writePNG(
        LabelMap(height: 8, width: 8, values: values), palette: nil, to: path("data/labels/x\(i).png"))
    }
    try write("data/all.txt", (0..<count).map { "x\($0)\n" }.joined())
    try write("mine.yaml", tinyConfiguration(data: "{kind: folder, root: data, labeled: all.txt, classes: 2}") + "\n")
    let settings = ["--balanced", "mine.yaml", "--set", "u2pl.enabled=off"]
    for (folder, ranks) in [("alone", nil), ("shared", 2)] as [(String, Int?)] {
      let outcome = try run(
        ["data", "split", "all.txt", "-o", folder, "--labeled", "4,8"] + settings, ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertTrue(outcome.output.contains("each class in 4 to 8"), outcome.output)
      let rare = try lines(of: "\(folder)/8/labeled.txt").filter { (Int($0.dropFirst()) ?? 1) % 10 == 0 }
      XCTAssertEqual(rare.count, 4)
    }
    XCTAssertEqual(try lines(of: "alone/4/labeled.txt"), try lines(of: "shared/4/labeled.txt"))
    try FileManager.default.removeItem(atPath: path("data/labels/x7.png"))
    try assertRefused(
      ["data", "split", "all.txt", "-o", "z", "--labeled", "4"] + settings, saying: "data/all.txt, line 8", "no mask")
  }

  func testWhatCannotBeSplit() throws {
    for (labeled, said) in [("41", "from 1 to 40"), ("0", "from 1 to 40"), ("1/0", "1/8"), ("many", "many")] {
      try assertRefused(
        ["data", "split", "all.txt", "-o", "out", "--labeled", labeled], at: [nil], saying: "--labeled \(labeled)", said
      )
    }
    try assertRefused(["data", "split", "none.txt", "-o", "out", "--labeled", "1"], saying: "none.txt", "no such list")
    try write("twice.txt", "a\nb\na\n")
    try assertRefused(
      ["data", "split", "twice.txt", "-o", "out", "--labeled", "1"], saying: "twice.txt", "a is there twice", "1 and 3")
    let usage = try run(["data", "split", "all.txt", "-o", "out", "--labeled", "1", "--set", "a.b=1"])
    XCTAssertEqual(usage.status, 64, usage.summary)
  }
}
