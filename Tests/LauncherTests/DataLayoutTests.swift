import Checkpoint
import Dataset
import Foundation
import HDF5
import TestSupport
import Trainer
import Transforms
import XCTest

/// The same images and masks in every layout: what is computed from them is the same, to the last bit.
final class DataLayoutTests: CommandTestCase {
  private let side = 33
  private let labeled = ["aachen_000000_000019", "bonn_000000_000019", "aachen_000001_000019"]
  private let unlabeled = ["bonn_000001_000019", "bonn_000002_000019"]
  private let validation = ["ulm_000000_000019", "ulm_000001_000019", "ulm_000002_000019"]

  /// What each layout stores for the classes 0 to 3 and ignore.
  private let stored: [String: [UInt8]] = [
    "voc": [0, 1, 2, 3, 255], "cityscapes": [7, 8, 11, 12, 4], "folder": [9, 0, 255, 7, 1],
  ]

  override func setUpWithError() throws {
    try super.setUpWithError()
    for name in labeled + unlabeled + validation {
      let image = Raster(
        height: side, width: side, pixels: hashed("image \(name)", side * side * 3).map { UInt8($0 & 255) })
      let city = "\(validation.contains(name) ? "val" : "train")/\(name.prefix { $0 != "_" })"
      try save(image, "voc/JPEGImages/\(name).png")
      try save(image, "cityscapes/leftImg8bit/\(city)/\(name)_leftImg8bit.png")
      try save(image, "folder/images/\(name).png")
      if unlabeled.contains(name) { continue }
      try save(labels(name, "voc"), palette: true, "voc/SegmentationClassAug/\(name).png")
      try save(labels(name, "cityscapes"), palette: false, "cityscapes/gtFine/\(city)/\(name)_gtFine_labelIds.png")
      try save(labels(name, "folder"), palette: false, "folder/labels/\(name).png")
    }
    for (list, names) in [("labeled", labeled), ("unlabeled", unlabeled), ("val", validation)] {
      try write("voc/\(list).txt", names.joined(separator: "\n"))
      try write("folder/\(list).txt", names.map { "\($0).jpg" }.joined(separator: "\n"))
      let split = list == "val" ? "val" : "train"
      try write(
        "cityscapes/\(list).txt",
        names.map { "leftImg8bit/\(split)/\($0.prefix { $0 != "_" })/\($0)_leftImg8bit.png" }.joined(separator: "\n"))
    }
    try write("folder/classes.txt", "a\nb\nc\nd\n")
    for (kind, more) in [
      ("voc", "classes: [a, b, c, d]"), ("cityscapes", "classes: [a, b, c, d]"),
      ("folder", "label_map: {9: a, 0: b, 255: c, 7: d, 1: ignore}"),
    ] {
      let lists = "labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt"
      try write(
        "\(kind).yaml",
        tinyConfiguration(data: "{kind: \(kind), root: \(kind), \(lists), \(more)}")
          .replacing("epochs: 3, steps_per_epoch: 2", with: "epochs: 3, steps_per_epoch: 1"))
    }
  }

  private func save(_ image: Raster, _ name: String) throws {
    try write(name, [])
    try ImageFile.writePNG(image, to: path(name))
  }

  private func save(_ labels: LabelMap, palette: Bool, _ name: String) throws {
    try write(name, [])
    try ImageFile.writePNG(labels, palette: palette ? ImageFile.vocPalette : nil, to: path(name))
  }

  private func labels(_ name: String, _ layout: String) -> LabelMap {
    let classes = blockLabels("mask \(name)", count: 1, size: side, classes: 4, block: 8, ignoreEvery: 5)
    let values = classes.map { stored[layout]![$0 == 255 ? 4 : Int($0)] }
    return LabelMap(height: side, width: side, values: values)
  }

  /// All datasets of the last checkpoint.
  private func state(_ run: String) throws -> [String: StoredDataset] {
    try CheckpointFile.read(checkpoint(run, step: 3)).datasets
  }

