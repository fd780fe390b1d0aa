import Foundation
import XCTest

/// `u2pl data shapes` writes the images that `data.kind: shapes` trains on.
final class DataShapesTests: CommandTestCase {
  private let options = [
    "--labeled", "5", "--unlabeled", "7", "--validation", "5", "--size", "33", "--classes", "4", "--seed", "11",
  ]

  func testTrainingOnTheFilesIsTrainingOnTheShapes() throws {
    let written = try run(["data", "shapes", "-o", "made/here"] + options)
    XCTAssertEqual(written.status, 0, written.summary)
    for (list, count) in [("labeled", 5), ("unlabeled", 7), ("val", 5)] {
      let lines = try String(contentsOfFile: path("made/here/splits/\(list).txt"), encoding: .utf8)
      XCTAssertEqual(lines.split(separator: "\n").count, count)
      XCTAssertTrue(written.output.contains("splits/\(list).txt: \(count) images"), written.output)
    }
    try write(
      "voc.yaml",
      tinyConfiguration(
        data: "{kind: voc, root: made/here, labeled: splits/labeled.txt, unlabeled: splits/unlabeled.txt, "
          + "validation: splits/val.txt, classes: classes.txt}"))
    for (name, settings) in [("plain", ["augment=off", "data.shuffle=off"]), ("drawn", [])] {
      try train("\(name)-shapes", ["data.seed=11"] + settings)
      let files = try run(training("\(name)-files", settings, config: "voc.yaml"), ranks: 2)
      XCTAssertEqual(files.status, 0, files.summary)
      XCTAssertEqual(try metrics("\(name)-files"), try metrics("\(name)-shapes"))
    }
    XCTAssertNotEqual(try metrics("plain-shapes"), try metrics("drawn-shapes"))
  }

  func testTheSameSeedWritesTheSameFiles() throws {
    for (folder, seed) in [("a", "11"), ("b", "11"), ("c", "12")] {
      let outcome = try run(["data", "shapes", "--output", folder] + options.dropLast() + [seed])
      XCTAssertEqual(outcome.status, 0, outcome.summary)
    }
    let image = "JPEGImages/shapes-000000.png"
    func same(_ a: String, _ b: String) -> Bool {
      FileManager.default.contentsEqual(atPath: path("\(a)/\(image)"), andPath: path("\(b)/\(image)"))
    }
    XCTAssertTrue(same("a", "b"))
    XCTAssertFalse(same("a", "c"))
  }

  func testWhatCannotBeMade() throws {
    try write("file", "in the way")
    try assertRefused(["data", "shapes", "-o", "file/data"], at: [nil], saying: "file/data", "cannot be created")
    for (option, value) in [("--size", "8"), ("--classes", "1"), ("--labeled", "-1")] {
      let outcome = try run(["data", "shapes", "-o", "made", "\(option)=\(value)"], limit: patience)
      XCTAssertEqual(outcome.status, 64, outcome.summary)
      XCTAssertTrue(outcome.errors.contains(option), outcome.summary)
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("made")))
  }
}
