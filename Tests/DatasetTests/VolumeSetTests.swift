import Dataset
import TestSupport
import Transforms
import XCTest

/// Volumes in lists and folders: each slice is an item.
final class VolumeSetTests: XCTestCase {
  /// A NumPy array of int16: value 100 · slice + 10 · row + column; or uint8, slice mod 2.
  private func array(_ slices: Int, mask: Bool = false, height: Int = 4, width: Int = 5) -> [UInt8] {
    var header =
      "{'descr': '\(mask ? "|u1" : "<i2")', 'fortran_order': False, 'shape': (\(slices), \(height), \(width)), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    var bytes = [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(header.utf8)
    for slice in 0..<slices {
      for row in 0..<height {
        for column in 0..<width {
          let value = mask ? slice % 2 : 100 * slice + 10 * row + column - 7
          bytes.append(UInt8(truncatingIfNeeded: value))
          if !mask { bytes.append(UInt8(truncatingIfNeeded: value >> 8)) }
        }
      }
    }
    return bytes
  }

  private func scratch(list: String) throws -> Scratch {
    let scratch = try Scratch(self)
    for (name, slices) in [("p1", 3), ("p2", 2), ("deep/one", 1)] {
      try scratch.write("images/\(name).npy", array(slices))
      try scratch.write("labels/\(name).npy", array(slices, mask: true))
    }
    try scratch.write("list.txt", list.utf8)
    return scratch
  }

  private func open(_ scratch: Scratch, _ list: String = "list.txt", labeled: Bool = true) throws -> FileSet {
    try FileSet(
      root: scratch.path, list: list, layout: .folder, classes: 2, form: ImageForm(channels: 1, isWhole: true),
      labeled: labeled)
  }

  func testEveryFormOfALine() throws {
    let forms: [(line: String, items: [(identifier: String, slice: Int)])] = [
      ("p1#2", [("p1#2", 2)]), ("p1.npy#1", [("p1#1", 1)]), ("images/p1.npy#0", [("p1#0", 0)]),
      ("p1", [("p1#0", 0), ("p1#1", 1), ("p1#2", 2)]), ("images/p2.npy", [("p2#0", 0), ("p2#1", 1)]),
      ("deep/one", [("deep/one", 0)]), ("deep/one#0", [("deep/one", 0)]),
      ("images/p1.npy#2 labels/p1.npy#2", [("images/p1.npy#2", 2)]),
      ("images/p1.npy#1\tlabels/p1.npy", [("images/p1.npy#1", 1)]),
      ("images/p2.npy labels/p2.npy", [("images/p2.npy#0", 0), ("images/p2.npy#1", 1)]),
    ]
    for (line, items) in forms {
      let set = try open(scratch(list: line))
      XCTAssertEqual(set.problems.map(\.description), [], line)
      XCTAssertEqual((0..<set.count).map(set.identifier), items.map(\.identifier), line)
      for (index, item) in items.enumerated() where index < set.count {
        let (image, labels) = try set.labeledImage(index)
        XCTAssertEqual(
          image.values, .int16((0..<20).map { Int16(100 * item.slice + 10 * ($0 / 5) + $0 % 5 - 7) }), line)
        XCTAssertEqual(labels.values, [UInt8](repeating: UInt8(item.slice % 2), count: 20), line)
        let size = try set.check(index)
        XCTAssertEqual([size.height, size.width], [4, 5])
        XCTAssertEqual(set.volume(index) != nil, !line.hasPrefix("deep"), line)
      }
      // Lines of single items name the same again.
      let again = try open(scratch(list: (0..<set.count).map(set.line).joined(separator: "\n")))
      XCTAssertEqual((0..<again.count).map(again.identifier), items.map(\.identifier), line)
    }
  }

  func testAFolderIsAListOfAllSlices() throws {
    let scratch = try scratch(list: "p1")
    // A picture goes before a volume of the same name.
    try scratch.write("images/p3.png", PNG.grey8(height: 4, width: 5) { _, _ in 1 })
    try scratch.write("images/p3.npy", array(9))
    let set = try open(scratch, "images", labeled: false)
    XCTAssertEqual((0..<set.count).map(set.identifier), ["p1#0", "p1#1", "p1#2", "p2#0", "p2#1", "p3"])
    XCTAssertEqual(set.volume(1)?.file, "\(scratch.path)/images/p1.npy")
    XCTAssertNotEqual(set.stamp(0), set.stamp(1))
  }

  func testWhatIsWrongIsSaidWithTheLine() throws {
    for (line, words) in [
      ("p1#3", "images/p1.npy: has no slice 3: its slices are 0 to 2"), ("nothing#1", "image nothing#1 does not exist"),
      ("bad", "bad.npy has 3 slices, and its mask"), ("damaged", "damaged.npy: is cut short"),
      ("plain#1", "plain.png: is one image, and has no slice 1; leave #1 out"),
    ] {
      let scratch = try scratch(list: "p2\n\(line)")
      try scratch.write("images/bad.npy", array(3))
      try scratch.write("labels/bad.npy", array(2, mask: true))
      try scratch.write("images/damaged.npy", array(3).dropLast())
      try scratch.write("labels/damaged.npy", array(3, mask: true))
      try scratch.write("images/plain.png", PNG.grey8(height: 4, width: 5) { _, _ in 1 })
      try scratch.write("labels/plain.png", PNG.grey8(height: 4, width: 5) { _, _ in 1 })
      let set = try open(scratch)
      let text = set.problems.first?.description ?? "nothing"
      XCTAssertTrue(text.contains("list.txt, line 2: ") && text.contains(words), text)
      XCTAssertEqual(set.count, 2)
    }
    // Of another size, and in colour.
    let scratch = try scratch(list: "p1")
    try scratch.write("labels/p1.npy", array(3, mask: true, height: 5, width: 4))
    let message = { (body: () throws -> Void) in
      do {
        try body()
        return "nothing"
      } catch { return "\(error)" }
    }
    let set = try open(scratch)
    XCTAssertTrue(message { try set.check(0) }.contains("the image is 5×4 pixels but the mask 4×5"))
    let color = try FileSet(root: scratch.path, list: "list.txt", layout: .folder, classes: 2, labeled: false)
    XCTAssertTrue(
      message { _ = try color.image(0) }.contains("holds values of type int16"), message { _ = try color.image(0) })
  }
}