  func testTrainingEvaluationAndPredictionInEveryLayout() throws {
    XCTAssertEqual(Set(labels(labeled[0], "voc").values), [0, 1, 2, 3, 255])
    let packed = try run(["data", "pack", "cityscapes.yaml", "-o", "packed.h5"], ranks: 2)
    XCTAssertEqual(packed.status, 0, packed.summary)
    let settings = ["data.kind=hdf5", "data.root=packed.h5"]
    try train("expected", config: "voc.yaml")
    let expected = try (metrics("expected"), state("expected"))
    XCTAssertEqual(expected.0.count, 6, "three steps and as many evaluations")
    let table = try evaluate("expected")
    XCTAssertTrue(table.contains("mIoU"), table)
    let predicted = try predict("expected", "voc/JPEGImages")
    XCTAssertEqual(predicted.count, labeled.count + unlabeled.count + validation.count)
    let images = ["voc": "voc/JPEGImages", "cityscapes": "cityscapes/leftImg8bit", "folder": "folder/images"]
    for (layout, more) in [("voc", []), ("cityscapes", []), ("folder", []), ("cityscapes", settings)] {
      for ranks in [nil, 2] {
        let name = "\(layout)-\(more.count)-\(ranks ?? 1)"
        if name != "voc-0-1" { try train(name, more, ranks: ranks, config: "\(layout).yaml") } else { continue }
        XCTAssertEqual(try metrics(name), expected.0, name)
        XCTAssertTrue(try state(name) == expected.1, "\(name): the checkpoint differs")
        XCTAssertEqual(try evaluate(name, ranks: ranks), table, name)
        XCTAssertTrue(try predict(name, images[layout]!, ranks: ranks) == predicted, "\(name): predictions differ")
      }
    }
  }

  private func train(_ name: String, _ settings: [String] = [], ranks: Int? = nil, config: String) throws {
    let outcome = try run(training(name, settings, config: config), ranks: ranks, limit: 120)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
  }

  /// The table that `u2pl evaluate` shows, without the time it took.
  private func evaluate(_ name: String, ranks: Int? = nil) throws -> String {
    let outcome = try run(["evaluate", "--checkpoint", "\(name)/checkpoints/latest"], ranks: ranks)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    return outcome.output.replacing(/, [0-9.]+ s\)/, with: ")")
  }

  /// The files of classes that `u2pl predict` writes, by the names the images have in VOC's layout.
  private func predict(_ name: String, _ images: String, ranks: Int? = nil) throws -> [String: Data] {
    let outcome = try run(
      ["predict", "--checkpoint", "\(name)/checkpoints/latest", images, "-o", "\(name)-out"], ranks: ranks)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    var files: [String: Data] = [:]
    for file in try FileManager.default.subpathsOfDirectory(atPath: path("\(name)-out/index"))
    where file.hasSuffix(".png") {
      let stem = String(file.split(separator: "/").last!).replacing("_leftImg8bit", with: "")
      files[stem] = FileManager.default.contents(atPath: path("\(name)-out/index/\(file)"))
    }
    return files
  }

  /// The lists of a packed file may be given as files, in any layout's form.
  func testPackedImagesByOtherLists() throws {
    let packed = try run(["data", "pack", "folder.yaml", "-o", "made/packed.h5"])
    XCTAssertEqual(packed.status, 2, packed.summary)
    try FileManager.default.createDirectory(atPath: path("made"), withIntermediateDirectories: true)
    XCTAssertEqual(try run(["data", "pack", "folder.yaml", "-o", "made/packed.h5"]).status, 0)
    try write("made/pairs.txt", labeled.map { "/JPEGImages/\($0).png /SegmentationClassAug/\($0).png\n" }.joined())
    let settings = ["data.kind=hdf5", "data.root=made/packed.h5", "data.classes=[a, b, c, d]"]
    try train("names", settings, config: "folder.yaml")
    try train("pairs", settings + ["data.labeled=pairs.txt"], config: "folder.yaml")
    XCTAssertEqual(try metrics("pairs"), try metrics("names"))
    try assertRefused(
      training("bad", settings + ["data.labeled=unlabeled.txt"], config: "folder.yaml"),
      saying: "lists/unlabeled.txt, line 1", unlabeled[0], "no mask", "made/packed.h5", "1 more line")
  }
}
