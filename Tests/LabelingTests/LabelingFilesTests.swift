import Configuration
import Foundation
import TestSupport
import XCTest

import Labeling

/// Values of masks, γ of a run, and tables.
final class LabelingFilesTests: DirectoryTestCase {
  private func data(_ text: String) throws -> Configuration.Data {
    try Configuration(
      yaml: "data: {kind: voc, root: x, labeled: a, unlabeled: b, \(text)}", source: "test", overrides: []
    ).data
  }

  /// Prefilled masks have to mean what `data.label_map` reads.
  func testMaskValues() throws {
    let plain = try MaskValues(data("classes: 3"))
    XCTAssertEqual(plain.ofClass, [0, 1, 2])
    XCTAssertEqual(plain.ignore, 255)
    let mapped = try MaskValues(data("classes: [a, b], label_map: {0: a, 255: b, 9: b, 128: ignore}"))
    XCTAssertEqual(mapped.ofClass, [0, 9])
    XCTAssertEqual(mapped.ignore, 128)
    let others = try MaskValues(data("classes: [a, b], label_map: {1: a, 255: b, other: ignore}"))
    XCTAssertEqual(others.ofClass, [1, 255])
    XCTAssertEqual(others.ignore, 254)
    let listed = try MaskValues(data("classes: [a, b], label_map: {1: a, 2: b, 0: ignore, 255: ignore}"))
    XCTAssertEqual(listed.ignore, 255)
    XCTAssertThrowsError(try MaskValues(data("classes: [a, b], label_map: {1: a, 2: b}"))) { error in
      XCTAssertTrue("\(error)".contains("255: ignore"), "\(error)")
    }
  }

  /// The last γ_t before the checkpoint, whatever comes after it or is damaged.
  func testGammaOfARun() throws {
    try FileManager.default.createDirectory(atPath: path("run/checkpoints"), withIntermediateDirectories: true)
    let checkpoint = path("run/checkpoints/step-00000003.h5")
    try write([], to: checkpoint)
    XCTAssertNil(ReliabilityLevel.ofRun(checkpoint: checkpoint, step: 3))
    let lines = [
      #"{"step":0,"gamma":null}"#, #"{"step":1,"gamma":0.5}"#, #"{"step":2,"gam"#,
      #"{"step":2,"evaluation":{"mean_iou":0.5}}"#,
      #"{"step":3,"gamma":0.75}"#,
    ]
    try write(Array(lines.joined(separator: "\n").utf8), to: path("run/metrics.jsonl"))
    XCTAssertEqual(ReliabilityLevel.ofRun(checkpoint: checkpoint, step: 3)?.gamma, 0.5)
    XCTAssertEqual(ReliabilityLevel.ofRun(checkpoint: checkpoint, step: 4)?.source, "γ of step 3")
    try FileManager.default.createSymbolicLink(
      atPath: path("elsewhere"), withDestinationPath: "run/checkpoints/step-00000003.h5")
    XCTAssertEqual(ReliabilityLevel.ofRun(checkpoint: path("elsewhere"), step: 3)?.gamma, 0.5)
  }

  func testTables() {
    var table = Table(["a", "b"])
    table.add(["1, 2", "say \"so\"\nand go"])
    XCTAssertEqual(table.text, "a,b\n\"1, 2\",\"say \"\"so\"\"\nand go\"\n")
  }
}
