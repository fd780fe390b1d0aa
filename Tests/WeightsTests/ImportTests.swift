import HDF5
import Network
import TestSupport
import Weights
import XCTest

/// `u2pl weights import` without the command: what is written, and what is reported.
final class ImportTests: WeightsTestCase {
  private func imported(
    _ files: [Safetensors.Tensor]..., for model: SegmenterShape? = nil, lenient: Bool = false
  ) throws -> WeightsImport {
    let weights = try files.enumerated().map { number, tensors in
      try Safetensors(tensors).write(to: path("\(number).safetensors"))
      return try NamedWeights(path("\(number).safetensors"))
    }
    return try WeightsImport(weights, for: model, lenient: lenient)
  }

  private let model = shape(smallEncoder(), classes: 5)

  func testTheModelIsRecognized() throws {
    for encoder in [
      smallEncoder(.deep), EncoderShape(depth: .resnet34, stem: .classic, width: 0.25),
      EncoderShape(depth: .resnet50, stem: .classic, width: 0.125), EncoderShape(depth: .resnet101, width: 0.125),
    ] {
      let file = shape(encoder, classes: 5)
      let found = try imported(tensors(file) { "module." + $0 }).shape
      XCTAssertEqual([found.classes, found.width, found.features], [5, 8, 8])
      XCTAssertEqual([found.encoder.depth, found.encoder.stem] as [AnyHashable], [encoder.depth, encoder.stem])
      XCTAssertEqual(found.encoder.width, encoder.width)
      XCTAssertEqual(
        found.encoder.keys(),
        [
          "model.encoder: resnet\(encoder.depth.rawValue)", "model.stem: \(encoder.stem)",
          "model.encoder_width: \(encoder.width)",
        ])
    }
  }

  func testContentsOfAnEncoder() throws {
    let contents = try imported(tensors(model, naming: resnetName) + classifier(inputs: 64)).contents
    let encoder = model.entries.filter { $0.name.hasPrefix("encoder.") }
    XCTAssertEqual(contents.datasets.keys.sorted(), encoder.map { "student/\($0.name)" }.sorted())
    for entry in encoder {
      let expected =
        entry.kind == .counter
        ? StoredDataset(shape: [1], values: .int64([7]))
        : StoredDataset(shape: entry.shape, values: .float32(namedValue(resnetName(entry.name)!, entry.shape)))
      XCTAssertEqual(contents.datasets["student/\(entry.name)"], expected, entry.name)
    }
    XCTAssertEqual(contents.attributes["imported_from"], .string(path("0.safetensors")))
  }

  func testReport() throws {
    let few = try imported(tensors(model, naming: resnetName) + classifier(inputs: 64)).report(verbose: false)
    let text = few.joined(separator: "\n")
    assert(
      text, says: "0.safetensors: 120 tensors, names of a torchvision or timm ResNet",
      "  2 skipped, the classifier it was trained with: fc.bias, fc.weight",
      "has no decoder, which starts from run.seed")
    XCTAssertNotNil(text.firstMatch(of: /part +loaded +missing +misshapen +numbers/), text)
    XCTAssertNotNil(text.firstMatch(of: /encoder.stem +6 +0 +0 +1209/), text)
    XCTAssertNotNil(text.firstMatch(of: /encoder.layer4 +30 +0 +0/), text)
    XCTAssertFalse(text.contains("decoder.aspp"), text)

    let whole = try imported(
      tensors(model) { $0.hasSuffix("num_batches_tracked") ? nil : "module." + $0 }
    ).report(verbose: true)
    assert(
      whole.joined(separator: "\n"), says: "the published names below 'module.'", "    decoder.aspp.conv3.0.weight",
      "num_batches_tracked are not there and start at 0")
    XCTAssertNotNil(
      whole.joined(separator: "\n").firstMatch(of: /decoder.classifier +14 +0 +0/), whole.joined(separator: "\n"))
  }

  func testLenientImport() throws {
    let file = tensors(model, naming: resnetName).filter { $0.name != "bn1.weight" } + [.init("layer1.9.x", [1], [1])]
    let text = message { _ = try imported(file) }
    assert(text, says: "1 missing: encoder.bn1.weight", "1 unknown: encoder.layer1.9.x", "--lenient imports what fits")
    let rest = try imported(file, lenient: true)
    XCTAssertFalse(rest.fit.isComplete)
    XCTAssertEqual(rest.contents.datasets.count, 119)
    assert(
      rest.report(verbose: false).joined(separator: "\n"), says: "1 missing: encoder.bn1.weight",
      "1 skipped, unknown: encoder.layer1.9.x")
    assert(message { _ = try imported([.init("x", [1], [1])], lenient: true) }, says: "is no ResNet; it holds x")
  }

  func testForAGivenModel() throws {
    let file = tensors(model, naming: resnetName)
    XCTAssertTrue(try imported(file, for: model).fit.isComplete)
    let other = shape(smallEncoder(.deep))
    assert(message { _ = try imported(file, for: other) }, says: "set model.stem: classic")
  }

  func testSeveralFiles() throws {
    let encoder = tensors(model, naming: resnetName)
    let decoder = tensors(model) { $0.hasPrefix("decoder.") ? $0 : nil }
    let both = try imported(encoder, decoder)
    XCTAssertEqual(both.fit.fitting.count, model.entries.count)
    XCTAssertEqual(both.shape.classes, 5)
    assert(
      both.report(verbose: false).joined(separator: "\n"), says: "0.safetensors: 120 tensors", "1.safetensors: ",
      "names of no ResNet")
    assert(message { _ = try imported(encoder, encoder) }, says: "both hold encoder.bn1.bias; give one of them")
  }

  /// Sizes of layers are never believed to the point of making them.
  func testSizesBeyondReason() throws {
    var file = tensors(model) { $0 }
    for (name, extent) in [("decoder.low_conv.0.weight", 1 << 40), ("decoder.classifier.8.weight", 1 << 62)] {
      file.removeAll { $0.name == name }
      file.append(.init(name, "F32", [extent, 0, 1, 1], []))
    }
    assert(message { _ = try imported(file) }, says: "misshapen")
  }

  func testValuesThatAreNoNumbers() throws {
    for bad in [Float.nan, .infinity] {
      var file = tensors(model, naming: resnetName)
      file.removeAll { $0.name == "bn1.bias" }
      file.append(.init("bn1.bias", [8], [0, bad, 0, 0, 0, 0, 0, 0]))
      assert(message { _ = try imported(file) }, says: "infinite or not a number, in float32: encoder.bn1.bias")
    }
    // Beyond float32's range.
    var file = tensors(model, naming: resnetName)
    file.removeAll { $0.name == "bn1.bias" }
    let doubles = [Double](repeating: 1e200, count: 8)
    file.append(.init("bn1.bias", "F64", [8], doubles.withUnsafeBytes { [UInt8]($0) }))
    assert(message { _ = try imported(file) }, says: "in float32: encoder.bn1.bias")
  }
}
