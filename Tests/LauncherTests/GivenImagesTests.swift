import Compute
import Configuration
import Dataset
import Distributed
import Foundation
import Method
import TestSupport
import Trainer
import Transforms
import XCTest

/// A run on given weights and given images, in the lists' order, can be compared number by number with anything that
/// computes the same: here with the library fed by hand, which other tests compare with PyTorch.
final class GivenImagesTests: CommandTestCase {
  private let side = 33
  private let labeled = ["a", "b", "c", "d", "e"]
  private let unlabeled = ["u", "v", "w"]

  /// Mean and deviation are such that normalising rounds nothing.
  private func configuration(_ name: String, labeled: String = "labeled.txt", learningRate: Double = 0.01) throws {
    try write(
      name,
      """
      data: {kind: voc, root: data, labeled: \(labeled), unlabeled: unlabeled.txt, classes: 4, shuffle: false,
             mean: [128, 64, 96], std: [64, 64, 32]}
      batch: {labeled: 2, unlabeled: 2}
      augment: off
      model: {encoder: resnet18, encoder_width: 0.25, multi_grid: off, width: 16, features: 16, dilations: [2, 4, 6],
              dropout: 0, weights: weights.h5}
      optimizer: {learning_rate: \(learningRate), head_factor: 10, weight_decay: 1e-4}
      schedule: {epochs: 2, steps_per_epoch: 4, supervised_epochs: 1}
      u2pl: {capacity: 300, enqueue_per_step: 64, anchors: 16, negatives: 8, low_rank: 1, high_rank: 4}
      compute: {threads: 1}
      """)
  }

  override func setUpWithError() throws {
    try super.setUpWithError()
    for name in labeled + unlabeled {
      for folder in ["JPEGImages", "SegmentationClass"] { try write("data/\(folder)/\(name).png", []) }
      try ImageFile.writePNG(
        Raster(height: side, width: side, pixels: pixels(name)), to: path("data/JPEGImages/\(name).png"))
      try ImageFile.writePNG(
        LabelMap(height: side, width: side, values: labels(name)), palette: ImageFile.vocPalette,
        to: path("data/SegmentationClass/\(name).png"))
    }
    try write("data/labeled.txt", labeled.joined(separator: "\n"))
    try write("data/unlabeled.txt", unlabeled.joined(separator: "\n"))
    try configuration("given.yaml")
    try writeWeights()
  }

  private func pixels(_ name: String) -> [UInt8] { hashed("image \(name)", side * side * 3).map { UInt8($0 & 255) } }

  private func labels(_ name: String) -> [UInt8] {
    blockLabels("mask \(name)", count: 1, size: side, classes: 4, block: 8)
  }

