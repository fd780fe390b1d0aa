import Checkpoint
import Dataset
import Foundation
import HDF5
import TestSupport
import Transforms
import XCTest

/// Runs on images that are no 8-bit colour: the same bits on 1, 2 and 4 ranks and after a resume, and all that is done
/// with what they have trained.
final class ChannelRunsTests: CommandTestCase {
  private let side = 33

  /// Classes 0 to 2 in stripes; values that tell them, and something of the place.
  private func scene(_ number: Int, channels: Int) -> (values: [Int], labels: [UInt8]) {
    let labels = (0..<side * side).map { UInt8(($0 % side + 5 * number) / 7 % 3) }
    let values = labels.enumerated().flatMap { p, label in
      (0..<channels).map { (Int(label) * 80 + ($0 * 37 + p * 13 + number * 29) % 60) % 256 }
    }
    return (values, labels)
  }

  private func configuration(_ data: String, _ more: String = "") -> String {
    """
    run: {seed: 7}
    data: \(data)
    batch: {labeled: 4, unlabeled: 4}
    augment: {scale: [0.75, 1.5], crop: 25, rotate: 10, blur: 1, color: [0.3, 0.3, 0, 0], elastic: [2, 8],
      vertical_flip: on, quarter_turns: on, gamma: [0.7, 1.4], noise: [0, 8], mix: cutmix, mix_probability: 1,
      strong: {gamma: [0.8, 1.2], noise: 4, blur: 1}}
    model: {encoder: resnet18, encoder_width: 0.125, width: 8, features: 8, dilations: [2, 4, 6]}
    optimizer: {learning_rate: 0.01, head_factor: 1}
    schedule: {epochs: 2, steps_per_epoch: 2, supervised_epochs: 1}
    u2pl: {capacity: 500, enqueue_per_step: 64, anchors: 16, negatives: 8, low_rank: 1, high_rank: 3}
    compute: {threads: 1}
    teacher: {buffers: ema}
    \(more)
    """
  }

  /// A folder of PNGs with one channel, the last two for validation.
  private func writeFolder(_ name: String, wide: Bool) throws {
    for folder in ["images", "labels"] {
      try FileManager.default.createDirectory(atPath: path("\(name)/\(folder)"), withIntermediateDirectories: true)
    }
    for number in 0..<8 {
      let (values, labels) = scene(number, channels: 1)
      // What tells the classes is in the low byte.
      let stored: Raster.Values =
        wide ? .uint16(values.map { 0x4100 + UInt16($0) }) : .uint8(values.map { UInt8($0) })
      try ImageFile.writePNG(
        Raster(height: side, width: side, channels: 1, values: stored), to: path("\(name)/images/\(number).png"))
      try ImageFile.writePNG(
        LabelMap(height: side, width: side, values: labels), palette: nil, to: path("\(name)/labels/\(number).png"))
    }
    try write("\(name)/labeled.txt", "0\n1\n2\n")
    try write("\(name)/unlabeled.txt", "3\n4\n5\n")
    try write("\(name)/val.txt", "6\n7\n")
  }

  private let lists = "labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt, classes: 3"

  /// One packed file of arrays.
  private func writePacked(_ name: String, channels: Int, _ values: ([Int]) -> DatasetValues) throws {
    let file = path("\(name).h5"), side = side
    let scenes = (0..<8).map { scene($0, channels: channels) }
    let images = scenes.map { values($0.values) }
    try HDF5.run {
      var writer = try HDF5Writer(new: file, Place(file: file, advice: ""))
      for (number, image) in images.enumerated() {
        try writer.write(StoredDataset(shape: [side, side, channels], values: image), at: "images/\(number)")
        try writer.write(
          StoredDataset(shape: [side, side], values: .uint8(scenes[number].labels)), at: "labels/\(number)")
      }
      try writer.close()
    }
    try write("labeled.txt", "0\n1\n2\n")
    try write("unlabeled.txt", "3\n4\n5\n")
    try write("val.txt", "6\n7\n")
  }

