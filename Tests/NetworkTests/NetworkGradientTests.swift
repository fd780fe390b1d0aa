import Compute
import Network
import XCTest

/// Whole networks, forward and backward, against the same networks in double precision.
///
/// The double-precision network is differentiated by central differences, along a random direction for each parameter.
/// Where an activation lies within rounding of a kink of ReLU, single precision may put it on the other side, which
/// changes gradients by that activation's share, up to a few per cent. Of 48 images tried that happened with 6; with the
/// others the largest deviation of a gradient was 4.4e-5, of an output 1.2e-5. So up to three images are tried, and one
/// has to agree. An error in a backward pass is there with every image.
final class NetworkGradientTests: XCTestCase {
  private func check(
    _ encoder: EncoderShape, size: Int, samples: Int = 2, representation: Bool = true, auxiliary: Bool = false,
    line: UInt = #line
  ) throws {
    let plain = PlainDropout(rate: 0.2, seed: 21, step: 1, slots: Array(0..<samples), network: 0)
    let pass = Pass.training(
      labeled: 1, unlabeled: samples - 1,
      dropout: ChannelDropout(
        rate: plain.rate, philox: Philox(seed: plain.seed), step: plain.step, slots: plain.slots, network: 0))
    let dilations = [1, 2, 12]
    let network = Segmenter(
      SegmenterShape(
        encoder: encoder, classes: 5, width: 8, features: 6, dilations: dilations, auxiliary: auxiliary),
      trainable: true)
    var check = GradientCheck("\(encoder)", network.parameters)
    // A residual branch that adds little, as after `zero_init_residual`. With full weights rounding grows a hundredfold
    // on the way through 16 blocks, and every image meets a kink.
    let last = encoder.depth.rawValue >= 50 ? ".bn3.weight" : ".bn2.weight"
    for entry in network.parameters.entries where entry.name.hasSuffix(last) {
      let storage = network.parameters.storage(entry)
      for i in storage.indices { storage[i] *= 0.2 }
    }
    network.parameters.markChanged()
    check.elements = 0
    check.directions = 1
    check.outputTolerance = 3e-5
    check.tolerance = 1e-4

    var worst = ""
    for image in ["a", "c", "f"] {
      let x = GradientCheck.map(image, count: samples, height: size, width: size, channels: encoder.inputs)
      let found = try check.deviations([x]) { x in
        let output = try network.forward(x[0], representation: representation, pass)
        return [output.logits] + [output.representation, output.auxiliary].compactMap { $0 }
      } backward: { dy in
        try network.backward(
          logits: dy[0], representation: representation ? dy[1] : nil, auxiliary: auxiliary ? dy.last : nil, pass)
        return [nil]  // nobody asks for the image's gradient
      } reference: { x, values in
        let plainNetwork = PlainNetwork(parameters: values, dropout: plain.factor)
        let (low, middle, high) = plainNetwork.encoder(x[0], encoder)
        let heads = plainNetwork.decoder(low: low, high: high, dilations: dilations)
        return (representation ? heads : [heads[0]]) + (auxiliary ? [plainNetwork.auxiliary(middle)] : [])
      }
      if found.worst.ratio <= 1 { return }
      worst += "\n\(found.worst.name) deviates by \(found.worst.ratio) tolerances with image \(image)"
    }
    XCTFail("\(encoder)\(worst)", line: line)
  }

  func testResNet18() throws {
    try check(EncoderShape(depth: .resnet18, width: 0.25, multiGrid: false), size: 33)
  }

  func testAuxiliaryHead() throws {
    try check(EncoderShape(depth: .resnet18, width: 0.125, multiGrid: false), size: 33, auxiliary: true)
    try check(
      EncoderShape(depth: .resnet18, width: 0.125, outputStride: 16, multiGrid: true), size: 33, representation: false,
      auxiliary: true)
  }

  func testClassicStemAndOutputStride16() throws {
    try check(
      EncoderShape(depth: .resnet34, stem: .classic, width: 0.125, outputStride: 16, multiGrid: true), size: 33,
      samples: 3)
  }

  func testImagesOfOtherChannels() throws {
    try check(EncoderShape(depth: .resnet18, width: 0.125, multiGrid: false, inputs: 13), size: 25)
  }

  func testBottlenecksAndMultiGrid() throws {
    try check(
      EncoderShape(depth: .resnet50, width: 0.125, multiGrid: true), size: 25, samples: 3, representation: false)
  }
}
