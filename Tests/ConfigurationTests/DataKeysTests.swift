import Configuration
import Foundation
import XCTest

/// What depends on the kind of data: classes, the meaning of masks, colours.
final class DataKeysTests: XCTestCase {
  private func data(_ keys: String) throws -> Configuration.Data {
    let yaml = "data: {\(keys), root: /d, labeled: a.txt}\nu2pl: {enabled: off}"
    let value = try Configuration(yaml: yaml, source: "x.yaml")
    let again = try Configuration(yaml: value.yaml(), source: "again.yaml")
    XCTAssertEqual(again, value)
    return value.data
  }

  /// Keys of `data` begin at column 8.
  private func refused(
    _ keys: String, at column: Int, says parts: String..., file: StaticString = #filePath, line: UInt = #line
  ) {
    let text = message(yaml: "data: {\(keys), root: /d, labeled: a.txt}\nu2pl: {enabled: off}", file: file, line: line)
    XCTAssertTrue(text.hasPrefix("x.yaml:1:\(column): "), text, file: file, line: line)
    for part in parts { XCTAssertTrue(text.contains(part), "lacks '\(part)': \(text)", file: file, line: line) }
  }

  func testEveryKindHasItsClasses() throws {
    let voc = try data("kind: voc")
    XCTAssertEqual([voc.classes, voc.classNames?.count], [21, 21])
    XCTAssertEqual([voc.classNames?.first, voc.classNames?.last], ["background", "tvmonitor"])
    let cityscapes = try data("kind: cityscapes")
    XCTAssertEqual([cityscapes.classes, cityscapes.classNames?.count], [19, 19])
    XCTAssertEqual([cityscapes.classNames?.first, cityscapes.classNames?.last], ["road", "bicycle"])
    XCTAssertEqual(try data("kind: hdf5, classes: cityscapes").classNames, cityscapes.classNames)
    XCTAssertEqual(try data("kind: cityscapes, classes: [a, b]").classNames, ["a", "b"])
    refused("kind: hdf5", at: 7, says: "data.classes is missing", "classes: 21")
    // What is not there is the root, and the line to correct is its line.
    refused("kind: folder", at: 28, says: "data.root: there is no folder '/d'", "--set data.root=PATH")
    try withFolder(["x.h5": "none"]) { root in
      for (keys, words) in [
        (
          "kind: folder, root: \(root)",
          "data.classes: cannot read the class names from '\(root)/classes.txt' (there is no"
        ),
        (
          "kind: folder, root: \(root)/x.h5",
          "data.root: '\(root)/x.h5' is a file; with data.kind folder it is a folder"
        ),
        ("kind: hdf5, classes: n.txt, root: \(root)/y.h5", "data.root: there is no file '\(root)/y.h5'"),
      ] {
        let text = message(yaml: "data: {\(keys), labeled: a.txt}\nu2pl: {enabled: off}")
        XCTAssertTrue(text.contains(words), text)
      }
      let set = message(
        yaml: "data: {kind: folder, root: \(root), labeled: a.txt}\nu2pl: {enabled: off}", ["data.root=no where"])
      XCTAssertTrue(set.hasPrefix("--set data.root=no where: data.root: there is no folder 'no where' in "), set)
    }
    try withFolder(["classes.txt": "a\nb\nc\n"]) { root in
      let yaml = "data: {kind: folder, root: \(root), labeled: a.txt}\nu2pl: {enabled: off}"
      XCTAssertEqual(try Configuration(yaml: yaml, source: "x.yaml").data.classNames, ["a", "b", "c"])
      // A packed file's paths start from the folder that it is in.
      let packed = "data: {kind: hdf5, root: \(root)/x.h5, labeled: a.txt, classes: classes.txt}\nu2pl: {enabled: off}"
      XCTAssertEqual(try Configuration(yaml: packed, source: "x.yaml").data.classNames, ["a", "b", "c"])
    }
  }

