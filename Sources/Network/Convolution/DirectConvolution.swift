internal import COneDNN
import Compute

/// oneDNN's own convolution, with weights blocked as oneDNN chooses.
///
/// Forward pass and gradient of the input take one sample at a time, so that the kernel does not depend on the number
/// of samples. The gradient of the weights may take several, which are the same on any number of ranks.
package final class DirectConvolution: ConvolutionMethod {
  private let geometry: ConvolutionGeometry
  private let shape: u2pl_conv_shape
  private let forwardKernel: Primitive
  private var backwardDataKernel: Primitive?
  /// By the number of samples.
  private var backwardWeightsKernels: [Int: Primitive] = [:]

  package init(_ geometry: ConvolutionGeometry) throws {
    self.geometry = geometry
    shape = u2pl_conv_shape(
      samples: 1, height: Int32(geometry.height), width: Int32(geometry.width), in_channels: Int32(geometry.inputs),
      out_height: Int32(geometry.outHeight), out_width: Int32(geometry.outWidth),
      out_channels: Int32(geometry.outputs), kernel: Int32(geometry.kernel), stride: Int32(geometry.stride),
      dilation: Int32(geometry.dilation), pad: Int32(geometry.dilation * (geometry.kernel / 2)),
      bias: geometry.bias ? 1 : 0)
    forwardKernel = try Primitive(shape, u2pl_conv_forward)
  }

  private func backwardDataPrimitive() throws -> Primitive {
    let primitive = try backwardDataKernel ?? Primitive(shape, u2pl_conv_backward_data)
    backwardDataKernel = primitive
    return primitive
  }

  private func backwardWeightsPrimitive(samples: Int) throws -> Primitive {
    if let primitive = backwardWeightsKernels[samples] { return primitive }
    var shape = shape
    shape.samples = Int32(samples)
    let primitive = try Primitive(shape, u2pl_conv_backward_weights)
    backwardWeightsKernels[samples] = primitive
    return primitive
  }

  package var forwardLayout: UInt64 { forwardKernel.layout }
  package var backwardLayout: UInt64 { get throws { try backwardDataPrimitive().layout } }

  package func packForward(_ oihw: UnsafePointer<Float>) throws -> Buffer { try forwardKernel.packed(oihw) }
  package func packBackward(_ oihw: UnsafePointer<Float>) throws -> Buffer { try backwardDataPrimitive().packed(oihw) }

  package func forward(
    _ x: UnsafePointer<Float>, samples: Int, packed: Buffer, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) throws {
    for sample in 0..<samples {
      try forwardKernel.execute(
        activation: .init(mutating: x + sample * geometry.inputFloats), weights: packed.data, bias: bias,
        result: y + sample * geometry.outputFloats)
    }
  }

  package func backwardData(
    _ dy: UnsafePointer<Float>, samples: Int, packed: Buffer, into dx: UnsafeMutablePointer<Float>
  ) throws {
    let primitive = try backwardDataPrimitive()
    for sample in 0..<samples {
      try primitive.execute(
        activation: dx + sample * geometry.inputFloats, weights: packed.data, bias: nil,
        result: .init(mutating: dy + sample * geometry.outputFloats))
    }
  }

  package var samplesTogether: Int { geometry.samplesTogether }

  package func weightGradient(_ samples: [ConvolutionSample]) throws -> Buffer {
    let primitive = try backwardWeightsPrimitive(samples: samples.count)
    let gradient = Buffer(count: primitive.packedCount)
    if samples.count == 1 {
      try primitive.execute(
        activation: .init(mutating: samples[0].x), weights: gradient.data, bias: nil,
        result: .init(mutating: samples[0].dy))
      return gradient
    }
    let x = Buffer(count: samples.count * geometry.inputFloats)
    let dy = Buffer(count: samples.count * geometry.outputFloats)
    parallelFor(samples.count) { i in
      (x.data + i * geometry.inputFloats).update(from: samples[i].x, count: geometry.inputFloats)
      (dy.data + i * geometry.outputFloats).update(from: samples[i].dy, count: geometry.outputFloats)
    }
    try primitive.execute(activation: x.data, weights: gradient.data, bias: nil, result: dy.data)
    return gradient
  }

  package func unpackGradient(_ gradient: Buffer, into oihw: UnsafeMutablePointer<Float>) throws {
    try backwardWeightsPrimitive(samples: 1).unpack(gradient.data, into: oihw)
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

  func packed(_ oihw: UnsafePointer<Float>) throws -> Buffer {
    let buffer = Buffer(count: packedCount)
    try check(u2pl_conv_pack(handle, oihw, buffer.data))
    return buffer
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
