internal import COneDNN
import Compute

/// oneDNN's own convolution, whose weights it wants blocked in a way of its choice.
package final class DirectConvolution: ConvolutionMethod {
  private let shape: u2pl_conv_shape
  private let forwardKernel: Primitive
  private var backwardDataKernel: Primitive?
  private var backwardWeightsKernel: Primitive?

  package init(_ geometry: ConvolutionGeometry) throws {
    shape = u2pl_conv_shape(
      height: Int32(geometry.height), width: Int32(geometry.width), in_channels: Int32(geometry.inputs),
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

  private func backwardWeightsPrimitive() throws -> Primitive {
    let primitive = try backwardWeightsKernel ?? Primitive(shape, u2pl_conv_backward_weights)
    backwardWeightsKernel = primitive
    return primitive
  }

  package var forwardLayout: UInt64 { forwardKernel.layout }
  package var backwardLayout: UInt64 { get throws { try backwardDataPrimitive().layout } }

  package func packForward(_ oihw: UnsafePointer<Float>) throws -> Buffer { try forwardKernel.packed(oihw) }
  package func packBackward(_ oihw: UnsafePointer<Float>) throws -> Buffer { try backwardDataPrimitive().packed(oihw) }

  package func forward(
    _ x: UnsafePointer<Float>, packed: Buffer, bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>
  ) throws {
    try forwardKernel.execute(activation: .init(mutating: x), weights: packed.data, bias: bias, result: y)
  }

  package func backwardData(_ dy: UnsafePointer<Float>, packed: Buffer, into dx: UnsafeMutablePointer<Float>) throws {
    try backwardDataPrimitive().execute(
      activation: dx, weights: packed.data, bias: nil, result: .init(mutating: dy))
  }

  package func weightGradient(_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>) throws -> Buffer {
    let primitive = try backwardWeightsPrimitive()
    let gradient = Buffer(count: primitive.packedCount)
    try primitive.execute(
      activation: .init(mutating: x), weights: gradient.data, bias: nil, result: .init(mutating: dy))
    return gradient
  }

  package func unpackGradient(_ gradient: Buffer, into oihw: UnsafeMutablePointer<Float>) throws {
    try backwardWeightsPrimitive().unpack(gradient.data, into: oihw)
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