  private func trainer() throws -> U2PLTrainer {
    // The paths of a configuration are relative to the program's directory.
    let configuration = try Configuration.load(
      path: path("given.yaml"), overrides: ["data.root=\(path("data"))", "model.weights=null"])
    let schedule = Schedule(configuration, labeledCount: labeled.count, unlabeledCount: unlabeled.count)
    let trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: .alone)
    fillNamed(trainer.student)
    fillNamed(trainer.teacher)
    return trainer
  }

  /// `weights.h5`, made by Python from the fixtures' definition and nothing but names and shapes.
  private func writeWeights() throws {
    let entries = try trainer().student.parameters.entries.filter { $0.kind != .counter }
    try write("names.txt", entries.map { "\($0.name) \($0.shape)\n" }.joined())
    try python(
      """
      import ast, h5py, math, numpy as np, sys
      def named_value(name, shape):
          seed = 0xCBF29CE484222325
          for byte in name.encode(): seed = ((seed ^ byte) * 0x100000001B3) % 2**64
          z = np.uint64(seed) + np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
          z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
          z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
          z ^= z >> np.uint64(31)
          u = ((z >> np.uint64(40)) / 2**23 - 1).astype(np.float32)
          tenth = np.float32(0.1)
          if name.endswith("running_var") or name.endswith(".weight") and len(shape) == 1: u = 1 + tenth * u
          elif len(shape) == 1: u = tenth * u
          else: u = np.float32(math.sqrt(6 / math.prod(shape[1:]))) * u
          assert u.dtype == np.float32
          return u.reshape(shape)
      np.seterr(over="ignore")
      with h5py.File(sys.argv[2], "w") as f:
          for line in open(sys.argv[1]):
              name, shape = line.split(" ", 1)
              f["student/" + name] = named_value(name, ast.literal_eval(shape))
      """, path("names.txt"), path("weights.h5"))
  }

  private func example(_ name: String, masked: Bool) -> Example {
    let mean: [Float] = [128, 64, 96], std: [Float] = [64, 64, 32]
    let pixels = pixels(name).enumerated().map { (Float($1) - mean[$0 % 3]) / std[$0 % 3] }
    return Example(
      height: side, width: side, pixels: pixels,
      labels: masked ? labels(name) : [UInt8](repeating: 0, count: side * side))
  }

  func testAgainstTheLibraryFedByHand() throws {
    let threads = ThreadPool.threads
    ThreadPool.threads = 1
    defer { ThreadPool.threads = threads }
    let trainer = try trainer()
    let expected = try (0..<8).map { step in
      let slots = [step * 2, step * 2 + 1]
      let batch = Batch(
        step: step, labeled: slots.map { example(labeled[$0 % 5], masked: true) },
        unlabeled: step < 4 ? [] : slots.map { example(unlabeled[$0 % 3], masked: false) }, identifiers: [])
      return try trainer.step(batch).metrics(seconds: 0).text.replacing(/,"seconds":[^,}]*/, with: "")
    }
    for ranks in [nil, 2] {
      let name = "run\(ranks ?? 1)"
      let outcome = try run(training(name, config: "given.yaml"), ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertEqual(try metrics(name), expected)
    }
    for line in expected.suffix(4) {
      for term in ["supervised", "unsupervised", "contrastive"] {
        XCTAssertGreaterThan(try json(line)[term] as? Double ?? 0, 0, term)
      }
    }
  }

  /// Layers show the watchdog that the process goes on, within one pass over one image.
  func testLayersAdvanceTheSignOfLife() throws {
    let trainer = try trainer()
    let image = Raster(height: side, width: side, pixels: pixels("a"))
    let before = Activity.record[.progress]
    _ = try Inference(trainer.configuration).classes(trainer.evaluated, image)
    // A ResNet-18, ASPP and heads have more than twenty convolutions.
    XCTAssertGreaterThan(Activity.record[.progress] - before, 20)
  }

  /// Slot i of step k is line (k · B + i) mod n: a list is the same as itself written twice.
  func testAListIsCycled() throws {
    for (name, list) in [("once", ["a", "b", "c"]), ("twice", ["a", "b", "c", "a", "b", "c"])] {
      try write("data/\(name).txt", list.joined(separator: "\n"))
      try configuration("\(name).yaml", labeled: "\(name).txt")
      let outcome = try run(training(name, config: "\(name).yaml"))
      XCTAssertEqual(outcome.status, 0, outcome.summary)
    }
    let (once, twice) = try (metrics("once"), metrics("twice"))
    XCTAssertEqual(once.count, 8)
    XCTAssertEqual(once, twice)
  }

  /// With nothing learned, a supervised loss tells which images a step has had.
  func testAStepsImagesAreThoseOfItsLines() throws {
    try write("data/three.txt", "a\nb\nc")
    try configuration("three.yaml", labeled: "three.txt", learningRate: 0)
    let outcome = try run(training("three", config: "three.yaml"))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let losses = try metrics("three").prefix(4).map { try XCTUnwrap(json($0)["supervised"] as? Double) }
    // ab, ca, bc, ab
    XCTAssertEqual(losses[0], losses[3])
    XCTAssertEqual(Set(losses).count, 3)
  }
}