  /// 1, 2 and 4 ranks, and a run that is begun on 2 and resumed on 1, leave the same.
  private func assertSameBits(_ name: String, line: UInt = #line) throws {
    let config = "\(name).yaml", settings = ["checkpoint.every_steps=2"]
    for ranks in [1, 2, 4] { try trainWhole("\(name)-\(ranks)", config, ranks: ranks, line: line) }
    for ranks in [2, 4] { try assertSame("\(name)-1", "\(name)-\(ranks)", lastStep: 4, line: line) }
    try trainWhole("\(name)-r", config, ranks: 2, line: line)
    // As if it had ended half way.
    try FileManager.default.removeItem(atPath: checkpoint("\(name)-r", step: 4))
    for link in ["latest", "best"] {
      try? FileManager.default.removeItem(atPath: path("\(name)-r/checkpoints/\(link)"))
    }
    let resumed = try run(training("\(name)-r", settings, config: config) + ["--resume", "latest"])
    XCTAssertEqual(resumed.status, 0, resumed.summary, line: line)
    XCTAssertTrue(resumed.output.contains("at step 2"), resumed.output, line: line)
    try assertSame("\(name)-1", "\(name)-r", lastStep: 4, line: line)
  }

  private func trainWhole(_ name: String, _ config: String, ranks: Int, line: UInt = #line) throws {
    let outcome = try run(
      training(name, ["checkpoint.every_steps=2"], config: config), ranks: ranks, limit: 120, line: line)
    XCTAssertEqual(outcome.status, 0, outcome.summary, line: line)
  }

  func testGreyOf16BitsWhoseClassesDifferInTheLowByte() throws {
    try writeFolder("wide", wide: true)
    try writeFolder("narrow", wide: false)
    try write(
      "wide.yaml",
      configuration("{kind: folder, root: wide, channels: 1, range: [0x4100, 0x41FF], \(lists)}")
        .replacing("0x4100", with: "16640").replacing("0x41FF", with: "16895"))
    try write("narrow.yaml", configuration("{kind: folder, root: narrow, channels: 1, \(lists)}"))
    try assertSameBits("wide")
    // The twin of 8 bits computes the same: every parameter, and so every result.
    try trainWhole("narrow-1", "narrow.yaml", ranks: 1)
    XCTAssertEqual(try metrics("narrow-1"), try metrics("wide-1"))
    for group in ["student", "teacher"] {
      let own = try CheckpointFile.read(checkpoint("wide-1", step: 4), group: group).datasets
      XCTAssertEqual(own, try CheckpointFile.read(checkpoint("narrow-1", step: 4), group: group).datasets)
      XCTAssertEqual(own["\(group)/encoder.conv1.0.weight"]?.shape, [8, 1, 3, 3])
    }
    let best = checkpoint("wide-1", step: 4)
    for (name, ranks) in [("out", nil), ("out2", 2)] {
      let predicted = try run(["predict", "--checkpoint", best, "wide/images", "-o", name], ranks: ranks)
      XCTAssertEqual(predicted.status, 0, predicted.summary)
    }
    for kind in ["index", "overlay"] {
      XCTAssertTrue(
        FileManager.default.contentsEqual(atPath: path("out/\(kind)/7.png"), andPath: path("out2/\(kind)/7.png")))
    }
    let evaluated = try run(["evaluate", "--checkpoint", best])
    XCTAssertEqual(evaluated.status, 0, evaluated.summary)
    let exported = try run(["weights", "export", best, "-o", "w.safetensors"])
    XCTAssertEqual(exported.status, 0, exported.summary)
    // Weights go back in; images and networks of other channels are refused in one sentence.
    let again = try run(
      training("again", ["model.weights=w.safetensors", "model.strict=on", "schedule.epochs=1"], config: "wide.yaml"))
    XCTAssertEqual(again.status, 0, again.summary)
    let resumed = try run(
      training("wide-1", ["data.channels=3"], config: "wide.yaml") + ["--resume", "latest"])
    XCTAssertNotEqual(resumed.status, 0)
    XCTAssertTrue(resumed.summary.contains("images of 1 channel"), resumed.summary)
    let other = try run(["predict", "--checkpoint", best, "--set", "data.channels=3", "wide/images", "-o", "out3"])
    XCTAssertEqual(other.status, 2, other.summary)
    XCTAssertTrue(
      other.summary.contains("the network is of images of 1 channel, and data.channels is set to 3"), other.summary)
  }