  /// Comments are none, as in lists of images; labelme's list begins with a name for no class.
  func testLinesOfAFileOfClassesThatAreNone() throws {
    func names(_ text: String) throws -> [String]? {
      try withFolder(["classes.txt": text]) { root in
        let yaml = "data: {kind: folder, root: \(root), labeled: a.txt}\nu2pl: {enabled: off}"
        return try Configuration(yaml: yaml, source: "x.yaml").data.classNames
      }
    }
    XCTAssertEqual(try names("# my classes\n\nsky\n  # the other\r\ntree #2\n"), ["sky", "tree #2"])
    XCTAssertEqual(try names("__ignore__\n_background_\ncat\n"), ["_background_", "cat"])
    XCTAssertEqual(try data("kind: folder, classes: ['#1', '#2']").classNames, ["#1", "#2"])
    // A table is none; names with commas are.
    XCTAssertEqual(try names("car, parked\ncar, moving\n"), ["car, parked", "car, moving"])
    for (text, words) in [
      ("name,r,g,b\nsky,128,128,128\nroad,0,0,0\n", "classes.txt:1: data.classes: the lines are rows of a table"),
      ("0;sky\n1;road\n", "classes.txt:1: data.classes: the lines are rows of a table"),
      ("sky\ntree\n__ignore__\n", "classes.txt:3: data.classes: '__ignore__' is labelme's name for pixels of no class"),
      (
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 30\n",
        "classes.txt' (it is the pointer of Git LFS, not the file itself; fetch that: git lfs pull)"
      ),
    ] {
      XCTAssertThrowsError(try names(text)) { XCTAssertTrue("\($0)".contains(words), "\($0)") }
    }
  }

