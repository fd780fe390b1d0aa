import Compute
import Foundation
import Network
import TestSupport
import XCTest

/// Outputs of whole networks against the PyTorch reference in float64.
final class GoldenNetworkTests: XCTestCase {
  private struct Case: Decodable {
    let depth, width, features, classes, size: Int
    let multi_grid: Bool
    let dilations: [Int]
    let evaluation, training: [Probe]
    let running_mean, running_var: Probe
  }

  private func network(_ c: Case) -> Segmenter {
    let encoder = EncoderShape(depth: .init(rawValue: c.depth)!, multiGrid: c.multi_grid)
    let network = Segmenter(
      SegmenterShape(
        encoder: encoder, classes: c.classes, width: c.width, features: c.features, dilations: c.dilations),
      trainable: false)
    fillNamed(network)
    return network
  }

  func testOutputsEqualTheReference() throws {
    for c in try loadExpected([Case].self, "networks.json", in: .module) {
      let network = network(c)
      let shape = [2, 3, c.size, c.size]
      let x = tensor(nchw: uniform("x\(c.size)", shape.reduce(1, *)), shape, scale: 2)
      func compare(_ out: Segmenter.Output, _ expected: [Probe], _ mode: String) {
        for (t, probe) in zip([out.logits, out.representation!], expected) {
          let distance = probe.distance(to: Probe(of: nchw(t)))
          XCTAssertLessThan(distance, 1e-4, "resnet\(c.depth) size \(c.size) \(mode)")
        }
      }
      compare(try network.forward(x, .evaluation(samples: 2)), c.evaluation, "evaluation")
      let training = Pass(
        mode: .training, recordsForBackward: false, tree: SlotTree(labeled: 2, unlabeled: 0), kind: .labeled)
      compare(try network.forward(x, training), c.training, "training")
      for (name, probe) in [("running_mean", c.running_mean), ("running_var", c.running_var)] {
        let entry = network.parameters.entries.first { $0.name == "encoder.bn1.\(name)" }!
        let distance = probe.distance(to: Probe(of: Array(network.parameters.storage(entry))))
        XCTAssertLessThan(distance, 1e-5, "resnet\(c.depth) \(name)")
      }
    }
  }

  func testParameterNamesAndShapesAreThePublishedOnes() throws {
    for (depth, width, classes, grid) in [(18, 64, 6, false), (50, 256, 21, true)] {
      let url = try XCTUnwrap(Bundle.module.url(forResource: "Expected/parameters-\(depth).txt", withExtension: nil))
      let expected = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map(String.init)
      let network = Segmenter(
        SegmenterShape(
          encoder: EncoderShape(depth: .init(rawValue: depth)!, multiGrid: grid), classes: classes, width: width,
          features: width, dilations: [2, 4, 6]), trainable: false)
      XCTAssertEqual(network.parameters.entries.map { "\($0.name) \($0.shape)" }, expected)
    }
  }
}
