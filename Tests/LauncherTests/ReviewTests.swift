import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// `u2pl review`: a network that has learned a few scenes finds the masks that were damaged, also on several ranks.
final class ReviewTests: CommandTestCase {
  private func review(
    _ output: String, _ options: [String] = [], ranks: Int? = nil, status: Int32 = 0, file: StaticString = #filePath,
    line: UInt = #line
  ) throws -> Command.Outcome {
    let outcome = try run(
      ["review", "--checkpoint", "run/checkpoints/latest", "-o", output] + options, ranks: ranks, file: file, line: line
    )
    XCTAssertEqual(outcome.status, status, outcome.summary, file: file, line: line)
    return outcome
  }

  /// Bright squares on dark ground.
  private func makeScenes(_ count: Int) throws {
    let side = 48
    for index in 0..<count {
      let (top, left) = (6 + index * 5 % 20, 4 + index * 7 % 22)
      let isInside = { (p: Int) in
        (top..<top + 18).contains(p / side) && (left..<left + 18).contains(p % side)
      }
      let values = (0..<side * side).map { isInside($0) ? UInt8(1) : 0 }
      let pixels = (0..<side * side * 3).map { UInt8((isInside($0 / 3) ? 200 : 40) + ($0 * 13 + index) % 20) }
      for folder in ["images", "labels"] { try write("data/\(folder)/\(index).png", []) }
      try ImageFile.writePNG(Raster(height: side, width: side, pixels: pixels), to: path("data/images/\(index).png"))
      try ImageFile.writePNG(
        LabelMap(height: side, width: side, values: values), palette: nil, to: path("data/labels/\(index).png"))
    }
    try write("data/labeled.txt", (0..<count).map { "\($0)\n" }.joined())
    try write("data/classes.txt", "ground\nsquare\n")
    try write(
      "mine.yaml",
      """
      run: {seed: 7}
      data: {kind: folder, root: data, labeled: labeled.txt}
      batch: {labeled: 2}
      augment: {crop: 48, mix: off}
      model: {encoder: resnet18, encoder_width: 0.25, width: 16, features: 16, dilations: [2, 4, 6], multi_grid: off,
              zero_init_residual: off}
      optimizer: {kind: adamw, learning_rate: 0.003, head_factor: 1, weight_decay: 0.01}
      schedule: {epochs: 1, steps_per_epoch: 40}
      u2pl: {enabled: off}
      compute: {threads: 1}
      """)
  }

  /// The masks are damaged after training, so that the test does not depend on how much a network learns of errors.
  func testDamagedMasks() throws {
    try makeScenes(12)
    let trained = try run(training("run", config: "mine.yaml"), limit: 120)
    XCTAssertEqual(trained.status, 0, trained.summary)
    func change(_ name: String, _ body: (LabelMap) -> [UInt8]) throws {
      let file = path("data/labels/\(name).png")
      let mask = try ImageFile.readLabels(file)
      try ImageFile.writePNG(
        LabelMap(height: mask.height, width: mask.width, values: body(mask)), palette: nil, to: file)
    }
    try change("3") { $0.values.map { 1 - $0 } }
    try change("7") { mask in
      mask.values.indices.map { $0 % mask.width < 8 ? 255 : mask.values[$0 - 8] }
    }
    let outcome = try review("one", ["-n", "5"])
    let first = try lines(of: "one/review.csv").dropFirst().prefix(2).map { $0.split(separator: ",").map(String.init) }
    XCTAssertEqual(Set(first.map { $0[1] }), ["3", "7"], outcome.summary)
    let kinds = Dictionary(uniqueKeysWithValues: first.map { ($0[1], $0[3]) })
    XCTAssertEqual(kinds, ["3": "swapped", "7": "shifted"])
    XCTAssertTrue(
      outcome.output.contains("ground and square are probably swapped")
        || outcome.output.contains("square and ground are probably swapped"), outcome.output)
    XCTAssertNotNil(outcome.output.firstMatch(of: /probably shifted .*[789] pixels to the right/), outcome.output)
    XCTAssertTrue(FileManager.default.fileExists(atPath: path("one/overlays/3.png")))
    for (ranks, output) in [(2, "two"), (4, "four")] {
      _ = try review(output, ["-n", "5"], ranks: ranks)
      XCTAssertEqual(
        try lines(of: "one/review.csv"),
        try lines(of: "\(output)/review.csv").map { $0.replacing("\(output)/", with: "one/") })
    }
    try assertRefused(
      ["review", "--checkpoint", "run/checkpoints/latest", "-o", "one"], saying: "one is there already")
    // What cannot be read is named and left out.
    try write("data/labels/5.png", "no mask")
    let rest = try review("rest", status: 3)
    XCTAssertTrue(rest.errors.contains("5.png"), rest.summary)
    XCTAssertEqual(try lines(of: "rest/review.csv").count, 12)
  }
}