  func testFourChannelsOfFloats() throws {
    try writePacked("floats", channels: 4) { .float32($0.map { Float($0) * 7.5 - 300 }) }
    try write(
      "floats.yaml",
      configuration("{kind: hdf5, root: floats.h5, channels: 4, range: {percentiles: [1, 99]}, \(lists)}"))
    try assertSameBits("floats")
    // The percentiles are in the configuration that the run has written, exact, whatever the number of ranks.
    let values = (0..<6).flatMap { scene($0, channels: 4).values }.map { Double($0) * 7.5 - 300 }.sorted()
    func percentile(_ p: Double) -> Double { values[Int((p / 100 * Double(values.count)).rounded(.up)) - 1] }
    let expected = "range: {percentiles: [1.0, 99.0], found: [1.0, 99.0, \(percentile(1)), \(percentile(99))]}"
    for ranks in [1, 2, 4] {
      let text = try String(contentsOfFile: path("floats-\(ranks)/config.yaml"), encoding: .utf8)
      XCTAssertTrue(text.contains(expected), text)
    }
    let evaluate = ["evaluate", "--checkpoint", checkpoint("floats-1", step: 4), "--cases"]
    let evaluated = try run(evaluate + ["own.csv"])
    XCTAssertEqual(evaluated.status, 0, evaluated.summary)
    // The same percentiles mean the same values; the training has found none of others.
    let same = try run(evaluate + ["same.csv", "--set", "data.range={percentiles: [1, 99]}"])
    XCTAssertEqual(same.status, 0, same.summary)
    XCTAssertEqual(try lines(of: "same.csv"), try lines(of: "own.csv"))
    let values16 = try run(evaluate + ["others.csv", "--set", "data.range=[0, 2]"])
    XCTAssertEqual(values16.status, 0, values16.summary)
    for range in ["{percentiles: [2, 99]}", "{percentiles: [2, 99], found: [1, 99, 3, 4]}"] {
      try assertRefused(
        evaluate + ["other.csv", "--set", "data.range=\(range)"],
        saying: "whose values this network's training has not found")
    }
  }

  /// Where the type alone says what becomes 0 and 255.
  func testTypesWithoutARange() throws {
    try writePacked("floats", channels: 1) { .float32($0.map { Float($0) }) }
    try write("floats.yaml", configuration("{kind: hdf5, root: floats.h5, channels: 1, \(lists)}"))
    let floats = try run(training("floats", ["schedule.epochs=1"], config: "floats.yaml"), ranks: 2)
    XCTAssertEqual(floats.status, 0, floats.summary)
    XCTAssertTrue(floats.summary.contains("8 images of floats have values outside of 0–1"), floats.summary)
    try writePacked("signed", channels: 1) { .int16($0.map { Int16($0) }) }
    let signed = try run(training("signed", ["schedule.epochs=1", "data.root=signed.h5"], config: "floats.yaml"))
    XCTAssertEqual(signed.status, 0, signed.summary)
    XCTAssertTrue(signed.summary.contains("images are int16"), signed.summary)
    var number = 0
    try writePacked("mixed", channels: 1) { values in
      number += 1
      return number == 5 ? .int16(values.map { Int16($0) }) : .uint8(values.map { UInt8($0) })
    }
    try assertRefused(
      training("mixed", ["data.root=mixed.h5"], config: "floats.yaml"),
      saying: "data.range is not set, and images are of 2 types",
      "is int16")
    let ranged = try run(
      training("ranged", ["data.root=mixed.h5", "data.range=[0, 255]", "schedule.epochs=1"], config: "floats.yaml"))
    XCTAssertEqual(ranged.status, 0, ranged.summary)
    XCTAssertFalse(ranged.summary.contains("data.range is not set"), ranged.summary)
  }

  func testThirteenChannelsOf16BitsNormalisedByImage() throws {
    try writePacked("many", channels: 13) { .uint16($0.map { UInt16($0 * 200 + 90) }) }
    try write(
      "many.yaml", configuration("{kind: hdf5, root: many.h5, channels: 13, normalize: image_nonzero, \(lists)}"))
    try assertSameBits("many")
    let exported = try run(["weights", "export", checkpoint("many-1", step: 4), "-o", "w.safetensors"])
    XCTAssertEqual(exported.status, 0, exported.summary)
    // Statistics are those of the whole image, also where only its centre is evaluated: what lies outside of it counts.
    let side = side
    let isOutside = (0..<side * side * 13).map {
      min($0 / 13 / side, $0 / 13 % side) < 4 || max($0 / 13 / side, $0 / 13 % side) >= 29
    }
    try writePacked("bright", channels: 13) { values in
      .uint16(zip(values, isOutside).map { UInt16($1 ? ($0 * 37 % 256) * 250 : $0 * 200 + 90) })
    }
    let tables = try ["many", "bright"].map { name in
      let outcome = try run([
        "evaluate", "--checkpoint", checkpoint("many-1", step: 4), "--mode", "center_crop", "--set",
        "data.root=\(name).h5",
        "--confusion", "\(name).csv",
      ])
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      return try lines(of: "\(name).csv")
    }
    XCTAssertNotEqual(tables[0], tables[1])
  }
}
