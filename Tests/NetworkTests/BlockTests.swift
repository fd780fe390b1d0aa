import Compute
import Network
import XCTest

/// Units, residual blocks, ASPP and the decoder: their gradients, and that they are composed as published.
final class BlockTests: XCTestCase {
  private let pass = Pass.training(labeled: 1, unlabeled: 2)

  func testConvolutionUnit() throws {
    for relu in [false, true] {
      let parameters = Parameters(trainable: true)
      let unit = ConvolutionUnit(
        Convolution(parameters, "conv", .init(3, 8, kernel: 3, stride: 2, bias: true)), BatchNorm(parameters, "bn", 8),
        relu: relu)
      let x = GradientCheck.map("x", count: 3, height: 7, width: 6, channels: 3)
      let residual = GradientCheck.map("r", count: 3, height: 4, width: 3, channels: 8)
      try GradientCheck("unit, relu \(relu)", parameters).run([x, residual]) { x in
        [try unit.forward(x[0], residual: x[1], pass)]
      } backward: { dy in
        [try unit.backward(dy[0], pass), dy[0]]
      } reference: { x, values in
        [PlainNetwork(parameters: values).unit(x[0], "conv", "bn", stride: 2, residual: x[1], relu: relu)]
      }
    }
  }

  private struct Block {
    let inputs, planes: Int
    let bottleneck: Bool
    let stride, dilation: Int
    let project: Bool
  }

  func testResidualBlocks() throws {
    let blocks = [
      Block(inputs: 8, planes: 8, bottleneck: false, stride: 1, dilation: 1, project: false),
      Block(inputs: 8, planes: 8, bottleneck: false, stride: 1, dilation: 2, project: false),
      Block(inputs: 4, planes: 8, bottleneck: false, stride: 2, dilation: 1, project: true),
      Block(inputs: 8, planes: 2, bottleneck: true, stride: 1, dilation: 4, project: false),
      Block(inputs: 6, planes: 4, bottleneck: true, stride: 2, dilation: 2, project: true),
      Block(inputs: 6, planes: 4, bottleneck: true, stride: 1, dilation: 1, project: true),
    ]
    for b in blocks {
      let parameters = Parameters(trainable: true)
      let block = ResidualBlock(
        parameters, "block",
        .init(
          inputs: b.inputs, planes: b.planes, bottleneck: b.bottleneck, stride: b.stride, dilation: b.dilation,
          project: b.project))
      var check = GradientCheck("\(b)", parameters)
      check.elements = 60
      let x = GradientCheck.map("x", count: 3, height: 7, width: 6, channels: b.inputs)
      try check.run([x]) { x in
        [try block.forward(x[0], pass)]
      } backward: { dy in
        [try block.backward(dy[0], pass)]
      } reference: { x, values in
        [
          PlainNetwork(parameters: values).block(
            x[0], "block", bottleneck: b.bottleneck, stride: b.stride, dilation: b.dilation)
        ]
      }
    }
  }

  func testASPP() throws {
    let parameters = Parameters(trainable: true)
    let aspp = ASPP(parameters, "aspp", inputs: 6, width: 8, dilations: [1, 3, 12])
    var check = GradientCheck("aspp", parameters)
    check.elements = 40
    let x = GradientCheck.map("x", count: 3, height: 5, width: 6, channels: 6)
    try check.run([x]) { x in
      [try aspp.forward(x[0], pass)]
    } backward: { dy in
      [try aspp.backward(dy[0], pass)]
    } reference: { x, values in
      [PlainNetwork(parameters: values).aspp(x[0], "aspp", dilations: [1, 3, 12])]
    }
  }

  private func checkDecoder(representation: Bool) throws {
    let plain = PlainDropout(rate: 0.25, seed: 4, step: 2, slots: [0, 3, 4], network: 0)
    let dropout = ChannelDropout(
      rate: plain.rate, philox: Philox(seed: plain.seed), step: plain.step, slots: plain.slots, network: 0)
    let pass = Pass.training(labeled: 1, unlabeled: 2, dropout: dropout)
    let parameters = Parameters(trainable: true)
    let shape = SegmenterShape(
      encoder: EncoderShape(depth: .resnet18), classes: 3, width: 8, features: 7, dilations: [1, 2, 12])
    let decoder = Decoder(parameters, shape, low: 5, high: 6)
    var check = GradientCheck("decoder", parameters)
    check.elements = 12
    let low = GradientCheck.map("low", count: 3, height: 7, width: 5, channels: 5)
    let high = GradientCheck.map("high", count: 3, height: 4, width: 3, channels: 6)
    try check.run([low, high]) { x in
      let joined = try decoder.join(low: x[0], high: x[1], pass)
      let logits = try decoder.logits(joined, pass)
      return representation ? [logits, try decoder.representation(joined, pass)] : [logits]
    } backward: { dy in
      parameters.gradients.update(repeating: 0)  // those of a head without a loss stay
      let (low, high) = try decoder.backward(logits: dy[0], representation: representation ? dy[1] : nil, pass)
      return [low, high]
    } reference: { x, values in
      let network = PlainNetwork(parameters: values, dropout: plain.factor)
      let heads = network.decoder(low: x[0], high: x[1], dilations: [1, 2, 12])
      return representation ? heads : [heads[0]]
    }
  }

  func testDecoder() throws { try checkDecoder(representation: true) }

  func testDecoderWithoutALossOnTheRepresentation() throws { try checkDecoder(representation: false) }
}
