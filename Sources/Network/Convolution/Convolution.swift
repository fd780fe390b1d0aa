import Compute

/// A 2-D convolution with a square kernel, zero-padded by dilation · ⌊kernel / 2⌋.
///
/// The result for a sample does not depend on the other samples or their number. The method is chosen, and its kernels
/// are compiled, once for each map size.
public final class Convolution {
  public let shape: ConvolutionShape

  let weight: ParameterEntry
  let bias: ParameterEntry?
  private unowned let parameters: Parameters
  private let name: String
  private var methods: [MapSize: any ConvolutionMethod] = [:]
  private var packed: [UInt64: Packed] = [:]
  private var saved: Saved?

  /// The input of a recorded pass, or the function that recomputes it.
  private enum Saved {
    case map(Tensor)
    case recipe(() -> Tensor)
  }

  private struct MapSize: Hashable { let height: Int, width: Int }

  /// Weights of one version of the parameters, in the layout of a kernel.
  private struct Packed { let buffer: Buffer, version: Int }

  /// - Parameter name: prefix of the entries `NAME.weight` [outputs, inputs, kernel, kernel] and `NAME.bias` [outputs].
  package init(_ parameters: Parameters, _ name: String, _ shape: ConvolutionShape) {
    self.parameters = parameters
    self.name = name
    self.shape = shape
    weight = parameters.add("\(name).weight", [shape.outputs, shape.inputs, shape.kernel, shape.kernel])
    bias = shape.bias ? parameters.add("\(name).bias", [shape.outputs]) : nil
  }

  /// x [N, H, W, inputs] → [N, H', W', outputs].
  ///
  /// - Parameter recompute: computes x a second time for the backward pass, where that is cheaper than keeping it.
  package func forward(_ x: Tensor, recompute: (() -> Tensor)? = nil, _ pass: Pass) throws -> Tensor {
    precondition(x.channels == shape.inputs)
    let y = Tensor(
      count: x.count, height: shape.outputSize(x.height), width: shape.outputSize(x.width), channels: shape.outputs)
    try ConvolutionMeter.measure(name, .forward, geometry(x), samples: x.count) {
      let method = try method(x)
      let weights = try packedWeights(method.forwardLayout, of: x, method.packForward)
      let bias = bias.map { UnsafePointer(parameters.storage($0).baseAddress!) }
      try method.forward(x.data, samples: x.count, packed: weights, bias: bias, into: y.data)
    }
    pass.layerDone()
    if pass.recordsForBackward { saved = recompute.map(Saved.recipe) ?? .map(x) }
    return y
  }

  /// Writes the gradients of weight and bias, reduced over this rank's slots along their tree.
  ///
  /// - Parameters:
  ///   - dy: gradient of the output of the recorded pass.
  ///   - needsInput: false where the gradient of the input is not needed, as for the image.
  /// - Returns: the gradient of the input, nil where it is not needed.
  package func backward(_ dy: Tensor, _ pass: Pass, needsInput: Bool = true) throws -> Tensor? {
    let x: Tensor
    switch saved {
    case .map(let map): x = map
    case .recipe(let recompute): x = recompute()
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
    // A recomputed map is given back before memory for another of its size is taken.
    _ = consume x
    let dx = Tensor(count: samples, height: geometry.height, width: geometry.width, channels: shape.inputs)
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
    for channel in 0..<shape.outputs { gradient[channel] = total[channel] }
  }

  private func geometry(_ x: Tensor) -> ConvolutionGeometry {
    ConvolutionGeometry(shape, height: x.height, width: x.width)
  }

  private func method(_ x: Tensor) throws -> any ConvolutionMethod {
    let size = MapSize(height: x.height, width: x.width)
    if let method = methods[size] { return method }
    // Evaluation of whole images meets as many sizes as there are images: kernels for old sizes are not kept for ever.
    if methods.count >= 32 { methods.removeAll() }
    let method = try geometry(x).method()
    methods[size] = method
    return method
  }

  /// Packs the weights for each pass where the map is large: packing is cheap beside the convolution, and copies of all
  /// weights would take memory. Keeps packed weights, for as long as they stay the same, where the map is small.
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
