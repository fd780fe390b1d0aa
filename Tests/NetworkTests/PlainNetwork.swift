import Compute
import Network

/// Blocks and whole networks of ``Plain`` layers in training mode, as the published PyTorch code composes them; parameters
/// are looked up by their published names.
struct PlainNetwork {
  var parameters: [String: Values]
  /// Factor of channel dropout by sample, channel and number of the dropout layer.
  var dropout: (_ sample: Int, _ channel: Int, _ layer: Int) -> Double = { _, _, _ in 1 }

  private func parameter(_ name: String) -> Values {
    guard let found = parameters[name] else { fatalError("the network has no parameter \(name)") }
    return found
  }

  /// Convolution `conv`, batch norm `norm`.
  func unit(
    _ x: Map, _ conv: String, _ norm: String, stride: Int = 1, dilation: Int = 1, residual: Map? = nil,
    relu: Bool = true
  ) -> Map {
    let y = Plain.convolution(
      x, parameter("\(conv).weight"), bias: parameters["\(conv).bias"], stride: stride, dilation: dilation)
    return Plain.batchNorm(
      y, weight: parameter("\(norm).weight"), bias: parameter("\(norm).bias"), residual: residual, relu: relu)
  }

  /// `BasicBlock`: the first 3×3 has the stride, both are dilated. `Bottleneck`: the 3×3 in the middle has both.
  func block(_ x: Map, _ name: String, bottleneck: Bool, stride: Int, dilation: Int) -> Map {
    func step(_ x: Map, _ i: Int, stride: Int = 1, dilation: Int = 1, residual: Map? = nil, relu: Bool = true) -> Map {
      unit(
        x, "\(name).conv\(i)", "\(name).bn\(i)", stride: stride, dilation: dilation, residual: residual, relu: relu)
    }
    let skip =
      parameters["\(name).downsample.0.weight"] == nil
      ? x : unit(x, "\(name).downsample.0", "\(name).downsample.1", stride: stride, relu: false)
    if bottleneck {
      return step(step(step(x, 1), 2, stride: stride, dilation: dilation), 3, residual: skip)
    }
    return step(step(x, 1, stride: stride, dilation: dilation), 2, dilation: dilation, residual: skip)
  }

  /// The maps of layer1, layer3 and layer4.
  func encoder(_ image: Map, _ shape: EncoderShape) -> (low: Map, middle: Map, high: Map) {
    var x: Map
    switch shape.stem {
    case .deep:
      x = unit(image, "encoder.conv1.0", "encoder.conv1.1", stride: 2)
      x = unit(x, "encoder.conv1.3", "encoder.conv1.4")
      x = unit(x, "encoder.conv1.6", "encoder.bn1")
    case .classic: x = unit(image, "encoder.conv1", "encoder.bn1", stride: 2)
    }
    x = Plain.maxPool(x)
    let counts: [Int] =
      switch shape.depth {
      case .resnet18: [2, 2, 2, 2]
      case .resnet34, .resnet50: [3, 4, 6, 3]
      case .resnet101: [3, 4, 23, 3]
      }
    // Stride and dilation of each layer's first block, and dilation of the others.
    let plan: [(stride: Int, first: Int, others: Int)] =
      shape.outputStride == 8
      ? [(1, 1, 1), (2, 1, 1), (1, 1, 2), (1, 2, 4)] : [(1, 1, 1), (2, 1, 1), (2, 1, 1), (1, 1, 2)]
    var low = x, middle = x
    for layer in 0..<4 {
      for block in 0..<counts[layer] {
        let grid = layer == 3 && shape.multiGrid ? [2, 2, 4][block] : 1
        x = self.block(
          x, "encoder.layer\(layer + 1).\(block)", bottleneck: shape.depth.rawValue >= 50,
          stride: block == 0 ? plan[layer].stride : 1,
          dilation: (block == 0 ? plan[layer].first : plan[layer].others) * grid)
      }
      if layer == 0 { low = x }
      if layer == 2 { middle = x }
    }
    return (low, middle, x)
  }

  func aspp(_ x: Map, _ name: String, dilations: [Int]) -> Map {
    let image = unit(Plain.average(x), "\(name).conv1.1", "\(name).conv1.2")
    let maps =
      [Plain.bilinear(image, height: x.height, width: x.width)]
      + [unit(x, "\(name).conv2.0", "\(name).conv2.1")]
      + dilations.enumerated().map {
        unit(x, "\(name).conv\($0 + 3).0", "\(name).conv\($0 + 3).1", dilation: $1)
      }
    return Plain.concatenate(maps)
  }

  /// Logits of the auxiliary head.
  func auxiliary(_ middle: Map) -> Map {
    let y = Plain.scaled(unit(middle, "auxor.aux.0", "auxor.aux.1")) { dropout($0, $1, 5) }
    return Plain.convolution(y, parameter("auxor.aux.4.weight"), bias: parameter("auxor.aux.4.bias"))
  }

  /// Logits and representation.
  func decoder(low: Map, high: Map, dilations: [Int]) -> [Map] {
    func drop(_ x: Map, _ layer: Int) -> Map { Plain.scaled(x) { dropout($0, $1, layer) } }
    let context = drop(
      unit(aspp(high, "decoder.aspp", dilations: dilations), "decoder.head.0", "decoder.head.1"), 0)
    let joined = Plain.concatenate([
      unit(low, "decoder.low_conv.0", "decoder.low_conv.1"),
      Plain.bilinear(context, height: low.height, width: low.width),
    ])
    func head(_ name: String, _ layer: Int) -> Map {
      let name = "decoder.\(name)"
      let y = drop(unit(joined, "\(name).0", "\(name).1"), layer)
      let z = drop(unit(y, "\(name).4", "\(name).5"), layer + 1)
      return Plain.convolution(z, parameter("\(name).8.weight"), bias: parameter("\(name).8.bias"))
    }
    return [head("classifier", 1), head("representation", 3)]
  }
}

/// Channel dropout as defined: Philox at (network · 2³¹ + layer · 2²⁰ + channel, global slot, step, stream 21); a channel is
/// dropped where the first word, as a number in [0, 1), is below the rate.
struct PlainDropout {
  let rate: Double
  let seed: UInt64
  let step: Int
  let slots: [Int]
  let network: UInt32

  func factor(_ sample: Int, _ channel: Int, _ layer: Int) -> Double {
    let index = network << 31 + UInt32(layer) << 20 + UInt32(channel)
    let word = Philox(seed: seed).words(counter: SIMD4(index, UInt32(slots[sample]), UInt32(step), 21))[0]
    return Double(word) * 0x1p-32 < rate ? 0 : 1 / (1 - rate)
  }
}
