/// Convolution, batch norm, optionally ReLU: the unit everything is made of.
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
  ///   - again: computes x once more in the backward pass, if it is not to be kept.
  ///   - keepsOutput: as in ``BatchNorm``.
  package func forward(
    _ x: Tensor, again: (() -> Tensor)? = nil, residual: Tensor? = nil, keepsOutput: Bool = true, _ pass: Pass
  ) throws -> Tensor {
    try norm.forward(
      try convolution.forward(x, again: again, pass), residual: residual, relu: relu, keepsOutput: keepsOutput, pass)
  }

  /// The output of the recorded pass once more, until its backward pass; for units without residual.
  func again() -> Tensor { norm.again() }

  /// Takes the gradient of the output, which becomes that of the residual; returns the gradient of the input.
  package func backward(_ gradient: Tensor, output: Tensor? = nil, _ pass: Pass) throws -> Tensor {
    try convolution.backward(try norm.backward(gradient, output: output, pass), pass)!
  }

  /// As ``backward(_:_:)`` for the first unit of a network: nobody asks for the gradient of the image.
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

  /// - Parameters:
  ///   - planes: inner channels; the output has `planes` (basic) or 4 · `planes` (bottleneck).
  ///   - project: whether the skip connection is a strided 1×1 convolution.
  package init(
    _ parameters: Parameters, _ name: String, inputs: Int, planes: Int, bottleneck: Bool, stride: Int, dilation: Int,
    project: Bool
  ) {
    func unit(_ number: Int, _ i: Int, _ o: Int, kernel: Int, stride: Int = 1, dilation: Int = 1, relu: Bool = true)
      -> ConvolutionUnit
    {
      ConvolutionUnit(
        Convolution(parameters, "\(name).conv\(number)", i, o, kernel: kernel, stride: stride, dilation: dilation),
        BatchNorm(parameters, "\(name).bn\(number)", o), relu: relu)
    }
    let outputs = bottleneck ? 4 * planes : planes
    if bottleneck {
      units = [
        unit(1, inputs, planes, kernel: 1),
        unit(2, planes, planes, kernel: 3, stride: stride, dilation: dilation),
        unit(3, planes, outputs, kernel: 1),
      ]
    } else {
      units = [
        unit(1, inputs, planes, kernel: 3, stride: stride, dilation: dilation),
        unit(2, planes, planes, kernel: 3, dilation: dilation),
      ]
    }
    downsample =
      project
      ? ConvolutionUnit(
        Convolution(parameters, "\(name).downsample.0", inputs, outputs, kernel: 1, stride: stride),
        BatchNorm(parameters, "\(name).downsample.1", outputs), relu: false)
      : nil
  }

  /// - Parameters:
  ///   - again: computes x once more in the backward pass, if it is not to be kept.
  ///   - keepsOutput: whether the output is kept for the backward pass, which is otherwise to be given it.
  package func forward(
    _ x: Tensor, again inputAgain: (() -> Tensor)? = nil, keepsOutput: Bool = true, _ pass: Pass
  ) throws -> Tensor {
    var y = x, again = inputAgain
    for unit in units.dropLast() {
      y = try unit.forward(y, again: again, pass)
      again = unit.again
    }
    let skip = try downsample?.forward(x, again: inputAgain, pass) ?? x
    return try units.last!.forward(y, again: again, residual: skip, keepsOutput: keepsOutput, pass)
  }

  /// The output of the recorded pass once more, until its backward pass, from the block's input.
  func again(input: Tensor) -> Tensor { units.last!.norm.again(residual: downsample?.again() ?? input) }

  /// - Parameter output: of the recorded pass, if it was not kept.
  package func backward(_ gradient: Tensor, output: Tensor? = nil, _ pass: Pass) throws -> Tensor {
    var inner = try units.last!.backward(gradient, output: output, pass)
    for unit in units.dropLast().reversed() { inner = try unit.backward(inner, pass) }
    // The last unit has turned `gradient` into the gradient of the skip connection.
    inner.add(try downsample?.backward(gradient, pass) ?? gradient)
    return inner
  }
}

/// Residual blocks one after the other, of whose outputs only the last is kept for the backward pass: the others are
/// computed again, all at once, from the first block's input and what batch norm keeps anyway.
///
/// That is one pass over memory, no convolution, and halves what a deep encoder keeps beside batch norm's inputs.
final class BlockChain {
  private let blocks: [ResidualBlock]
  /// Of the recorded pass.
  private var input: Tensor?
  /// Outputs computed again, while the backward pass needs them; none for the last block.
  private var outputs: [Tensor?] = []

  init(_ blocks: [ResidualBlock]) { self.blocks = blocks }

  func forward(_ x: Tensor, _ pass: Pass) throws -> Tensor {
    if pass.records { input = x }
    var y = x
    for (i, block) in blocks.enumerated() {
      let again: (() -> Tensor)? = i == 0 ? nil : { [unowned self] in output(i - 1) }
      y = try block.forward(y, again: again, keepsOutput: i == blocks.count - 1, pass)
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
        x = block.again(input: x)
        outputs.append(x)
      }
    }
    return outputs[block]!
  }
}
