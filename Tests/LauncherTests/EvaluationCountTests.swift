import Compute
import Checkpoint
import Configuration
import Foundation
import HDF5
import Network
import TestSupport
import Trainer
import Weights
import XCTest

/// `u2pl evaluate` against an independent computation, to the last count.
final class EvaluationCountTests: CommandTestCase {
  /// An evaluation: the options of the command, and what they mean to NumPy.
  private struct Case {
    let options: [String]
    let mode: String
    var scales = [1.0]
    var flip = false
  }

  private let cases = [
    Case(options: ["--mode", "whole"], mode: "whole"),
    Case(options: ["--mode", "center_crop"], mode: "center_crop"),
    Case(options: ["--mode", "sliding"], mode: "sliding"),
    Case(options: ["--scales", "0.75,1,1.25", "--flip"], mode: "whole", scales: [0.75, 1, 1.25], flip: true),
    Case(
      options: ["--mode", "sliding", "--scales", "0.5,1.5", "--flip"], mode: "sliding", scales: [0.5, 1.5], flip: true),
  ]

  /// Runs each case on one and two ranks and compares its counts with NumPy's on the validation list.
  private func compare(_ configuration: Configuration) throws {
    let set = try XCTUnwrap(DataSets.openValidation(configuration))
    var images = CheckpointContents()
    for index in 0..<set.count {
      let (image, labels) = try set.labeledImage(index)
      images.datasets["images/\(index)"] = StoredDataset(
        shape: [image.height, image.width, 3], values: .uint8(image.colors()))
      images.datasets["masks/\(index)"] = StoredDataset(
        shape: [labels.height, labels.width], values: .uint8(labels.values))
    }
    try CheckpointFile.write(images, to: path("images.h5"))
    var results: Set<Data> = []
    for (number, evaluation) in cases.enumerated() {
      let file = path("\(number).csv")
      for ranks in [2, nil] {
        let outcome = try run(
          ["evaluate", "--checkpoint", "x.h5", "--confusion", file] + evaluation.options, ranks: ranks, limit: 600)
        XCTAssertEqual(outcome.status, 0, outcome.summary)
        let result = try XCTUnwrap(FileManager.default.contents(atPath: file))
        if ranks == nil { XCTAssertTrue(results.contains(result), "\(evaluation.options): two ranks count otherwise") }
        results.insert(result)
      }
      let settings = """
        {"mode": "\(evaluation.mode)", "scales": \(evaluation.scales), "flip": \(evaluation.flip), "crop": \(FixtureModel.crop),
         "classes": \(FixtureModel.classes), "mean": \(configuration.data.mean), "std": \(configuration.data.std)}
        """
      let (views, logits) = (path("views-\(number).h5"), path("logits-\(number).h5"))
      let names = try python(numPyEvaluation, "views", path("images.h5"), views, logits, settings, file)
      try answer(names.split(separator: "\n").map(String.init), views, logits, configuration)
      try python(numPyEvaluation, "counts", path("images.h5"), views, logits, settings, file)
    }
    XCTAssertEqual(results.count, cases.count, "some evaluations do the same")
  }

  /// The network's raw logits for each view NumPy has made.
  private func answer(_ names: [String], _ views: String, _ logits: String, _ configuration: Configuration) throws {
    let threads = ThreadPool.threads
    ThreadPool.threads = 1
    defer { ThreadPool.threads = threads }
    let network = Segmenter(SegmenterShape(configuration), trainable: false)
    fillNamed(network)
    var contents = CheckpointContents()
    XCTAssertFalse(names.isEmpty)
    for name in names {
      let parts = name.split(separator: "/").map(String.init)
      let group = parts.dropLast().joined(separator: "/")
      let stored = try XCTUnwrap(WeightsFile.read(views, group: group)[parts.last ?? ""])
      guard case .float32(let values) = stored.values else { return XCTFail(name) }
      let view = Tensor(count: 1, height: stored.shape[0], width: stored.shape[1], channels: 3)
      view.data.update(from: values, count: values.count)
      let result = try network.forward(view, representation: false, .evaluation(samples: 1)).logits
      contents.datasets[name] = StoredDataset(
        shape: [result.height, result.width, result.channels],
        values: .float32((0..<result.elements).map { result.data[$0] }))
    }
    try CheckpointFile.write(contents, to: logits)
  }

  /// Images larger and smaller than the window in either direction.
  func testImagesOfManySizes() throws {
    for (name, height, width) in [("a", 60, 97), ("b", 41, 30), ("c", 33, 33), ("d", 77, 49), ("e", 36, 120)] {
      try writeFixtureImage(name, height: height, width: width)
    }
    try write("data/val.txt", "a\nb\nc\nd\ne\n")
    try compare(try writeFixtureModel(path("data"), "val.txt"))
  }

  /// Three frames of CamVid's validation set; all 101 where U2PL_EVERY_FRAME is set, which takes minutes.
  func testCamVid() throws {
    let shared = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/data/camvid")
    guard let list = try? String(contentsOf: shared.appendingPathComponent("splits/val.txt"), encoding: .utf8) else {
      throw XCTSkip("\(shared.path) is missing, nothing is compared on real images")
    }
    let names = list.split(separator: "\n")
    XCTAssertEqual(names.count, 101)
    let every = ProcessInfo.processInfo.environment["U2PL_EVERY_FRAME"] != nil
    try write("some.txt", stride(from: 0, to: 101, by: every ? 1 : 50).map { names[$0] }.joined(separator: "\n"))
    try compare(try writeFixtureModel(shared.path, path("some.txt")))
  }
}
