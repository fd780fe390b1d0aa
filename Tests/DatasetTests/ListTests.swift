import Dataset
import Foundation
import TestSupport
import XCTest

/// Lists as Windows, spreadsheets and other programs write them.
final class ListTests: XCTestCase {
  private let layouts: [(layout: FileLayout, images: String, masks: String)] = [
    (.folder, "images", "labels"), (.voc, "JPEGImages", "SegmentationClass"),
  ]

  private func grey(_ value: UInt8) -> [UInt8] { PNG.grey8(height: 2, width: 3) { _, _ in value } }

  /// Images `a` and `b`, black and white, with masks of zeros and ones, in both layouts.
  private func scratch() throws -> Scratch {
    let scratch = try Scratch(self)
    for (value, name) in ["a", "b"].enumerated() {
      for (_, images, masks) in layouts {
        try scratch.write("\(images)/\(name).png", grey(UInt8(255 * value)))
        try scratch.write("\(masks)/\(name).png", grey(UInt8(value)))
      }
    }
    return scratch
  }

  /// The list has to mean a and b, in every layout.
  private func assertMeansBoth(
    _ list: (_ images: String, _ masks: String, _ root: String) -> [UInt8], file: StaticString = #filePath,
    line: UInt = #line
  ) throws {
    let scratch = try scratch()
    for (layout, images, masks) in layouts {
      try scratch.write("list.txt", list(images, masks, scratch.path))
      let set = try FileSet(root: scratch.path, list: "list.txt", layout: layout, classes: 2, labeled: true)
      XCTAssertEqual(set.problems.map(\.description), [], "\(layout)", file: file, line: line)
      XCTAssertEqual(
        try (0..<set.count).map { try set.image($0).colors()[0] }, [0, 255], "\(layout)", file: file, line: line)
      XCTAssertEqual(
        try (0..<set.count).map { try set.labels($0).values[0] }, [0, 1], "\(layout)", file: file, line: line)
    }
  }

  private func assertMeansBoth(_ text: String, file: StaticString = #filePath, line: UInt = #line) throws {
    try assertMeansBoth({ _, _, _ in Array(text.utf8) }, file: file, line: line)
  }

  func testLineEndsMarksAndComments() throws {
    for text in [
      "a\rb\r", "a\r\nb", "\u{FEFF}a\nb\n", "a\nb\n\u{1A}", "a\r\n\u{1A}b\r\n\u{1A}",
      "# the first try\n\na\n#c\n  # d\nb\n",
      "a\t\n \tb ", "a\u{2028}b", "\"a\"\n'b'\n",
    ] {
      try assertMeansBoth(text)
    }
    let scratch = try scratch()
    try scratch.write("images/#c.png", grey(0))
    try scratch.write("list.txt", "a\n#c\n#d\n".utf8)
    assert(
      message { try scratch.open(.folder, labeled: false) }, names: "list.txt, line 2", "a comment", "write ./#c")
    try scratch.write("list.txt", "a\n./#c\n".utf8)
    XCTAssertEqual(try scratch.open(.folder, labeled: false).count, 2)
    try scratch.write("list.txt", "# only this\n".utf8)
    assert(message { try scratch.open(.folder) }, names: "list.txt", "the list is empty")
  }

  func testUTF16() throws {
    for encoding in [String.Encoding.utf16LittleEndian, .utf16BigEndian] {
      for mark in ["", "\u{FEFF}"] {
        for text in ["a\r\nb\r\n", "a\nb"] {
          let bytes = try XCTUnwrap((mark + text).data(using: encoding))
          try assertMeansBoth { _, _, _ in [UInt8](bytes) }
        }
      }
    }
    let scratch = try scratch()
    try scratch.write("images/\u{56FE}.png", grey(3))
    try scratch.write("list.txt", XCTUnwrap("\u{56FE}\r\na\r\n".data(using: .utf16LittleEndian)))
    XCTAssertEqual(try scratch.open(.folder, labeled: false).image(0).colors()[0], 3)
  }

  func testPathsOfOtherPrograms() throws {
    let forms: [(String, String, String, String) -> String] = [
      { name, images, _, _ in "\(images)\\\(name).png" },
      { name, images, masks, _ in "\(images)\\\(name).png \(masks)\\\(name).png" },
      { name, images, masks, _ in "\(images)/\(name).png,\(masks)/\(name).png" },
      { name, images, masks, _ in "\"\(images)/\(name).png\"; \"\(masks)/\(name).png\"" },
      { name, images, masks, _ in "\(images)/\(name).png\t\(masks)/\(name).png\t" },
      { name, images, _, _ in "\(images)/\(name).png," },
      { name, images, _, root in "\(root)/\(images)/\(name).png" },
      { name, images, masks, root in "\(root)/\(images)/\(name).png \(root)/\(masks)/\(name).png" },
      { name, images, masks, root in "\(root)/\(images)/\(name).png,\(root)/\(masks)/\(name).png" },
      { name, images, _, _ in "/\(images)/\(name).png" },
      { name, images, _, root in "../\(root.split(separator: "/").last ?? "")/\(images)/\(name).png" },
    ]
    for form in forms {
      try assertMeansBoth { images, masks, root in
        Array(["a", "b"].map { form($0, images, masks, root) + "\r\n" }.joined().utf8)
      }
    }
  }

