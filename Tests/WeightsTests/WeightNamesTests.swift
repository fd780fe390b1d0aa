import Checkpoint
import Network
import Weights
import TestSupport
import XCTest

/// Which name in a file stands for which of the published ones.
final class WeightNamesTests: DirectoryTestCase {
  private let resnet = [
    "conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight",
    "layer2.0.downsample.1.bias", "fc.weight", "fc.bias",
  ]

  private func names(_ names: [String], prefix: String? = nil) throws -> WeightNames {
    try WeightNames(names, prefix: prefix, file: "x.safetensors")
  }

  func testAResNetByItselfAndBelowAPrefix() throws {
    for prefix in ["", "backbone.", "model.", "module.", "module.encoder_q."] {
      let found = try names(resnet.map { prefix + $0 })
      XCTAssertEqual(found.kind, .encoder(prefix: prefix))
      XCTAssertEqual(found.targets.count, 5)
      for name in resnet.prefix(5) { XCTAssertEqual(found.targets[prefix + name], "encoder." + name) }
      XCTAssertEqual(found.skipped.map(\.reason), ["the classifier it was trained with"])
      XCTAssertEqual(found.skipped.map(\.names), [[prefix + "fc.bias", prefix + "fc.weight"]])
      XCTAssertFalse(found.poolsBeforeProjection)
    }
  }

  func testOtherPartsOfAModelAreSkipped() throws {
    let found = try names(resnet.map { "backbone." + $0 } + ["classifier.4.weight", "backbone.neck.weight"])
    XCTAssertEqual(found.targets.count, 5)
    XCTAssertEqual(
      found.skipped.map(\.names),
      [["backbone.neck.weight"], ["classifier.4.weight"], ["backbone.fc.bias", "backbone.fc.weight"]])
    XCTAssertEqual(
      found.skipped.map(\.reason),
      ["no part of the encoder", "not below 'backbone.'", "the classifier it was trained with"])
  }

  func testPublishedNamesBelowWrappers() throws {
    let published = [
      "encoder.conv1.0.weight", "encoder.layer1.0.conv1.weight", "decoder.aspp.conv3.0.weight", "auxor.aux.4.bias",
      "fc.weight",
    ]
    for prefix in ["", "module.", "model.", "module.model."] {
      let found = try names(published.map { prefix + $0 } + (prefix.isEmpty ? [] : ["epoch"]))
      XCTAssertEqual(found.kind, .network(prefix: prefix))
      for name in published { XCTAssertEqual(found.targets[prefix + name], name) }
      XCTAssertEqual(found.skipped.map(\.names), prefix.isEmpty ? [] : [["epoch"]])
    }
  }

  func testAFileWithoutAnEncoder() throws {
    let found = try names(["module.model.decoder.low_conv.0.bias", "decoder.low_conv.0.weight", "x"])
    XCTAssertEqual(found.kind, .other)
    XCTAssertEqual(
      found.targets,
      [
        "module.model.decoder.low_conv.0.bias": "decoder.low_conv.0.bias",
        "decoder.low_conv.0.weight": "decoder.low_conv.0.weight", "x": "x",
      ])
    let twice = message { _ = try names(["module.decoder.x", "decoder.x"]) }
    XCTAssertEqual(
      twice, "x.safetensors: 'decoder.x' and 'module.decoder.x' both stand for decoder.x; remove one")
  }

  func testSeveralNetworks() throws {
    let both = ["student.", "teacher.encoder."].flatMap { prefix in resnet.map { prefix + $0 } }
    let text = message { _ = try names(both) }
    XCTAssertTrue(
      text.contains("holds several networks, whose encoders' names begin with 'student.', 'teacher.encoder.'"), text)
    XCTAssertTrue(text.contains("u2pl weights import x.safetensors --prefix PREFIX -o OUT.h5"), text)
    for prefix in ["student", "student."] {
      XCTAssertEqual(try names(both, prefix: prefix).kind, .encoder(prefix: "student."))
    }
    for prefix in ["teacher", "teacher.encoder."] {
      let found = try names(both, prefix: prefix)
      XCTAssertEqual(found.kind, .network(prefix: "teacher."))
      XCTAssertEqual(found.targets["teacher.encoder.conv1.weight"], "encoder.conv1.weight")
      XCTAssertEqual(found.skipped.map(\.names.count), [7])
    }
    let none = message { _ = try names(both, prefix: "other") }
    XCTAssertEqual(
      none, "x.safetensors: no ResNet has the prefix 'other.'; there are 'student.', 'teacher.encoder.'")
    // A name that only ends alike is no prefix.
    XCTAssertEqual(try names(resnet + ["mylayer1.0.conv1.weight"]).kind, .encoder(prefix: ""))
  }

  func testSkipConnectionsThatPool() throws {
    let found = try names([
      "conv1.0.weight", "layer1.0.conv1.weight", "layer1.0.downsample.1.weight", "layer1.0.downsample.2.bias",
      "layer1.0.downsample.2.num_batches_tracked",
    ])
    XCTAssertTrue(found.poolsBeforeProjection)
    XCTAssertEqual(found.targets.values.sorted(), ["encoder.conv1.0.weight", "encoder.layer1.0.conv1.weight"])
    XCTAssertEqual(
      found.skipped.map(\.names),
      [["layer1.0.downsample.1.weight", "layer1.0.downsample.2.bias", "layer1.0.downsample.2.num_batches_tracked"]])
  }

  func testSeveralFilesAsOne() throws {
    try CheckpointFile.write(contents(["encoder.layer1.0.conv1.weight", "encoder.conv1.weight"]), to: path("a.h5"))
    try CheckpointFile.write(contents(["decoder.low_conv.0.weight"]), to: path("b.h5"))
    try CheckpointFile.write(contents(["encoder.conv1.weight"]), to: path("c.h5"))
    let (a, b, c) = try (NamedWeights(path("a.h5")), NamedWeights(path("b.h5")), NamedWeights(path("c.h5")))
    let both = try NamedWeights(merging: [b, a])
    XCTAssertEqual(both.tensors.count, 3)
    XCTAssertEqual(both.names.kind, .network(prefix: ""))
    let text = message { _ = try NamedWeights(merging: [a, c]) }
    XCTAssertEqual(text, "\(path("a.h5")) and \(path("c.h5")) both hold encoder.conv1.weight; give one of them")
  }

  private func contents(_ names: [String]) -> CheckpointContents {
    var contents = CheckpointContents()
    for name in names { contents.datasets["student/\(name)"] = floats(2) }
    return contents
  }
}
