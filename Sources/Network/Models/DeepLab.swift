import Compute

/// Atrous spatial pyramid pooling (Chen et al. 2018): image pooling, 1×1, and three dilated 3×3 side by side.
package final class ASPP {
  private let pooled: ConvolutionUnit
  private let branches: [ConvolutionUnit]
  private let width: Int
  private var savedSize: (height: Int, width: Int)?

  package init(_ parameters: Parameters, _ name: String, inputs: Int, width: Int, dilations: [Int]) {
    self.width = width
    func unit(_ prefix: String, _ conv: Int, kernel: Int, dilation: Int = 1) -> ConvolutionUnit {
      ConvolutionUnit(
        Convolution(
          parameters, "\(name).\(prefix).\(conv)", .init(inputs, width, kernel: kernel, dilation: dilation)),
        BatchNorm(parameters, "\(name).\(prefix).\(conv + 1)", width))
    }
    pooled = unit("conv1", 1, kernel: 1)
    branches =
      [unit("conv2", 0, kernel: 1)]
      + dilations.enumerated().map { unit("conv\($0 + 3)", 0, kernel: 3, dilation: $1) }
  }

  /// Channels of the result, `width` for each branch.
  var outputs: Int { (branches.count + 1) * width }

  package func forward(_ x: Tensor, _ pass: Pass) throws -> Tensor {
    let image = try pooled.forward(globalAverage(x), pass)
    let maps = try branches.map { try $0.forward(x, pass) }
    if pass.recordsForBackward { savedSize = (x.height, x.width) }
    return concatenate([resizeBilinear(image, height: x.height, width: x.width)] + maps)
  }

  /// Computes the output of the recorded pass a second time; only before its backward pass.
  func recomputedOutput() -> Tensor {
    guard let savedSize else { preconditionFailure("no recorded pass whose output could be recomputed") }
    let image = resizeBilinear(pooled.recomputedOutput(), height: savedSize.height, width: savedSize.width)
    return concatenate([image] + branches.map { $0.recomputedOutput() })
  }

  package func backward(_ gradient: Tensor, _ pass: Pass) throws -> Tensor {
    let parts = split(gradient, channels: [Int](repeating: width, count: branches.count + 1))
    let dx = try branches[0].backward(parts[1], pass)
    for (branch, part) in zip(branches, parts.dropFirst()).dropFirst() { dx.add(try branch.backward(part, pass)) }
    let image = try pooled.backward(resizeBilinearBackward(parts[0], height: 1, width: 1), pass)
    globalAverageBackward(image, addTo: dx)
    return dx
  }
}

/// One of the decoder's two heads: 3×3, BN, ReLU, dropout, twice, then 1×1 with bias.
final class Head {
  private let first: ConvolutionUnit
  private let second: ConvolutionUnit
  private let last: Convolution
  private let dropouts: (DropoutLayer, DropoutLayer)

  /// - Parameter layer: number of the first dropout, which no other head shares.
  init(_ parameters: Parameters, _ name: String, inputs: Int, width: Int, outputs: Int, layer: Int) {
    func unit(_ at: Int, _ inputs: Int) -> ConvolutionUnit {
      ConvolutionUnit(
        Convolution(parameters, "\(name).\(at)", .init(inputs, width, kernel: 3, bias: true)),
        BatchNorm(parameters, "\(name).\(at + 1)", width))
    }
    first = unit(0, inputs)
    second = unit(4, width)
    last = Convolution(parameters, "\(name).8", .init(width, outputs, kernel: 1, bias: true))
    dropouts = (DropoutLayer(layer), DropoutLayer(layer + 1))
  }

  func forward(_ x: Tensor, recompute: @escaping () -> Tensor, _ pass: Pass) throws -> Tensor {
    let (first, second, dropouts) = (self.first, self.second, self.dropouts)
    var y = dropouts.0.apply(try first.forward(x, recompute: recompute, pass), pass)
    y = dropouts.1.apply(
      try second.forward(y, recompute: { dropouts.0.apply(first.recomputedOutput(), pass) }, pass), pass)
    return try last.forward(y, recompute: { dropouts.1.apply(second.recomputedOutput(), pass) }, pass)
  }

  func backward(_ gradient: Tensor, _ pass: Pass) throws -> Tensor {
    let inner = dropouts.1.apply(try last.backward(gradient, pass)!, pass)
    return try first.backward(dropouts.0.apply(try second.backward(inner, pass), pass), pass)
  }
}

/// The auxiliary head on layer3's map, which only training uses: 3×3, BN, ReLU, dropout, 1×1, both convolutions with
/// bias.
final class AuxiliaryHead {
  private let first: ConvolutionUnit
  private let last: Convolution
  private let dropout = DropoutLayer(5)

  init(_ parameters: Parameters, inputs: Int, width: Int, classes: Int) {
    first = ConvolutionUnit(
      Convolution(parameters, "auxor.aux.0", .init(inputs, width, kernel: 3, bias: true)),
      BatchNorm(parameters, "auxor.aux.1", width))
    last = Convolution(parameters, "auxor.aux.4", .init(width, classes, kernel: 1, bias: true))
  }

  func forward(_ x: Tensor, _ pass: Pass) throws -> Tensor {
    let (first, dropout) = (self.first, self.dropout)
    let y = dropout.apply(try first.forward(x, pass), pass)
    return try last.forward(y, recompute: { dropout.apply(first.recomputedOutput(), pass) }, pass)
  }

