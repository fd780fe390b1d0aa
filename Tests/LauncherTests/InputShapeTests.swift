import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// Images that are long, tiny, or all of one colour: they train, with the same bits on any number of ranks.
final class InputShapeTests: CommandTestCase {
  private func save(_ name: String, height: Int, width: Int, pixels: [UInt8], labels: [UInt8]) throws {
    for folder in ["images", "labels"] { try write("data/\(folder)/\(name).png", []) }
    try ImageFile.writePNG(Raster(height: height, width: width, pixels: pixels), to: path("data/images/\(name).png"))
    try ImageFile.writePNG(
      LabelMap(height: height, width: width, values: labels), palette: nil, to: path("data/labels/\(name).png"))
  }

  private func configure(_ names: [String]) throws {
    try write("data/list.txt", names.joined(separator: "\n"))
    try write(
      "mine.yaml",
      tinyConfiguration(
        data: "{kind: folder, root: data, labeled: list.txt, unlabeled: list.txt, validation: list.txt, classes: 4}"))
  }

  private func assertTrains(_ settings: [String] = [], file: StaticString = #filePath, line: UInt = #line) throws {
    var first: [String]?
    for ranks in [nil, 2] {
      let name = "run-\(UUID().uuidString)"
      let outcome = try run(training(name, settings, config: "mine.yaml"), ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary, file: file, line: line)
      let found = try metrics(name)
      XCTAssertEqual(found.count, 9, file: file, line: line)
      XCTAssertFalse(found.joined().contains("nan"), file: file, line: line)
      XCTAssertEqual(found, first ?? found, file: file, line: line)
      first = found
    }
  }

  func testLongAndTinyImages() throws {
    let sizes = [(1, 1), (1, 200), (200, 1), (3, 5), (33, 33), (70, 20), (20, 70), (8, 90)]
    for (index, size) in sizes.enumerated() {
      let count = size.0 * size.1
      try save(
        "\(index)", height: size.0, width: size.1, pixels: hashed("\(index)", 3 * count).map { UInt8($0 & 255) },
        labels: (0..<count).map { UInt8(($0 / 7 + index) % 4) })
    }
    try configure(sizes.indices.map { "\($0)" })
    try assertTrains()
    try assertTrains(["augment.crop=[17, 49]", "evaluate.mode=sliding"])
    // Without a crop, of one size that is not square.
    try write("data/list.txt", "5\n5\n")
    try assertTrains(["augment={crop: off, scale: off, rotate: off, mix: cutmix}"])
  }

  func testImagesOfOneColourAndOneClass() throws {
    for (index, value) in [0, 0, 255, 255, 128, 128].enumerated() {
      try save(
        "\(index)", height: 40, width: 36, pixels: [UInt8](repeating: UInt8(value), count: 40 * 36 * 3),
        labels: [UInt8](repeating: UInt8(index % 4), count: 40 * 36))
    }
    try configure((0..<6).map { "\($0)" })
    try assertTrains()
    for index in 0..<6 {
      try save(
        "\(index)", height: 40, width: 36, pixels: [UInt8](repeating: 7, count: 40 * 36 * 3),
        labels: [UInt8](repeating: 2, count: 40 * 36))
    }
    try assertTrains()
  }
}
