import Checkpoint
import HDF5
import Foundation
import HDF5
import Trainer
import XCTest

final class ConfusionMatrixTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("confusion-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

  /// Class 3 is neither present nor predicted, class 2 only predicted.
  private var matrix: ConfusionMatrix {
    var matrix = ConfusionMatrix(classes: 4)
    matrix.add(truth: [0, 0, 0, 0, 1, 1, 255, 255], prediction: [0, 0, 1, 2, 1, 0, 1, 3])
    return matrix
  }

  func testNumbersThatCanBeCheckedInTheHead() {
    XCTAssertEqual(matrix.counts, [2, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    XCTAssertEqual(matrix.truthCounts, [4, 2, 0, 0])
    XCTAssertEqual(matrix.intersectionOverUnion, [2.0 / 5, 1.0 / 3, 0, nil])
    XCTAssertEqual(matrix.meanIntersectionOverUnion, (2.0 / 5 + 1.0 / 3 + 0) / 3)
    XCTAssertEqual(matrix.dice.map { $0.map { Float($0) } }, [4.0 / 7, 2.0 / 4, 0, nil])
    XCTAssertEqual(matrix.meanDice, (4.0 / 7 + 2.0 / 4) / 3, accuracy: 1e-15)
    XCTAssertEqual(matrix.accuracy, [0.5, 0.5, nil, nil])
    XCTAssertEqual(matrix.meanAccuracy, 0.5)
    XCTAssertEqual(matrix.pixelAccuracy, 0.5)
    let nothing = ConfusionMatrix(classes: 2)
    XCTAssertEqual([nothing.meanIntersectionOverUnion, nothing.meanAccuracy, nothing.pixelAccuracy], [0, 0, 0])
  }

  func testFiles() throws {
    let csv = try XCTUnwrap(ConfusionFile(path: folder + "/c.CSV"))
    let names = ["sky", "road, wet", "a \"b\"", "d"]
    for _ in 0..<2 {
      try csv.check()
      try csv.write(matrix, names: names, attributes: [:])
    }
    XCTAssertEqual(
      try String(contentsOfFile: csv.path, encoding: .utf8),
      """
      truth,sky,"road, wet","a ""b\""",d
      sky,2,1,1,0
      "road, wet",1,1,0,0
      "a ""b\""",0,0,0,0
      d,0,0,0,0

      """)

    let hdf5 = try XCTUnwrap(ConfusionFile(path: folder + "/c.h5"))
    for _ in 0..<2 {
      try hdf5.check()
      try hdf5.write(matrix, names: names, attributes: ["images": .int(3)])
    }
    let contents = try CheckpointFile.read(hdf5.path)
    XCTAssertEqual(contents.datasets, ["confusion": StoredDataset(shape: [4, 4], values: .int64(matrix.counts))])
    XCTAssertEqual(contents.attributes, ["images": .int(3), "classes": .string("sky\nroad, wet\na \"b\"\nd")])
  }

  /// A wrong place is found before the evaluation, and nothing else is written over.
  func testPlacesThatCannotBeWritten() throws {
    func refusal(_ name: String) -> String {
      do {
        try XCTUnwrap(ConfusionFile(path: "\(folder)/\(name)")).check()
        XCTFail("\(name) was taken")
        return ""
      } catch { return "\(error)" }
    }
    XCTAssertNil(ConfusionFile(path: "c.txt"))
    XCTAssertNil(ConfusionFile(path: "csv"))
    XCTAssertTrue(refusal("none/c.csv").contains("there is no folder \(folder)/none"))
    try FileManager.default.createDirectory(atPath: folder + "/d.csv", withIntermediateDirectories: true)
    XCTAssertTrue(refusal("d.csv").contains("is a folder"))
    try Data("name,age\n".utf8).write(to: URL(fileURLWithPath: folder + "/other.csv"))
    XCTAssertTrue(refusal("other.csv").contains("holds no confusion matrix"))
    var checkpoint = CheckpointContents()
    checkpoint.datasets["student/a"] = StoredDataset(shape: [1], values: .float32([1]))
    try CheckpointFile.write(checkpoint, to: folder + "/step-1.h5")
    XCTAssertTrue(refusal("step-1.h5").contains("holds no confusion matrix"))
  }
}
