import Compute
import Foundation
import Network
import XCTest

/// Sizes, channel counts and initial values of networks.
final class ArchitectureTests: XCTestCase {
  private func segmenter(_ encoder: EncoderShape, classes: Int = 3) -> Segmenter {
    Segmenter(
      SegmenterShape(encoder: encoder, classes: classes, width: 16, features: 8, dilations: [2, 4, 6]),
      trainable: false)
  }

  func testOutputIsAQuarterOfTheCrop() throws {
    for stem in [EncoderShape.Stem.deep, .classic] {
      for stride in [8, 16] {
        let network = segmenter(EncoderShape(depth: .resnet18, stem: stem, width: 0.125, outputStride: stride))
        network.initialize(philox: Philox(seed: 1), zeroResidual: false)
        for (height, width, h, w) in [(65, 65, 17, 17), (96, 65, 25, 17), (257, 33, 65, 9), (1, 9, 1, 3)] {
          let image = GradientCheck.map("image", count: 1, height: height, width: width, channels: 3).tensor
          let output = try network.forward(image, .evaluation(samples: 1))
          let logits = output.logits
          for (map, channels) in [(logits, 3), (output.representation!, 8)] {
            XCTAssertEqual([map.count, map.height, map.width, map.channels], [1, h, w, channels])
          }
          XCTAssertEqual(
            Map(try network.forward(image, representation: false, .evaluation(samples: 1)).logits).values,
            Map(logits).values,
            "without the representation head")
        }
      }
    }
  }

  func testOutputStride() throws {
    for (stride, size) in [(8, 33), (16, 17)] {
      let parameters = Parameters(trainable: false)
      let encoder = ResNet(parameters, EncoderShape(depth: .resnet18, width: 0.125, outputStride: stride))
      _ = GradientCheck("encoder", parameters)
      let image = GradientCheck.map("image", count: 1, height: 257, width: 257, channels: 3).tensor
      let (low, middle, high) = try encoder.forward(image, .evaluation(samples: 1))
      XCTAssertEqual([low.height, low.width, low.channels], [65, 65, 8])
      XCTAssertEqual([middle.height, middle.width, middle.channels], [size == 33 ? 33 : 17, size == 33 ? 33 : 17, 32])
      XCTAssertEqual([high.height, high.width, high.channels], [size, size, 64])
      XCTAssertEqual([encoder.lowChannels, encoder.highChannels], [8, 64])
    }
  }

  func testWidthIsRoundedToMultiplesOf8() {
    let cases: [(width: Double, channels: [Int])] = [
      (1, [64, 64, 128, 64, 128, 256, 512]), (0.5, [32, 32, 64, 32, 64, 128, 256]),
      (0.25, [16, 16, 32, 16, 32, 64, 128]), (0.3, [16, 16, 40, 16, 40, 80, 152]),
      (0.01, [8, 8, 8, 8, 8, 8, 8]), (1.1, [72, 72, 144, 72, 144, 280, 560]),
    ]
    let names = [
      "conv1.0", "conv1.3", "conv1.6", "layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1", "layer4.0.conv1",
    ]
    for (width, channels) in cases {
      let entries = segmenter(EncoderShape(depth: .resnet18, width: width)).parameters.entries
      for (name, expected) in zip(names, channels) {
        let shape = entries.first { $0.name == "encoder.\(name).weight" }?.shape
        XCTAssertEqual(shape?[0], expected, "width \(width): \(name)")
      }
      // The decoder has its own width.
      XCTAssertEqual(entries.first { $0.name == "decoder.head.0.weight" }?.shape, [16, 80, 3, 3])
    }
    // A bottleneck's output has four times its planes, whatever the width.
    let deep = segmenter(EncoderShape(depth: .resnet50, width: 0.3)).parameters.entries
    XCTAssertEqual(deep.first { $0.name == "encoder.layer4.2.conv3.weight" }?.shape, [608, 152, 1, 1])
  }

