import Compute

/// A 2-D convolution with a square kernel, zero-padded by dilation · ⌊kernel / 2⌋.
///
/// Nothing a sample computes depends on its neighbours or their number. The method is chosen, and its kernels compiled, once
/// for each map size.
public final class Convolution {
  public let inputs: Int
  public let outputs: Int
  public let kernel: Int
  public let stride: Int
  public let dilation: Int

  let weight: ParameterEntry
  let bias: ParameterEntry?
  private unowned let parameters: Parameters
  private let name: String
  private var methods: [MapSize: any ConvolutionMethod] = [:]
  private var packed: [UInt64: Packed] = [:]
  private var saved: Saved?

  /// The input of a recorded pass, or how to compute it again.
  private enum Saved {
    case map(Tensor)
    case recipe(() -> Tensor)
  }

  private struct MapSize: Hashable { let height: Int, width: Int }

  /// Weights in a layout some kernel asked for, as of a version of the parameters.
  private struct Packed { let buffer: Buffer, version: Int }

  /// - Parameter name: prefix of the entries `NAME.weight` [outputs, inputs, kernel, kernel] and `NAME.bias` [outputs].
  package init(
    _ parameters: Parameters, _ name: String, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1,
    dilation: Int = 1, bias: Bool = false
  ) {
    self.parameters = parameters
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    weight = parameters.add("\(name).weight", [outputs, inputs, kernel, kernel])
    self.bias = bias ? parameters.add("\(name).bias", [outputs]) : nil
  }

  /// Length of the output map along an axis of `size` pixels.
  public func outputSize(_ size: Int) -> Int {
    (size + 2 * dilation * (kernel / 2) - dilation * (kernel - 1) - 1) / stride + 1
  }

  /// x [N, H, W, inputs] → [N, H', W', outputs].
  ///
  /// - Parameter again: computes x once more, where that is cheaper than keeping it for the backward pass.
  package func forward(_ x: Tensor, again: (() -> Tensor)? = nil, _ pass: Pass) throws -> Tensor {
    precondition(x.channels == inputs)
    let y = Tensor(count: x.count, height: outputSize(x.height), width: outputSize(x.width), channels: outputs)
    try ConvolutionMeter.measure(name, .forward, geometry(x), samples: x.count) {
      let method = try method(x)
      let weights = try packedWeights(method.forwardLayout, of: x, method.packForward)
      let bias = bias.map { UnsafePointer(parameters.storage($0).baseAddress!) }
      try method.forward(x.data, samples: x.count, packed: weights, bias: bias, into: y.data)
    }
    if pass.records { saved = again.map(Saved.recipe) ?? .map(x) }
    return y
  }

  /// Writes the gradients of weight and bias, reduced over this rank's slots along their tree.
  ///
  /// - Parameters:
  ///   - dy: gradient of the output of the recorded pass.
  ///   - needsInput: false where nobody asks for the gradient of the input, as for the image.
  /// - Returns: the gradient of the input.
  package func backward(_ dy: Tensor, _ pass: Pass, needsInput: Bool = true) throws -> Tensor? {
    let x: Tensor
    switch saved {
    case .map(let map): x = map
    case .recipe(let again): x = again()
    case nil: preconditionFailure("backward without a recorded forward pass")
    }
    saved = nil
    let method = try method(x)
    try ConvolutionMeter.measure(name, .backwardWeights, geometry(x), samples: x.count) {
      try weightGradient(x, dy, pass, method)
    }
    try pass.ranks.gradientReady(weight.range)
    if let bias {
      biasGradient(dy, pass, into: parameters.gradient(bias))
      try pass.ranks.gradientReady(bias.range)
    }
    guard needsInput else { return nil }

    let (geometry, samples) = (geometry(x), x.count)
    // A map computed again is given back before another of its size is needed.
    _ = consume x
    let dx = Tensor(count: samples, height: geometry.height, width: geometry.width, channels: inputs)
    try ConvolutionMeter.measure(name, .backwardData, geometry, samples: samples) {
      let weights = try packedWeights(method.backwardLayout, of: dx, method.packBackward)
      try method.backwardData(dy.data, samples: samples, packed: weights, into: dx.data)
    }
    return dx
  }

  private func weightGradient(_ x: Tensor, _ dy: Tensor, _ pass: Pass, _ method: any ConvolutionMethod) throws {
    func added(_ left: Buffer, _ right: Buffer) -> Buffer {
      let into = left.data, from = UnsafePointer(right.data)
      parallelRanges(left.count, grain: 1 << 15) { range in
        for i in range { into[i] += from[i] }
      }
      return left
    }
    let together = method.samplesTogether
    let sum = try pass.tree.reduceLeaves(pass.kind) { slots in
      func gradient(_ first: Int) throws -> Buffer {
        try method.weightGradient(
          slots[first..<min(first + together, slots.count)].map {
            ConvolutionSample(x: x.sample($0), dy: dy.sample($0))
          })
      }
      return try Swift.stride(from: together, to: slots.count, by: together).reduce(gradient(0)) {
        try added($0, gradient($1))
      }
    } combine: {
      added($0, $1)
    }
    try method.unpackGradient(sum!, into: parameters.gradient(weight).baseAddress!)
  }

  private func biasGradient(_ dy: Tensor, _ pass: Pass, into gradient: UnsafeMutableBufferPointer<Float>) {
    // Rounded per sample, not per rank: the exchange goes on adding in single precision.
    let sums = channelSums(dy)
    let total = pass.tree.reduce(pass.kind, leaf: { sums[$0].map(Float.init) }, combine: { zip($0, $1).map(+) })!
    for channel in 0..<outputs { gradient[channel] = total[channel] }
  }

  private func geometry(_ x: Tensor) -> ConvolutionGeometry {
    ConvolutionGeometry(
      height: x.height, width: x.width, inputs: inputs, outHeight: outputSize(x.height),
      outWidth: outputSize(x.width), outputs: outputs, kernel: kernel, stride: stride, dilation: dilation,
      bias: bias != nil)
  }

  private func method(_ x: Tensor) throws -> any ConvolutionMethod {
    let size = MapSize(height: x.height, width: x.width)
    if let method = methods[size] { return method }
    // Whole-image evaluation meets as many sizes as there are images; code for old ones is not kept for ever.
    if methods.count >= 32 { methods.removeAll() }
    let method = try geometry(x).method()
    methods[size] = method
    return method
  }

  /// Packed anew for each pass where the map is large, so that packing costs next to nothing and a copy of all weights
  /// would; kept while the weights stay where it is small.
  private func packedWeights(
    _ layout: UInt64, of x: Tensor, _ pack: (UnsafePointer<Float>) throws -> Buffer
  ) throws -> Buffer {
    let weights = UnsafePointer(parameters.storage(weight).baseAddress!)
    guard x.count * x.pixels < 2048 else { return try pack(weights) }
    if let known = packed[layout], known.version == parameters.version { return known.buffer }
    packed[layout] = nil
    let buffer = try pack(weights)
    packed[layout] = Packed(buffer: buffer, version: parameters.version)
    return buffer
  }
}
