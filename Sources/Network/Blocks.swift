import Compute

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
  /// - Parameter again: computes x once more in the backward pass, if it is not to be kept.
  package func forward(
    _ x: Tensor, again: (() -> Tensor)? = nil, residual: Tensor? = nil, _ pass: Pass
  ) throws -> Tensor {
    try norm.forward(try convolution.forward(x, again: again, pass), residual: residual, relu: relu, pass)
  }

  /// The output of the recorded pass once more, until its backward pass; for units without residual.
  func again() -> Tensor { norm.again() }

  /// Takes the gradient of the output, which becomes that of the residual; returns the gradient of the input.
  package func backward(_ gradient: Tensor, _ pass: Pass) throws -> Tensor {
    try convolution.backward(try norm.backward(gradient, pass), pass)!
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

  package func forward(_ x: Tensor, _ pass: Pass) throws -> Tensor {
    var y = x, again: (() -> Tensor)?
    for unit in units.dropLast() {
      y = try unit.forward(y, again: again, pass)
      again = unit.again
    }
    let skip = try downsample?.forward(x, pass) ?? x
    return try units.last!.forward(y, again: again, residual: skip, pass)
  }

  package func backward(_ gradient: Tensor, _ pass: Pass) throws -> Tensor {
    var inner = gradient
    for unit in units.reversed() { inner = try unit.backward(inner, pass) }
    // The last unit has turned `gradient` into the gradient of the skip connection.
    inner.add(try downsample?.backward(gradient, pass) ?? gradient)
    return inner
  }
}