  /// The root may be given relative to the working directory, by a link, and with spaces.
  func testAbsolutePathsOfARootThatIsALink() throws {
    let scratch = try scratch()
    let link = scratch.path + "/my link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: scratch.path)
    for root in [scratch.path, link] {
      for written in [scratch.path, link] {
        try scratch.write(
          "list.txt", "\(written)/images/a.png\n\(written)/images/b.png\t\(written)/labels/b.png\n".utf8)
        let set = try FileSet(root: root, list: "list.txt", layout: .folder, classes: 2, labeled: true)
        XCTAssertEqual(set.problems.map(\.description), [])
        XCTAssertEqual(set.count, 2)
      }
    }
  }

  func testWordsThatHelp() throws {
    let elsewhere = try Scratch(self)
    let outside = try elsewhere.write("x.png", grey(1))
    let cases: [(line: String, says: [String])] = [
      (outside, ["\(outside) is not below data.root"]),
      ("\(outside) labels/a.png", ["\(outside) is not below data.root"]),
      ("../\(elsewhere.path.split(separator: "/").last ?? "")/x.png", ["\(outside) is not below data.root"]),
      ("[\"z\", \"y\"]", ["that is JSON"]), ("https://example.org/z.png", ["that is a URL"]),
      ("z%20y", ["not percent-encoded as in URLs: z y"]), ("z;y;x", ["image z;y;x", "a list has no commas"]),
      ("/nowhere/z.png", ["a slash at the beginning means data.root"]),
      ("C:\\data\\images\\a.png", ["a path of Windows", "data.root"]), ("images\\z.png", ["not by backslashes"]),
      ("z,labels/z.png", ["a list has no commas"]), ("image,mask", ["if that is a heading"]),
      ("a # the first", ["a comment has to be a line of its own"]), ("~/a.png", ["~ is not replaced"]),
      ("$DATA/a.png", ["$DATA is not replaced"]), ("images/*.png", ["no wildcards"]),
      ("a 1", ["ImageSets/Main"]), ("a\u{200B}b", ["⟨U+200B⟩"]), ("z\u{7}", ["⟨U+0007⟩"]),
    ]
    for (line, says) in cases {
      for (layout, _, _) in layouts {
        let scratch = try scratch()
        try scratch.write("list.txt", "\(line)\n".utf8)
        let text = message { try scratch.open(layout) }
        for part in says + ["list.txt, line 1"] { assert(text, names: part) }
      }
    }
  }

  func testFilesThatAreNoLists() throws {
    for (bytes, kind) in [
      (JPEG.color, "a JPEG image"), (grey(1), "a PNG image"),
      ([0x93] + Array("NUMPY".utf8) + [1, 0, 0xFF], "a NumPy array"),
      ([0x1F, 0x8B, 8, 0, 0xFF, 0xFF], "a gzip archive"), ([0x50, 0x4B, 3, 4, 0xFF], "a zip archive"),
    ] {
      let scratch = try scratch()
      try scratch.write("list.txt", bytes)
      assert(message { try scratch.open(.folder) }, names: "list.txt: is \(kind), not a list; a list is a text")
    }
  }

  func testPackedFilesTakeSuchListsToo() throws {
    let scratch = try scratch()
    try scratch.write("list.txt", "a\nb\n".utf8)
    var plan = try PackPlan([("list.txt", scratch.open(.folder))])
    for index in 0..<2 { try plan.measure(index) }
    let path = scratch.path + "/p.h5"
    _ = try PackWriter.prepare(plan, path)
    let writer = try PackWriter(plan, path)
    for index in 0..<2 { try writer.write(index) }
    try writer.publish()
    let file = try PackedFile(path)
    for text in [
      "images\\a.png\r\nimages\\b.png\r\n", "/x/a.png,/y/a.png\n/x/b.png, /y/b.png\n", "# c\na\rb\n\u{1A}",
    ] {
      try scratch.write("list.txt", text.utf8)
      let set = try PackedSet(file, list: "list.txt", classes: 2, labeled: true)
      XCTAssertEqual(set.problems.map(\.description), [])
      XCTAssertEqual(try (0..<2).map { try set.image($0).colors()[0] }, [0, 255])
    }
  }
}
