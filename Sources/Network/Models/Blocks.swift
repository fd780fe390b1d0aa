/// Convolution, batch norm, and optionally ReLU: the unit that all parts of the network are made of.
package final class ConvolutionUnit {
  let convolution: Convolution
  let norm: BatchNorm
  private let relu: Bool

  package init(_ convolution: Convolution, _ norm: BatchNorm, relu: Bool = true) {
    self.convolution = convolution
    self.norm = norm
    self.relu = relu
  }

  /// out = relu(norm(conv x) + residual).
  ///
  /// - Parameters:
  ///   - recompute: computes x a second time for the backward pass; nil keeps x.
  ///   - keepsOutput: as in ``BatchNorm``.
  package func forward(
    _ x: Tensor, recompute: (() -> Tensor)? = nil, residual: Tensor? = nil, keepsOutput: Bool = true, _ pass: Pass
  ) throws -> Tensor {
    try norm.forward(
      try convolution.forward(x, recompute: recompute, pass), residual: residual, relu: relu, keepsOutput: keepsOutput,
      pass)
  }

  /// Computes the output of the recorded pass a second time; only before its backward pass, and for units without
  /// residual.
  func recomputedOutput() -> Tensor { norm.recomputedOutput() }

  /// Turns the gradient of the output, in place, into that of the residual; returns the gradient of the input.
  package func backward(_ gradient: Tensor, output: Tensor? = nil, _ pass: Pass) throws -> Tensor {
    try convolution.backward(try norm.backward(gradient, output: output, pass), pass)!
  }

  /// As ``backward(_:output:_:)``, for the first unit of a network: the gradient of the image is not computed.
  func backwardToImage(_ gradient: Tensor, _ pass: Pass) throws {
    _ = try convolution.backward(try norm.backward(gradient, pass), pass, needsInput: false)
  }
}

/// A residual block: `BasicBlock` (two 3×3) or `Bottleneck` (1×1, 3×3, 1×1) of the published ResNets, dilated.
package final class ResidualBlock {
  private let units: [ConvolutionUnit]
  private let downsample: ConvolutionUnit?

  /// The weight of the block's last batch norm, which `zero_init_residual` starts at 0.
  var lastNormWeight: ParameterEntry { units.last!.norm.weight }

  package struct Shape {
    package var inputs: Int
    /// Inner channels.
    package var planes: Int
    package var bottleneck: Bool
    package var stride: Int
    package var dilation: Int
    /// Whether the skip connection is a strided 1×1 convolution.
    package var project: Bool

    package init(inputs: Int, planes: Int, bottleneck: Bool, stride: Int, dilation: Int, project: Bool) {
      (self.inputs, self.planes, self.bottleneck) = (inputs, planes, bottleneck)
      (self.stride, self.dilation, self.project) = (stride, dilation, project)
    }

    var outputs: Int { bottleneck ? 4 * planes : planes }
  }

  package init(_ parameters: Parameters, _ name: String, _ shape: Shape) {
    func unit(_ number: Int, _ convolution: ConvolutionShape) -> ConvolutionUnit {
      ConvolutionUnit(
        Convolution(parameters, "\(name).conv\(number)", convolution),
        BatchNorm(parameters, "\(name).bn\(number)", convolution.outputs))
    }
    let (inputs, planes, stride, dilation) = (shape.inputs, shape.planes, shape.stride, shape.dilation)
    if shape.bottleneck {
      units = [
        unit(1, .init(inputs, planes, kernel: 1)),
        unit(2, .init(planes, planes, kernel: 3, stride: stride, dilation: dilation)),
        unit(3, .init(planes, shape.outputs, kernel: 1)),
      ]
    } else {
      units = [
        unit(1, .init(inputs, planes, kernel: 3, stride: stride, dilation: dilation)),
        unit(2, .init(planes, planes, kernel: 3, dilation: dilation)),
      ]
    }
    downsample =
      shape.project
      ? ConvolutionUnit(
        Convolution(parameters, "\(name).downsample.0", .init(inputs, shape.outputs, kernel: 1, stride: stride)),
        BatchNorm(parameters, "\(name).downsample.1", shape.outputs), relu: false)
      : nil
  }

  /// - Parameters:
  ///   - recompute: computes x a second time for the backward pass; nil keeps x.
  ///   - keepsOutput: whether the output is kept for the backward pass; if not, the caller passes it to
  ///     ``backward(_:output:_:)``.
  package func forward(
    _ x: Tensor, recompute recomputeInput: (() -> Tensor)? = nil, keepsOutput: Bool = true, _ pass: Pass
  ) throws -> Tensor {
    var y = x, recompute = recomputeInput
    for unit in units.dropLast() {
      y = try unit.forward(y, recompute: recompute, pass)
      recompute = unit.recomputedOutput
    }
    let skip = try downsample?.forward(x, recompute: recomputeInput, pass) ?? x
    return try units.last!.forward(y, recompute: recompute, residual: skip, keepsOutput: keepsOutput, pass)
  }

  /// Computes the output of the recorded pass a second time, from the block's input; only before its backward pass.
  func recomputedOutput(input: Tensor) -> Tensor {
    units.last!.norm.recomputedOutput(residual: downsample?.recomputedOutput() ?? input)
  }

  /// - Parameter output: of the recorded pass, if it was not kept.
  package func backward(_ gradient: Tensor, output: Tensor? = nil, _ pass: Pass) throws -> Tensor {
    var inner = try units.last!.backward(gradient, output: output, pass)
    for unit in units.dropLast().reversed() { inner = try unit.backward(inner, pass) }
    // The last unit has turned `gradient` into the gradient of the skip connection.
    inner.add(try downsample?.backward(gradient, pass) ?? gradient)
    return inner
  }
}

/// Residual blocks one after the other. Only the last output is kept for the backward pass; the others are recomputed,
/// all at once, from the first block's input and from what batch norm keeps anyway.
///
/// Recomputing is one pass over memory without a convolution. It halves what a deep encoder keeps besides batch norm's
/// inputs.
final class BlockChain {
  private let blocks: [ResidualBlock]
  /// Of the recorded pass.
  private var input: Tensor?
  /// Recomputed outputs, while the backward pass needs them; none for the last block.
  private var outputs: [Tensor?] = []

  init(_ blocks: [ResidualBlock]) { self.blocks = blocks }

  func forward(_ x: Tensor, _ pass: Pass) throws -> Tensor {
    if pass.recordsForBackward { input = x }
    var y = x
    for (i, block) in blocks.enumerated() {
      let recompute: (() -> Tensor)? = i == 0 ? nil : { [unowned self] in output(i - 1) }
      y = try block.forward(y, recompute: recompute, keepsOutput: i == blocks.count - 1, pass)
    }
    return y
  }

  func backward(_ gradient: Tensor, _ pass: Pass) throws -> Tensor {
    var gradient = gradient
    for (i, block) in blocks.enumerated().reversed() {
      gradient = try block.backward(gradient, output: i == blocks.count - 1 ? nil : output(i), pass)
      if i < outputs.count { outputs[i] = nil }
    }
    (input, outputs) = (nil, [])
    return gradient
  }

  private func output(_ block: Int) -> Tensor {
    if outputs.isEmpty {
      guard var x = input else { preconditionFailure("backward without a recorded forward pass") }
      for block in blocks.dropLast() {
        x = block.recomputedOutput(input: x)
        outputs.append(x)
      }
    }
    return outputs[block]!
  }
}
