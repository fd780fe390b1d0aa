/// Which ResNet, how wide, how dilated.
public struct EncoderShape: Sendable, Equatable {
  public enum Depth: Int, Sendable, CaseIterable { case resnet18 = 18, resnet34 = 34, resnet50 = 50, resnet101 = 101 }
  public enum Stem: Sendable {
    /// Three 3×3 convolutions, as in the method's published code.
    case deep
    /// One 7×7 convolution, as torchvision's weights need.
    case classic
  }

  public var depth: Depth
  public var stem: Stem
  /// Multiplies every channel count, rounded to multiples of 8.
  public var width: Double
  /// 8: layer3 and layer4 dilated; 16: layer4 only.
  public var outputStride: Int
  /// Dilations of layer4's blocks times 2, 2, 4.
  public var multiGrid: Bool
  /// Channels of an image.
  public var inputs: Int

  public init(
    depth: Depth, stem: Stem = .deep, width: Double = 1, outputStride: Int = 8, multiGrid: Bool = true, inputs: Int = 3
  ) {
    self.depth = depth
    self.stem = stem
    self.width = width
    self.outputStride = outputStride
    self.multiGrid = multiGrid
    self.inputs = inputs
  }

  /// Whether blocks are 1×1, 3×3, 1×1 instead of two 3×3.
  package var bottleneck: Bool { depth.rawValue >= 50 }
  /// Blocks of layer1 to layer4.
  package var blocks: [Int] {
    switch depth {
    case .resnet18: [2, 2, 2, 2]
    case .resnet34, .resnet50: [3, 4, 6, 3]
    case .resnet101: [3, 4, 23, 3]
    }
  }

  package func channels(_ published: Int) -> Int { max(8, Int((Double(published) * width / 8).rounded()) * 8) }
}

/// The encoder h: a dilated ResNet (He et al. 2016; dilation as in DeepLab). Image [N, H, W, inputs] → layer1's and
/// layer4's maps, and layer3's for the auxiliary head.
package final class ResNet {
  /// Channels of layer1's, layer3's and layer4's maps.
  package let lowChannels: Int
  package let middleChannels: Int
  package let highChannels: Int
  let residualBlocks: [ResidualBlock]

  private let stem: [ConvolutionUnit]
  private let pool = MaxPool()
  private let layers: [[BlockChain]]

  package init(_ parameters: Parameters, _ shape: EncoderShape) {
    let prefix = "encoder"
    var width: Int
    switch shape.stem {
    case .deep:
      let narrow = shape.channels(64)
      width = shape.channels(128)
      func unit(_ conv: String, _ norm: String, _ i: Int, _ o: Int, stride: Int = 1) -> ConvolutionUnit {
        ConvolutionUnit(
          Convolution(parameters, "\(prefix).\(conv)", .init(i, o, kernel: 3, stride: stride)),
          BatchNorm(parameters, "\(prefix).\(norm)", o))
      }
      stem = [
        unit("conv1.0", "conv1.1", shape.inputs, narrow, stride: 2), unit("conv1.3", "conv1.4", narrow, narrow),
        unit("conv1.6", "bn1", narrow, width),
      ]
    case .classic:
      width = shape.channels(64)
      stem = [
        ConvolutionUnit(
          Convolution(parameters, "\(prefix).conv1", .init(shape.inputs, width, kernel: 7, stride: 2)),
          BatchNorm(parameters, "\(prefix).bn1", width))
      ]
    }

    var layers: [[ResidualBlock]] = []
    var dilation = 1
    var outputs: [Int] = []
    for (number, published) in [64, 128, 256, 512].enumerated() {
      let planes = shape.channels(published)
      let out = shape.bottleneck ? 4 * planes : planes
      var stride = number == 0 ? 1 : 2
      let before = dilation
      if number == 3 || number == 2 && shape.outputStride == 8 {
        dilation *= stride
        stride = 1
      }
      var blocks: [ResidualBlock] = []
      for block in 0..<shape.blocks[number] {
        let grid = number == 3 && shape.multiGrid ? [2, 2, 4][block] : 1
        blocks.append(
          ResidualBlock(
            parameters, "\(prefix).layer\(number + 1).\(block)",
            .init(
              inputs: width, planes: planes, bottleneck: shape.bottleneck, stride: block == 0 ? stride : 1,
              dilation: (block == 0 ? before : dilation) * grid,
              project: block == 0 && (stride != 1 || width != out))))
        width = out
      }
      layers.append(blocks)
      outputs.append(out)
    }
    // Eight recomputed outputs take less memory than the layers above have given back by then.
    self.layers = layers.map { blocks in
      stride(from: 0, to: blocks.count, by: 8).map { BlockChain(Array(blocks[$0..<min($0 + 8, blocks.count)])) }
    }
    residualBlocks = layers.flatMap { $0 }
    lowChannels = outputs[0]
    middleChannels = outputs[2]
    highChannels = outputs[3]
  }

  package func forward(_ image: Tensor, _ pass: Pass) throws -> (low: Tensor, middle: Tensor, high: Tensor) {
    var x = image, recompute: (() -> Tensor)?
    for unit in stem {
      x = try unit.forward(x, recompute: recompute, pass)
      recompute = unit.recomputedOutput
    }
    x = pool.forward(x, pass)
    for block in layers[0] { x = try block.forward(x, pass) }
    let low = x
    for block in layers[1] + layers[2] { x = try block.forward(x, pass) }
    let middle = x
    for block in layers[3] { x = try block.forward(x, pass) }
    return (low, middle, x)
  }

  /// Takes the gradients of the maps; `middle` is nil where no loss depends on it but through `high`.
  func backward(low: Tensor, middle: Tensor?, high: Tensor, _ pass: Pass) throws {
    var gradient = high
    for block in layers[3].reversed() { gradient = try block.backward(gradient, pass) }
    if let middle { gradient.add(middle) }
    for block in (layers[1] + layers[2]).reversed() { gradient = try block.backward(gradient, pass) }
    gradient.add(low)
    for block in layers[0].reversed() { gradient = try block.backward(gradient, pass) }
    gradient = pool.backward(gradient)
    for unit in stem.dropFirst().reversed() { gradient = try unit.backward(gradient, pass) }
    try stem[0].backwardToImage(gradient, pass)
  }
}