  func testDecoderParametersFollowTheEncoders() {
    let network = segmenter(EncoderShape(depth: .resnet18, width: 0.25))
    for entry in network.parameters.entries where entry.kind == .parameter {
      XCTAssertEqual(entry.name.hasPrefix("decoder."), entry.offset >= network.firstDecoderParameter, entry.name)
    }
  }

  func testInitialWeightsAreKaimingNormal() {
    let network = segmenter(EncoderShape(depth: .resnet50, width: 0.25))
    network.initialize(philox: Philox(seed: 3), zeroResidual: false)
    var tested = 0
    for entry in network.parameters.entries where entry.shape.count == 4 && entry.count >= 1_000 {
      let values = network.parameters.storage(entry).map(Double.init), n = Double(values.count)
      let expected = 2 / Double(entry.shape[0] * entry.shape[2] * entry.shape[3])
      let mean = values.reduce(0, +) / n
      let variance = values.reduce(0) { $0 + $1 * $1 } / n
      let fourth = values.reduce(0) { $0 + $1 * $1 * $1 * $1 } / n
      // Standard errors of normal numbers: mean √(σ²/n), variance σ²√(2/n), fourth moment σ⁴√(96/n).
      XCTAssertEqual(mean, 0, accuracy: 5 * (expected / n).squareRoot(), entry.name)
      XCTAssertEqual(variance / expected, 1, accuracy: 5 * (2 / n).squareRoot(), entry.name)
      XCTAssertEqual(fourth / (expected * expected), 3, accuracy: 6 * (96 / n).squareRoot(), entry.name)
      // Neighbours, which come from one draw, are uncorrelated.
      let pairs = stride(from: 0, to: values.count - 1, by: 2).map { values[$0] * values[$0 + 1] }
      let correlation = pairs.reduce(0, +) / Double(pairs.count) / expected
      XCTAssertEqual(correlation, 0, accuracy: 5 / Double(pairs.count).squareRoot(), entry.name)
      tested += 1
    }
    XCTAssertGreaterThan(tested, 40)
  }

  func testOtherInitialValues() {
    for depth in [EncoderShape.Depth.resnet18, .resnet50] {
      for zeroResidual in [false, true] {
        let network = segmenter(EncoderShape(depth: depth, width: 0.125))
        network.initialize(philox: Philox(seed: 3), zeroResidual: zeroResidual)
        let last = depth == .resnet18 ? ".bn2.weight" : ".bn3.weight"
        var zeros = 0
        for entry in network.parameters.entries where entry.shape.count == 1 {
          let isLast = entry.name.contains("encoder.layer") && entry.name.hasSuffix(last)
          let one = entry.name.hasSuffix(".weight") || entry.name.hasSuffix(".running_var")
          let expected: Float = one && !(isLast && zeroResidual) ? 1 : 0
          if isLast && zeroResidual { zeros += 1 }
          XCTAssertTrue(network.parameters.storage(entry).allSatisfy { $0 == expected }, entry.name)
        }
        XCTAssertEqual(zeros, zeroResidual ? (depth == .resnet18 ? 8 : 16) : 0)
      }
    }
  }

  /// A weight is drawn by its name: neither the seed's order of use nor other layers count.
  func testInitialWeightsDependOnSeedAndNameAlone() {
    func weights(_ seed: UInt64, classes: Int) -> [String: [Float]] {
      let network = segmenter(EncoderShape(depth: .resnet18, width: 0.125), classes: classes)
      network.initialize(philox: Philox(seed: seed), zeroResidual: true)
      var all: [String: [Float]] = [:]
      for entry in network.parameters.entries where entry.shape.count == 4 {
        all[entry.name] = Array(network.parameters.storage(entry))
      }
      return all
    }
    let first = weights(5, classes: 3), again = weights(5, classes: 3)
    let more = weights(5, classes: 7), other = weights(6, classes: 3)
    XCTAssertEqual(first, again)
    for (name, values) in first {
      XCTAssertNotEqual(values, other[name], name)
      if name != "decoder.classifier.8.weight" { XCTAssertEqual(values, more[name], name) }
    }
    XCTAssertEqual(Set(first.values.map { $0.prefix(8) }).count, first.count, "no two layers start alike")
  }
}