  /// What Windows' editors call Unicode.
  func testUTF16() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("configuration-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for encoding in [String.Encoding.utf16LittleEndian, .utf16BigEndian] {
      try XCTUnwrap("\u{FEFF}sky\r\nbäume\r\n".data(using: encoding)).write(
        to: folder.appendingPathComponent("classes.txt"))
      let yaml = "\u{FEFF}data: {kind: folder, root: \(folder.path), labeled: a.txt}\nu2pl: {enabled: off}"
      let file = folder.appendingPathComponent("x.yaml")
      try XCTUnwrap(yaml.data(using: encoding)).write(to: file)
      XCTAssertEqual(try Configuration.load(path: file.path).data.classNames, ["sky", "bäume"])
    }
  }

  func testListsOfEveryKind() throws {
    for kind in ["voc", "cityscapes", "folder, classes: 3", "hdf5, classes: 3"] {
      XCTAssertEqual(try data("kind: \(kind)").labeled, .file("a.txt"))
    }
    let text = message(yaml: "data: {kind: cityscapes, root: /d, labeled: 4}")
    XCTAssertTrue(text.contains("path of a list for data.kind cityscapes, found the number 4"), text)
  }

  func testChannelsRangeAndStatistics() throws {
    let folder = "kind: folder, root: d, labeled: l, unlabeled: u, classes: 2"
    func data(_ keys: String, _ rest: String = "") throws -> Configuration.Data {
      try Configuration(yaml: "data: {\(folder), \(keys)}\n\(rest)", source: "x.yaml").data
    }
    XCTAssertEqual(try data("channels: 1").mean, [114.495])
    XCTAssertEqual(try data("std: 9, channels: 4").std, [9, 9, 9, 9], "whatever the order of the keys")
    XCTAssertEqual(try data("channels: 2, mean: [1, 2]").mean, [1, 2])
    XCTAssertEqual(try data("range: [-160, 240]").range, .values(-160...240))
    XCTAssertEqual(
      try data("range: {percentiles: [0.5, 99.5]}").range, .percentiles(0.5...99.5, found: nil))
    let found = "range: {percentiles: [0.5, 99.5], found: [0.5, 99.5, 3, 7]}"
    XCTAssertEqual(try data(found).knownRange, 3...7)
    XCTAssertNil(try data(found.replacing("percentiles: [0.5", with: "percentiles: [1")).knownRange, "of others")
    for values in ["1e8, 100000001", "-1e39, 0", "0, 1e39"] {
      XCTAssertNil(try data(found.replacing("3, 7", with: values)).knownRange, values)
    }
    for (keys, rest, says) in [
      ("channels: 33", "", "data.channels: 33 is out of range: 1 to 32"),
      ("channels: 4, mean: [1, 2, 3]", "", "data.mean: a list of 3 for images of 4 channels"),
      ("std: [1, 2]", "", "data.std: a list of 2 for images of 3 channels"),
      ("channels: 1", "augment: {color: [0.1, 0.1, 0.1, 0]}", "saturation and hue are those of three channels"),
      (
        "channels: 1", "augment: {strong: {grey_probability: 0.2}}",
        "only images of three channels can lose their colour"
      ),
      ("range: [5, 5]", "", "data.range: [5.0, 5.0] is no range; write the lower number first"),
      ("range: [100000000, 100000001]", "", "both are the same number in 32 bits"),
      ("range: {percentile: [1, 2]}", "", "unknown key 'percentile'"),
      ("range: {percentiles: [1, 200]}", "", "200 is out of range"),
    ] {
      XCTAssertThrowsError(try data(keys, rest), keys) { error in
        XCTAssertTrue("\(error)".contains(says), "\(error)")
      }
    }
  }

  func testLabelMap() throws {
    let map = try data("kind: folder, classes: [sky, tree, '7'], label_map: {0: sky, 255: 1, 9: '7', 4: ignore}")
      .labelMap
    let expected: [UInt8: UInt8?] = [0: 0, 255: 1, 9: 2, 4: nil]
    XCTAssertEqual(map?.classes, expected)
    XCTAssertEqual(map?.ignoringOthers, false)
    XCTAssertEqual(try data("classes: 3, label_map: {7: 2, other: ignore}").labelMap?.ignoringOthers, true)
    XCTAssertNil(try data("kind: voc, label_map: null").labelMap)
    let overridden = try Configuration(
      yaml: "data: {root: /d, labeled: a, unlabeled: b, label_map: {1: 1, 2: 2}}", source: "x.yaml",
      overrides: ["data.label_map.2=ignore", "data.label_map.3=cat"])
    let changed: [UInt8: UInt8?] = [1: 1, 2: nil, 3: 8]
    XCTAssertEqual(overridden.data.labelMap?.classes, changed)
  }

  func testBadLabelMaps() {
    refused("classes: 3, label_map: {256: 0}", at: 32, says: "'256' is no stored value", "0 to 255")
    refused("classes: 3, label_map: {-1: 0}", at: 32, says: "'-1' is no stored value")
    refused("classes: 3, label_map: {0: 3}", at: 35, says: "data.label_map.0: 3 is no class", "0 to 2")
    refused("classes: [sky, tree], label_map: {0: tre}", at: 45, says: "'tre' is no class", "did you mean 'tree'?")
    refused("classes: 3, label_map: {0: sky}", at: 35, says: "'sky' is no class")
    refused("classes: 3, label_map: {0: [1]}", at: 35, says: "expected a class or ignore", "a list of 1")
    refused("classes: 3, label_map: {0: 1, other: 2}", at: 45, says: "expected ignore", "leave it out for an error")
    refused("classes: 3, label_map: {other: ignore}", at: 31, says: "lists no value")
    refused("classes: 3, label_map: 4", at: 31, says: "a section VALUE: CLASS", "the number 4", "{0: 0, 255: 1}")
    refused("kind: cityscapes, label_map: {7: 0}", at: 37, says: "not for data.kind cityscapes")
  }

  func testPalette() throws {
    XCTAssertNil(try data("kind: voc").palette)
    XCTAssertEqual(try data("palette: cityscapes").palette, .cityscapes)
    XCTAssertEqual(
      try data("classes: 2, palette: [[0, 1, 2], [253, 254, 255]]").palette, .colors([[0, 1, 2], [253, 254, 255]]))
    refused("classes: 3, palette: [[0, 1, 2]]", at: 29, says: "a list of 1 for 3 classes", "[red, green, blue]")
    refused("classes: 2, palette: [[0, 1, 2], [1, 2]]", at: 41, says: "a colour [red, green, blue]", "a list of 2")
    refused("classes: 2, palette: [[0, 1, 2], [1, 2, 256]]", at: 48, says: "256 is out of range: 0 to 255")
    refused("classes: 2, palette: rainbow", at: 29, says: "voc, cityscapes, a list of", "'rainbow'")
  }
}