  func backward(_ gradient: Tensor, _ pass: Pass) throws -> Tensor {
    try first.backward(dropout.apply(try last.backward(gradient, pass)!, pass), pass)
  }
}

/// Channel dropout at one place of a network. Forward and backward are the same multiplication.
package struct DropoutLayer {
  private let layer: Int
  package init(_ layer: Int) { self.layer = layer }

  /// - Parameter x: left as it is; returned itself where there is no dropout.
  package func apply(_ x: Tensor, _ pass: Pass) -> Tensor {
    guard pass.mode == .training, let dropout = pass.dropout, dropout.rate > 0 else { return x }
    let y = Tensor(like: x), channels = x.channels
    let factors = (0..<x.count).map { sample in
      (0..<channels).map { dropout.factor(sample: sample, channel: $0, layer: layer) }
    }
    parallelFor(x.count * x.height) { row in
      factors[row / x.height].withUnsafeBufferPointer { factor in
        var from = UnsafePointer(x.data + row * x.width * channels)
        var to = y.data + row * x.width * channels
        for _ in 0..<x.width {
          for c in 0..<channels { to[c] = from[c] * factor[c] }
          from += channels
          to += channels
        }
      }
    }
    return y
  }
}

/// The DeepLabv3+ decoder with the heads f (classes) and g (representation), both at layer1's size.
package final class Decoder {
  private let lowUnit: ConvolutionUnit
  private let aspp: ASPP
  private let fuse: ConvolutionUnit
  private let fuseDropout = DropoutLayer(0)
  private let classifier: Head
  private let features: Head
  private let width: Int
  private var savedSize: (height: Int, width: Int)?

  /// - Parameter shape: the network's; `low` and `high` are channels of layer1's and layer4's maps.
  package init(_ parameters: Parameters, _ shape: SegmenterShape, low: Int, high: Int) {
    let width = shape.width
    self.width = width
    func unit(_ name: String, _ inputs: Int, kernel: Int, bias: Bool) -> ConvolutionUnit {
      ConvolutionUnit(
        Convolution(parameters, "decoder.\(name).0", .init(inputs, width, kernel: kernel, bias: bias)),
        BatchNorm(parameters, "decoder.\(name).1", width))
    }
    lowUnit = unit("low_conv", low, kernel: 1, bias: true)
    aspp = ASPP(parameters, "decoder.aspp", inputs: high, width: width, dilations: shape.dilations)
    fuse = unit("head", aspp.outputs, kernel: 3, bias: false)
    classifier = Head(
      parameters, "decoder.classifier", inputs: 2 * width, width: width, outputs: shape.classes, layer: 1)
    features = Head(
      parameters, "decoder.representation", inputs: 2 * width, width: width, outputs: shape.features, layer: 3)
  }

  /// The input of both heads: layer1's map and the context of layer4's, at layer1's size.
  package func join(low: Tensor, high: Tensor, _ pass: Pass) throws -> Tensor {
    let context = fuseDropout.apply(
      try fuse.forward(try aspp.forward(high, pass), recompute: aspp.recomputedOutput, pass), pass)
    if pass.recordsForBackward { savedSize = (context.height, context.width) }
    return joined(low: try lowUnit.forward(low, pass), context)
  }

  private func joined(low: Tensor, _ context: Tensor) -> Tensor {
    concatenate([low, resizeBilinear(context, height: low.height, width: low.width)])
  }

  /// Computes the result of ``join(low:high:_:)`` in the recorded pass a second time.
  private func recomputedJoin(_ pass: Pass) -> Tensor {
    joined(low: lowUnit.recomputedOutput(), fuseDropout.apply(fuse.recomputedOutput(), pass))
  }

  package func logits(_ joined: Tensor, _ pass: Pass) throws -> Tensor {
    try classifier.forward(joined, recompute: { [unowned self] in recomputedJoin(pass) }, pass)
  }

  package func representation(_ joined: Tensor, _ pass: Pass) throws -> Tensor {
    try features.forward(joined, recompute: { [unowned self] in recomputedJoin(pass) }, pass)
  }

  /// Takes the gradients of both heads' outputs, returns those of layer1's and layer4's maps.
  ///
  /// - Parameter representation: nil where no loss depends on it; its head's gradients are then left as they are.
  package func backward(
    logits: Tensor, representation gradient: Tensor?, _ pass: Pass
  ) throws -> (low: Tensor, high: Tensor) {
    guard let savedSize else { preconditionFailure("backward without a recorded forward pass") }
    // Nested functions, so that each map is given back as soon as it has been used.
    func ofJoined() throws -> [Tensor] {
      let joined = try classifier.backward(logits, pass)
      if let gradient { joined.add(try features.backward(gradient, pass)) }
      return split(joined, channels: [width, width])
    }
    func ofInputs() throws -> (low: Tensor, fused: Tensor) {
      let parts = try ofJoined()
      let context = resizeBilinearBackward(parts[1], height: savedSize.height, width: savedSize.width)
      return (try lowUnit.backward(parts[0], pass), try fuse.backward(fuseDropout.apply(context, pass), pass))
    }
    let (low, fused) = try ofInputs()
    return (low, try aspp.backward(fused, pass))
  }
}
