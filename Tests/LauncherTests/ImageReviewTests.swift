import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// What looking all images over before a run tells: of files that viewers show although they are damaged, of orientations and of
/// 16-bit values; and that a resume does not look again.
final class ImageReviewTests: CommandTestCase {
  private let size = 40

  /// Eight images of 40×40 pixels, JPEGs of blocks, in a folder's layout; every list has its own.
  override func setUpWithError() throws {
    try super.setUpWithError()
    for (i, name) in "abcdefgh".map(String.init).enumerated() {
      try write("data/images/\(name).jpg", picture(i))
      try write("data/labels/\(name).png", [])
      let labels = (0..<size * size).map { UInt8(($0 / 20 + i) % 4) }
      try ImageFile.writePNG(
        LabelMap(height: size, width: size, values: labels), palette: nil, to: path("data/labels/\(name).png"))
    }
    try write("data/labeled.txt", "a\nb\nc\nd\n")
    try write("data/unlabeled.txt", "e\nf\ng\n")
    try write("data/val.txt", "h\n")
    try write(
      "folder.yaml",
      tinyConfiguration(
        data:
          "{kind: folder, root: data, labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt, classes: 4}")
    )
  }

  private func picture(_ number: Int) -> [UInt8] {
    JPEG.blocks(height: size, width: size) { x, y in UInt8((number * 40 + x * 37 + y * 19) % 251) }
  }

  private func withJunk(_ file: [UInt8]) -> [UInt8] { file.dropLast(2) + (0..<64).map { UInt8($0) } + file.suffix(2) }

