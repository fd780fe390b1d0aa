import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// `u2pl predict` on good input.
final class PredictTests: CommandTestCase {
  /// Five images of several sizes in VOC's layout and a checkpoint `x.h5`.
  override func setUpWithError() throws {
    try super.setUpWithError()
    for (name, height, width) in [("a", 60, 97), ("b", 41, 30), ("c", 33, 33), ("d", 77, 49), ("e", 36, 120)] {
      try writeFixtureImage(name, height: height, width: width)
    }
    try write("data/val.txt", "a\nb\nc\nd\ne\n")
    try writeFixtureModel("data", "val.txt")
  }

  private func results(_ output: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: path(output)).filter { $0.contains(".") }.sorted()
  }

  private func assertSameFiles(_ a: String, _ b: String, file: StaticString = #filePath, line: UInt = #line) throws {
    XCTAssertEqual(try results(a), try results(b), file: file, line: line)
    for name in try results(a)
    where !FileManager.default.contentsEqual(atPath: path("\(a)/\(name)"), andPath: path("\(b)/\(name)")) {
      XCTFail("\(name) differs", file: file, line: line)
    }
  }

  /// What a file of classes says is what `u2pl evaluate` counts, whatever is averaged and however many ranks there are.
  func testPredictionsAreWhatIsEvaluated() throws {
    let cases = [
      ["--mode", "whole"], ["--mode", "sliding"], ["--scales", "0.75,1,1.25", "--flip"],
      ["--mode", "sliding", "--scales", "0.5,1.5", "--flip"],
    ]
    for (number, options) in cases.enumerated() {
      let evaluated = try run(
        ["evaluate", "--checkpoint", "x.h5", "--confusion", "\(number).csv"] + options, ranks: 2)
      XCTAssertEqual(evaluated.status, 0, evaluated.summary)
      for (ranks, output) in [(nil, "one"), (2, "two"), (4, "four")] as [(Int?, String)] {
        try apply("predict", ["data/val.txt"], to: "\(output)-\(number)", ["--probabilities"] + options, ranks: ranks)
      }
      try assertSameFiles("one-\(number)", "two-\(number)")
      try assertSameFiles("one-\(number)", "four-\(number)")
      // Without probabilities another path leads to the classes.
      try apply("predict", ["data/JPEGImages"], to: "plain-\(number)", options)
      for name in "abcde" {
        let (with, without) = (path("one-\(number)/index/\(name).png"), path("plain-\(number)/index/\(name).png"))
        XCTAssertTrue(FileManager.default.contentsEqual(atPath: with, andPath: without), "\(options): \(name)")
      }
      try python(
        pngInPython + """
          import h5py, os, sys
          os.chdir(sys.argv[1])
          folder, csv = sys.argv[2:]
          matrix = np.zeros((11, 11), np.int64)
          for name in "abcde":
              classes, palette = read(f"{folder}/index/{name}.png")
              truth, _ = read(f"data/SegmentationClass/{name}.png")
              image, _ = read(f"data/JPEGImages/{name}.png")
              assert classes.shape == truth.shape, name
              np.add.at(matrix, (truth[truth != 255], classes[truth != 255]), 1)
              color, _ = read(f"{folder}/color/{name}.png")
              assert (color == palette[classes]).all(), name
              overlay, _ = read(f"{folder}/overlay/{name}.png")
              mixed = (image.astype(int) + color + 1) // 2
              mixed[classes == 0] = image[classes == 0]
              assert np.abs(overlay.astype(int) - mixed).max() == 0, name
              with h5py.File(f"{folder}/probabilities/{name}.h5") as f:
                  p = f["probabilities"][()]
                  assert p.dtype == np.float32 and p.shape == (11,) + classes.shape, name
                  assert np.abs(p.sum(0) - 1).max() < 1e-5 and p.min() >= 0, name
                  assert (p.max(0) == np.take_along_axis(p, classes[None].astype(int), 0)[0]).all(), name
                  assert f.attrs["classes"].split("\\n") == [str(c) for c in range(11)]
                  assert f.attrs["checkpoint"] == "x.h5" and f.attrs["network"] == "student"
          given = np.loadtxt(csv, dtype=str, delimiter=",")[1:, 1:].astype(np.int64)
          assert (given == matrix).all(), given - matrix
          assert (matrix.sum(0) > 0).sum() > 2
          """, directory, "one-\(number)", "\(number).csv")
    }
  }

  func testWhatIsWritten() throws {
    let outcome = try apply("predict", ["data/JPEGImages/a.png"], to: "deep/out", ["--no-color", "--no-overlay"])
    XCTAssertEqual(try results("deep/out"), ["classes.csv", "index/a.png"])
    XCTAssertNotNil(
      outcome.output.firstMatch(of: /^1 image in [\d.]+ s, [\d.]+ images\/s  \(student, whole\)  deep\/out\n$/),
      outcome.output)
    let legend = try String(contentsOfFile: path("deep/out/classes.csv"), encoding: .utf8)
    XCTAssertEqual(legend.split(separator: "\n").prefix(3), ["class,name,red,green,blue", "0,0,0,0,0", "1,1,128,0,0"])

    try apply("predict", ["data/JPEGImages/a.png"], to: "deep/out", ["--overwrite", "--opacity", "0"])
    XCTAssertEqual(
      try ImageFile.readRGB(path("deep/out/overlay/a.png")), try ImageFile.readRGB(path("data/JPEGImages/a.png")))
    try apply(
      "predict", ["data/JPEGImages/a.png"], to: "opaque", ["--opacity", "1", "--palette", "palette.txt"], status: 2)
    try write("palette.txt", (0..<11).map { "\($0 + 1) \($0 * 20) 7  class \($0)\n" }.joined(separator: "\n"))
    try apply("predict", ["data/JPEGImages/a.png"], to: "opaque", ["--opacity", "1", "--palette", "palette.txt"])
    let classes = try ImageFile.readLabels(path("opaque/index/a.png")).values
    let expected = classes.flatMap { (c: UInt8) -> [UInt8] in [c + 1, c * 20, 7] }
    XCTAssertEqual(try ImageFile.readRGB(path("opaque/overlay/a.png")).colors(), expected)
    XCTAssertEqual(try ImageFile.readRGB(path("opaque/color/a.png")).colors(), expected)
    XCTAssertEqual(try ImageFile.readRGB(path("opaque/index/a.png")).colors(), expected, "the palette of the indices")
  }

  /// Names of Cityscapes' or CamVid's classes bring their colours along.
  func testPalettesOfDataSets() {
    let camVid = "sky building pole road pavement tree sign fence car pedestrian bicyclist".split(separator: " ")
    XCTAssertEqual(Palette.colors(classes: 11, names: camVid.map(String.init))[4], [60, 40, 222])
    let cityscapes = [
      "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic_sign", "vegetation", "terrain",
      "sky", "person", "rider", "car", "truck", "bus", "train", "Motorcycle", "bicycle",
    ]
    XCTAssertEqual(Palette.colors(classes: 19, names: cityscapes)[18], [119, 11, 32])
    XCTAssertEqual(Palette.colors(classes: 3, names: ["sky", "road", "dog"])[1], [128, 0, 0])
    XCTAssertEqual(Palette.colors(classes: 3, names: nil)[2], [0, 128, 0])
  }

  /// Files, folders and lists; each image once, under its name or its path below the folder.
  func testWhereImagesComeFrom() throws {
    try write("tree/x/1.jpg", JPEG.color)
    try write("tree/y/1.JPEG", JPEG.progressive)
    try write("tree/y/notes.txt", "nothing")
    try write("tree/.hidden/1.jpg", JPEG.color)
    try write("list.txt", "\u{FEFF}tree/x/1.jpg labels/1.png\r\n\n/JPEGImages/a.png\nb\n")
    try apply("predict", ["tree", "data/JPEGImages/c.png", "tree/x"], to: "tree/out", ["--no-color", "--no-overlay"])
    XCTAssertEqual(try results("tree/out"), ["classes.csv", "index/c.png", "index/x/1.png", "index/y/1.png"])
    // Results that lie in the folder are no images.
    try apply("predict", ["tree"], to: "tree/out", ["--no-color", "--no-overlay", "--overwrite"])
    XCTAssertEqual(try results("tree/out"), ["classes.csv", "index/c.png", "index/x/1.png", "index/y/1.png"])
    try apply("predict", ["list.txt"], to: "listed", ["--no-color", "--no-overlay"], ranks: 2)
    XCTAssertEqual(try results("listed"), ["classes.csv", "index/1.png", "index/a.png", "index/b.png"])
    let size = try ImageFile.header(path("listed/index/1.png"))
    XCTAssertEqual([size.width, size.height], [20, 14])
  }

  /// Linked folders and files are followed, each folder once, with or without a slash at the end.
  func testLinks() throws {
    for name in ["real/im0.jpg", "real/im1.jpg", "real/im2.jpg", "photos/day0/a.jpg"] { try write(name, JPEG.color) }
    func link(_ name: String, to target: String) throws {
      try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
    }
    try link("photos/day1", to: path("real"))
    try link("photos/linked.jpg", to: "../real/im0.jpg")
    // Circles, by a link to the folder itself and by one from below; and a folder that is there itself, behind a link before it.
    try link("photos/again", to: ".")
    try link("photos/day0/up", to: "..")
    try link("photos/a first name", to: "day0")
    try link("photos2", to: "real")
    let found = ["classes.csv"] + ["day0/a", "day1/im0", "day1/im1", "day1/im2", "linked"].map { "index/\($0).png" }
    for (number, folder) in ["photos", "photos/", "./photos"].enumerated() {
      try apply("predict", [folder], to: "out\(number)", ["--no-color", "--no-overlay"], ranks: number == 0 ? 2 : nil)
      XCTAssertEqual(try results("out\(number)"), found, folder)
    }
    for (number, folder) in ["photos2", "photos2/"].enumerated() {
      try apply("predict", [folder], to: "linked\(number)", ["--no-color", "--no-overlay"])
      XCTAssertEqual(try results("linked\(number)"), ["classes.csv"] + (0..<3).map { "index/im\($0).png" }, folder)
    }
    // Results that lie in a folder behind a link are no images either.
    try apply("predict", ["photos"], to: "real/out", ["--no-color", "--no-overlay"])
    try apply("predict", ["photos"], to: "real/out", ["--no-color", "--no-overlay", "--overwrite"])
    XCTAssertEqual(try results("real/out"), found)
    try FileManager.default.removeItem(atPath: path("real/out"))

    try link("photos/broken.jpg", to: "/gone/x.jpg")
    try link("photos/day2", to: "/gone/day2")
    let outcome = try apply("predict", ["photos"], to: "broken", ["--no-color", "--no-overlay"], status: 3)
    XCTAssertEqual(try results("broken"), found)
    XCTAssertTrue(
      outcome.errors.contains(
        "u2pl: error: photos/broken.jpg: is a link that leads nowhere: /gone/x.jpg does not exist"), outcome.summary)
    XCTAssertTrue(
      outcome.errors.contains("warning: photos/day2 is a link that leads nowhere: /gone/day2 does not exist"),
      outcome.summary)
    XCTAssertTrue(outcome.errors.contains("1 of 6 images could not be read"), outcome.summary)
    let named = try apply("predict", ["photos/day2"], to: "none", status: 2)
    XCTAssertTrue(named.errors.contains("photos/day2 is a link that leads nowhere: /gone/day2"), named.summary)
  }

  /// A picture with an EXIF orientation comes out as it is shown, and is segmented as one that is stored like that.
  func testOrientation() throws {
    func value(_ x: Int, _ y: Int) -> UInt8 { UInt8((x * 53 + y * 31) % 256) }
    let stored = JPEG.blocks(height: 40, width: 64) { value($0, $1) }
    try write("turned/a.jpg", JPEG.withOrientation(6, stored))
    try write("upright/a.jpg", JPEG.blocks(height: 64, width: 40) { x, y in value(y, 4 - x) })
    for folder in ["turned", "upright"] { try apply("predict", [folder], to: "out-\(folder)", ["--probabilities"]) }
    for kind in ["index", "color", "overlay"] {
      let names = ["turned", "upright"].map { path("out-\($0)/\(kind)/a.png") }
      XCTAssertTrue(FileManager.default.contentsEqual(atPath: names[0], andPath: names[1]), kind)
      XCTAssertEqual(try ImageFile.header(names[0]).height, 64)
    }
    // A flaw that viewers pass over is said once, and the image is done.
    try write("flawed/a.jpg", stored.dropLast(2))
    let outcome = try apply("predict", ["flawed"], to: "out-flawed")
    XCTAssertEqual(
      outcome.errors.components(separatedBy: "warning: flawed/a.jpg: its end marker is missing").count, 2,
      outcome.summary)
  }

  /// The same picture in every kind of file is segmented alike.
  func testEveryKindOfFile() throws {
    try python(
      pngInPython + """
        import os, sys
        os.mkdir(sys.argv[1])
        rng = np.random.default_rng(3)
        grey = np.kron(rng.integers(0, 256, (5, 6)), np.ones((9, 8), int)).astype(np.uint8)
        alpha = rng.integers(0, 256, grey.shape).astype(np.uint8)
        wide = grey.astype(np.uint16) * 256 + alpha
        write(sys.argv[1] + "/grey8.png", grey, 0)
        write(sys.argv[1] + "/grey16.png", wide, 0)
        write(sys.argv[1] + "/grey-alpha.png", np.stack([grey, alpha], -1), 4)
        write(sys.argv[1] + "/rgb.png", np.stack([grey] * 3, -1), 2)
        write(sys.argv[1] + "/rgb16.png", np.stack([wide] * 3, -1), 2)
        write(sys.argv[1] + "/rgb-alpha.png", np.stack([grey] * 3 + [alpha], -1), 6)
        """, path("kinds"))
    try write("kinds/jpeg-grey.jpg", JPEG.grey)
    try write("kinds/jpeg.jpg", JPEG.color)
    try write("kinds/named-wrongly.png", JPEG.color)
    try apply("predict", ["kinds"], to: "out")
    func indices(_ name: String) throws -> LabelMap { try ImageFile.readLabels(path("out/index/\(name).png")) }
    let expected = try indices("grey8")
    XCTAssertEqual([expected.height, expected.width], [45, 48])
    XCTAssertGreaterThan(Set(expected.values).count, 1)
    for name in ["grey16", "grey-alpha", "rgb", "rgb16", "rgb-alpha"] {
      XCTAssertEqual(try indices(name), expected, name)
    }
    XCTAssertEqual(try indices("jpeg"), try indices("named-wrongly"))
    XCTAssertEqual(try indices("jpeg-grey").height, 14)
  }

  /// A terminal gets one line that is redrawn, and gone in the end.
  func testProgressOnATerminal() throws {
    for number in 0..<40 { try write("many/\(number).jpg", JPEG.color) }
    let shown = try python(
      """
      import os, pty, sys
      os.environ["TERM"] = "xterm"
      os.chdir(sys.argv[1])
      shown = b""
      def read(fd):
          global shown
          data = os.read(fd, 1024)
          shown += data
          return b"."
      status = pty.spawn([sys.argv[2], "predict", "--checkpoint", "x.h5", "--scales", "1,2,3", "many", "-o", "out"], read)
      assert status == 0, shown
      bars, result = shown.rsplit(b"\\r\\x1b[K", 1)
      assert b"predict" in bars and b"/40" in bars and b"images/s" in bars and "█".encode() in bars, shown
      assert b"\\n" not in bars and result.startswith(b"40 images in "), shown
      print("shown")
      """, directory, try Command.program())
    XCTAssertTrue(shown.hasSuffix("shown\n"), shown)
  }
}
