internal import COneDNN
import Compute

/// A 2-D convolution with a square kernel, zero-padded by dilation · ⌊kernel / 2⌋.
///
/// Runs one sample at a time, so that nothing a sample computes depends on its neighbours or their number. Compiled
/// kernels are kept by map size, weights packed once per change.
public final class Convolution {
  public let inputs: Int
  public let outputs: Int
  public let kernel: Int
  public let stride: Int
  public let dilation: Int

  let weight: ParameterEntry
  let bias: ParameterEntry?
  private unowned let parameters: Parameters
  private var plans: [MapSize: Plan] = [:]
  private var packed: [UInt64: Packed] = [:]
  private var savedInput: Tensor?

  private struct MapSize: Hashable { let height: Int, width: Int }

  /// Compiled for one map size; the backward kernels on first use.
  private struct Plan {
    let forward: Primitive
    var backwardData: Primitive?
    var backwardWeights: Primitive?
  }

  /// Weights in a layout some kernel asked for, as of a version of the parameters.
  private struct Packed { let buffer: Buffer, version: Int }

  /// - Parameter name: prefix of the entries `NAME.weight` [outputs, inputs, kernel, kernel] and `NAME.bias` [outputs].
  package init(
    _ parameters: Parameters, _ name: String, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1,
    dilation: Int = 1, bias: Bool = false
  ) {
    self.parameters = parameters
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
  package func forward(_ x: Tensor, _ pass: Pass) throws -> Tensor {
    precondition(x.channels == inputs)
    let y = Tensor(count: x.count, height: outputSize(x.height), width: outputSize(x.width), channels: outputs)
    let primitive = try plan(x.height, x.width).forward
    let weights = try packedWeights(primitive)
    let bias = bias.map { parameters.storage($0).baseAddress! }
    for sample in 0..<x.count {
      try primitive.execute(activation: x.sample(sample), weights: weights.data, bias: bias, result: y.sample(sample))
    }
    if pass.records { savedInput = x }
    return y
  }

  /// Writes the gradients of weight and bias, reduced over this rank's slots along their tree.
  ///
  /// - Parameters:
  ///   - dy: gradient of the output of the recorded pass.
  ///   - needsInput: false where nobody asks for the gradient of the input, as for the image.
  /// - Returns: the gradient of the input.
  package func backward(_ dy: Tensor, _ pass: Pass, needsInput: Bool = true) throws -> Tensor? {
    guard let x = savedInput else { preconditionFailure("backward without a recorded forward pass") }
    savedInput = nil
    let size = MapSize(height: x.height, width: x.width)
    try weightGradient(x, dy, pass, size)
    try pass.ranks.gradientReady(weight.range)
    if let bias {
      biasGradient(dy, pass, into: parameters.gradient(bias))
      try pass.ranks.gradientReady(bias.range)
    }
    guard needsInput else { return nil }

    let dx = Tensor(like: x)
    let primitive = try plans[size]?.backwardData ?? Primitive(shape(size), u2pl_conv_backward_data)
    plans[size]?.backwardData = primitive
    let weights = try packedWeights(primitive)
    for sample in 0..<x.count {
      try primitive.execute(activation: dx.sample(sample), weights: weights.data, bias: nil, result: dy.sample(sample))
    }
    return dx
  }

  private func weightGradient(_ x: Tensor, _ dy: Tensor, _ pass: Pass, _ size: MapSize) throws {
    let primitive = try plans[size]?.backwardWeights ?? Primitive(shape(size), u2pl_conv_backward_weights)
    plans[size]?.backwardWeights = primitive
    let sum = try pass.tree.reduce(pass.kind) { slot in
      let gradient = Buffer(count: primitive.packedCount)
      try primitive.execute(
        activation: x.sample(slot), weights: gradient.data, bias: nil, result: dy.sample(slot))
      return gradient
    } combine: { left, right in
      let into = left.data, from = UnsafePointer(right.data)
      parallelRanges(left.count, grain: 1 << 15) { range in
        for i in range { into[i] += from[i] }
      }
      return left
    }
    try primitive.unpack(sum!.data, into: parameters.gradient(weight).baseAddress!)
  }

  private func biasGradient(_ dy: Tensor, _ pass: Pass, into gradient: UnsafeMutableBufferPointer<Float>) {
    // Rounded per sample, not per rank: the exchange goes on adding in single precision.
    let sums = channelSums(dy)
    let total = pass.tree.reduce(pass.kind, leaf: { sums[$0].map(Float.init) }, combine: { zip($0, $1).map(+) })!
    for channel in 0..<outputs { gradient[channel] = total[channel] }
  }

  private func shape(_ size: MapSize) -> u2pl_conv_shape {
    u2pl_conv_shape(
      height: Int32(size.height), width: Int32(size.width), in_channels: Int32(inputs),
      out_height: Int32(outputSize(size.height)), out_width: Int32(outputSize(size.width)),
      out_channels: Int32(outputs), kernel: Int32(kernel), stride: Int32(stride), dilation: Int32(dilation),
      pad: Int32(dilation * (kernel / 2)), bias: bias == nil ? 0 : 1)
  }

  private func plan(_ height: Int, _ width: Int) throws -> Plan {
    let size = MapSize(height: height, width: width)
    if let plan = plans[size] { return plan }
    // Whole-image evaluation meets as many sizes as there are images; code for old ones is not kept for ever.
    if plans.count >= 32 { plans = plans.filter { $0.value.backwardWeights != nil } }
    let plan = Plan(forward: try Primitive(shape(size), u2pl_conv_forward))
    plans[size] = plan
    return plan
  }

  private func packedWeights(_ primitive: Primitive) throws -> Buffer {
    let known = packed[primitive.layout]
    if let known, known.version == parameters.version { return known.buffer }
    let buffer = known?.buffer ?? Buffer(count: primitive.packedCount)
    try primitive.pack(parameters.storage(weight).baseAddress!, into: buffer.data)
    packed[primitive.layout] = Packed(buffer: buffer, version: parameters.version)
    return buffer
  }
}

/// One compiled kernel of oneDNN.
private final class Primitive {
  private let handle: OpaquePointer
  let packedCount: Int
  let layout: UInt64

  init(_ shape: u2pl_conv_shape, _ kind: u2pl_conv_kind) throws {
    var shape = shape
    guard let handle = u2pl_conv_create(&shape, kind) else {
      throw ComputeError(
        description: "no kernel for a convolution of \(shape.in_channels)→\(shape.out_channels) channels on a "
          + "\(shape.height)×\(shape.width) map: \(String(cString: u2pl_onednn_error()))")
    }
    self.handle = handle
    packedCount = u2pl_conv_packed_floats(handle)
    layout = u2pl_conv_layout(handle)
  }

  deinit { u2pl_conv_destroy(handle) }

  func pack(_ oihw: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>) throws {
    try check(u2pl_conv_pack(handle, oihw, packed))
  }

  func unpack(_ packed: UnsafePointer<Float>, into oihw: UnsafeMutablePointer<Float>) throws {
    try check(u2pl_conv_unpack(handle, packed, oihw))
  }

  func execute(
    activation: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?,
    result: UnsafeMutablePointer<Float>
  ) throws {
    try check(u2pl_conv_execute(handle, activation, weights, bias, result))
  }

  private func check(_ status: Int32) throws {
    guard status == 0 else { throw ComputeError(description: String(cString: u2pl_onednn_error())) }
  }
}

/// What oneDNN is, for the log.
public enum ConvolutionLibrary {
  public static var version: String { String(cString: u2pl_onednn_version()) }
  public static var instructionSet: String { String(cString: u2pl_onednn_isa()) }
}