  /// What every viewer shows is trained on, with one warning a file, which names list and line.
  func testFlawsAreWarnings() throws {
    try write("data/images/b.jpg", withJunk(picture(1)))
    try write("data/images/f.jpg", picture(5).dropLast(6))
    try write("data/labeled.txt", "a\nb\nc\nb\n")
    let warnings = [
      "data/labeled.txt, line 2: data/images/b.jpg: it has 6",
      "data/unlabeled.txt, line 2: data/images/f.jpg: its data ends early",
    ]
    func assertWarned(_ output: String, _ prefix: String, _ what: String, line: UInt = #line) {
      for warning in warnings {
        let lines = output.split(separator: "\n").filter { $0.contains(warning) }
        XCTAssertEqual(lines.count, 1, "\(what): \(output)", line: line)
        XCTAssertTrue(lines.first?.hasPrefix(prefix) == true, "\(what): \(output)", line: line)
      }
    }
    for ranks in [nil, 2] {
      let name = "run\(ranks ?? 1)"
      let outcome = try run(training(name, config: "folder.yaml"), ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      assertWarned(outcome.output, "warning: ", "train")
      let log = try String(contentsOfFile: path("\(name)/logs/rank-0000.log"), encoding: .utf8)
      for warning in warnings { XCTAssertTrue(log.contains(warning), log) }
    }
    try assertSame("run1", "run2", lastStep: 6)
    assertWarned(
      try run(training("dry", config: "folder.yaml") + ["--dry-run"], ranks: 2).output, "warning: ", "dry run")
    let check = try run(["data", "check", "folder.yaml"], ranks: 2)
    XCTAssertEqual(check.status, 0, check.summary)
    assertWarned(check.output, "note: ", "check")
    let pack = try run(["data", "pack", "folder.yaml", "-o", "x.h5"], ranks: 2)
    XCTAssertEqual(pack.status, 0, pack.summary)
    assertWarned(pack.output, "warning: ", "pack")
  }

  /// Lists that share images: one warning for each pair of them, at the start and at the dry run.
  func testListsThatShareImages() throws {
    let validation =
      "warning: 2 images of the validation list are labeled ones too (data/images/a.jpg, data/images/b.jpg): "
    let unlabeled = "warning: 1 image of the unlabeled list is a labeled one too (data/images/c.jpg): "
    func lines(_ outcome: Command.Outcome) -> [Substring] {
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      return outcome.output.split(separator: "\n").filter { $0.contains("one too") || $0.contains("ones too") }
    }
    XCTAssertEqual(lines(try run(training("apart", config: "folder.yaml"))), [])
    try write("data/val.txt", "a\nh\nb\na\n")
    try write("data/unlabeled.txt", "images/c.jpg\ne\n")
    for ranks in [nil, 2] {
      let found = lines(try run(training("run\(ranks ?? 1)", config: "folder.yaml"), ranks: ranks))
      XCTAssertEqual(found.count, 2, "\(found)")
      XCTAssertTrue(
        found.first?.hasPrefix(validation + "evaluations measure in part what was trained on") == true, "\(found)")
      XCTAssertTrue(found.last?.hasPrefix(unlabeled + "the network learns a pseudo-label of what") == true, "\(found)")
    }
    XCTAssertEqual(lines(try run(training("dry", config: "folder.yaml") + ["--dry-run"])).count, 2)
    // A supervised run has no unlabeled images.
    XCTAssertEqual(lines(try run(training("off", ["u2pl.enabled=off"], config: "folder.yaml"))).count, 1)
    let check = try run(["data", "check", "folder.yaml"])
    for warning in [validation, unlabeled] {
      let note = warning.replacing("warning: ", with: "note: ").dropLast(2)
      XCTAssertTrue(check.output.contains("\(note)\n"), check.summary)
    }
  }

  func testOrientationsAndDeepImages() throws {
    // Turned by 180°: the pixels shown are those of the other.
    let upside = JPEG.blocks(height: size, width: size) { x, y in UInt8((2 * 40 + (4 - x) * 37 + (4 - y) * 19) % 251) }
    try write("data/images/g.jpg", picture(2))
    try write("data/images/c.jpg", JPEG.withOrientation(3, upside))
    XCTAssertEqual(try ImageFile.readRGB(path("data/images/c.jpg")), try ImageFile.readRGB(path("data/images/g.jpg")))
    try FileManager.default.removeItem(atPath: path("data/images/e.jpg"))
    try python(
      pngInPython + """
        import sys
        write(sys.argv[1], (np.arange(1600, dtype=np.uint16).reshape(40, 40) * 2), 0)
        """, path("data/images/e.png"))
    let deep = "1 image of 16 bits a channel: 11 of 16 bits are in use (values to 3198)"
    let turned = "1 image carries an EXIF orientation, and is read as viewers show it"
    for ranks in [nil, 2] {
      let outcome = try run(training("run\(ranks ?? 1)", config: "folder.yaml"), ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertTrue(outcome.output.contains("warning: \(deep)"), outcome.summary)
      XCTAssertTrue(outcome.output.contains("note: \(turned)"), outcome.summary)
      let check = try run(["data", "check", "folder.yaml"], ranks: ranks)
      XCTAssertTrue(
        check.output.contains("note: \(deep.replacing("image of", with: "image of the unlabeled list of"))"),
        check.summary)
      XCTAssertTrue(
        check.output.contains("note: \(turned.replacing("image carries", with: "image of the labeled list carries"))"),
        check.summary)
    }
    // Packed, it is the same.
    let pack = try run(["data", "pack", "folder.yaml", "-o", "x.h5"])
    XCTAssertEqual(pack.status, 0, pack.summary)
    let packed = ["data.kind=hdf5", "data.root=x.h5"]
    let outcome = try run(training("packed", packed, config: "folder.yaml"))
    XCTAssertTrue(
      outcome.output.contains("warning: \(deep)") && outcome.output.contains("note: \(turned)"), outcome.summary)
    XCTAssertEqual(try metrics("run1"), try metrics("packed"))
  }

  /// A resume decodes what has changed since, and no more: `f` is listed, but no step needs it.
  func testAResumeDoesNotLookAgain() throws {
    func resume(_ epochs: Int, _ settings: [String] = [], ranks: Int? = nil) throws -> Command.Outcome {
      try run(
        training("run", ["u2pl.enabled=off", "schedule.epochs=\(epochs)"] + settings, config: "folder.yaml")
          + ["--resume", "latest"], ranks: ranks, limit: 60)
    }
    let start = try resume(1, ranks: 2)
    XCTAssertEqual(start.status, 0, start.summary)
    let record = try String(contentsOfFile: path("run/verified"), encoding: .utf8).split(separator: "\n")
    XCTAssertEqual(record.count, 9, "a head and eight images")
    // Damaged, but of the same size and time.
    let file = path("data/images/f.jpg")
    let date = try XCTUnwrap(FileManager.default.attributesOfItem(atPath: file)[.modificationDate])
    var times = [timespec](repeating: timespec(), count: 2)
    var status = stat()
    XCTAssertEqual(stat(file, &status), 0)
    times = [status.st_atim, status.st_mtim]
    let bytes = picture(5)
    try Data(bytes.prefix(bytes.count - 30) + [UInt8](repeating: 0xFE, count: 28) + bytes.suffix(2))
      .write(to: URL(fileURLWithPath: file))
    XCTAssertEqual(utimensat(AT_FDCWD, file, times, 0), 0)
    let same = try resume(2)
    XCTAssertEqual(same.status, 0, same.summary)
    XCTAssertEqual(try resume(2, ["data.verify=off"]).status, 0)
    // Changed, it is decoded again; and so is everything where the record is gone, or is none.
    try FileManager.default.setAttributes(
      [.modificationDate: (date as? Date ?? Date()).addingTimeInterval(7)], ofItemAtPath: file)
    for record in ["u2pl verified images, version 1\n", nil, "nonsense\n"] as [String?] {
      for ranks in [nil, 2] {
        let outcome = try resume(3, ranks: ranks)
        XCTAssertEqual(outcome.status, 2, outcome.summary)
        XCTAssertTrue(
          outcome.errors.contains("data/unlabeled.txt, line 2: data/images/f.jpg: is damaged"), outcome.summary)
      }
      if let record {
        try write("run/verified", record)
      } else {
        try FileManager.default.removeItem(atPath: path("run/verified"))
      }
    }
  }
}
