import Compute
import Network
import TestSupport
import XCTest

/// Gradients of whole networks against central differences of the same network in double precision.
///
/// In single precision an activation within rounding of a kink of ReLU may fall on its other side, which changes a
/// gradient by that activation's share. The images here have no such activation on the machines tried.
final class NetworkGradientTests: XCTestCase {
  private func segmenter(_ encoder: EncoderShape) -> Segmenter {
    Segmenter(
      SegmenterShape(encoder: encoder, classes: 5, width: 8, features: 6, dilations: [1, 2, 12]), trainable: true)
  }

  private func check(
    _ encoder: EncoderShape, size: Int, samples: Int = 2, elements: Int, directions: Int, representation: Bool = true,
    output: Double, gradient: Double
  ) throws {
    let plain = PlainDropout(rate: 0.2, seed: 21, step: 1, slots: Array(0..<samples), network: 0)
    let pass = Pass.training(
      labeled: 1, unlabeled: samples - 1,
      dropout: ChannelDropout(
        rate: plain.rate, philox: Philox(seed: plain.seed), step: plain.step, slots: plain.slots, network: 0))
    let network = segmenter(encoder)
    var check = GradientCheck("\(encoder)", network.parameters)
    check.elements = elements
    check.directions = directions
    check.outputTolerance = output
    check.tolerance = gradient
    let image = GradientCheck.map("image", count: samples, height: size, width: size, channels: 3)
    try check.run([image]) { x in
      let (logits, z) = try network.forward(x[0], pass)
      return representation ? [logits, z] : [logits]
    } backward: { dy in
      try network.backward(logits: dy[0], representation: representation ? dy[1] : nil, pass)
      return [nil]  // nobody asks for the image's gradient
    } reference: { x, values in
      let plainNetwork = PlainNetwork(parameters: values, dropout: plain.factor)
      let (low, high) = plainNetwork.encoder(x[0], encoder)
      let heads = plainNetwork.decoder(low: low, high: high, dilations: [1, 2, 12])
      return representation ? heads : [heads[0]]
    }
  }

  func testResNet18() throws {
    try check(
      EncoderShape(depth: .resnet18, width: 0.25, multiGrid: false), size: 33, elements: 0, directions: 1,
      output: 1e-5, gradient: 1e-4)
  }
}
