/// One way to compute a layer's convolution on maps of one size: oneDNN's direct kernels, Winograd's minimal filtering, or
/// a sum over the taps that meet the map.
///
/// Maps and gradients of samples follow each other in memory. What is computed of one sample has the same bits whatever
/// other samples there are.
package protocol ConvolutionMethod: AnyObject {
  /// Equal where packed weights can be shared between methods of one layer.
  var forwardLayout: UInt64 { get }
  func packForward(_ oihw: UnsafePointer<Float>) throws -> Buffer
  /// x [samples, H, W, inputs] → y [samples, H', W', outputs], with the bias added.
  func forward(
    _ x: UnsafePointer<Float>, samples: Int, packed: Buffer, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>) throws

  var backwardLayout: UInt64 { get throws }
  func packBackward(_ oihw: UnsafePointer<Float>) throws -> Buffer
  /// Gradient of y → gradient of x.
  func backwardData(
    _ dy: UnsafePointer<Float>, samples: Int, packed: Buffer, into dx: UnsafeMutablePointer<Float>) throws

  /// How many samples ``weightGradient(_:)`` takes at most at a time.
  var samplesTogether: Int { get }
  /// The gradient of the weights by some samples of one leaf of the slot tree, in a layout of the method's own that can
  /// be added up element by element.
  func weightGradient(_ samples: [ConvolutionSample]) throws -> Buffer
  func unpackGradient(_ gradient: Buffer, into oihw: UnsafeMutablePointer<Float>) throws
}

/// One sample's input and gradient of the output.
package struct ConvolutionSample {
  let x: UnsafePointer<Float>
  let dy: UnsafePointer<Float>

  package init(x: UnsafePointer<Float>, dy: UnsafePointer<Float>) {
    self.x = x
    self.dy = dy
  }
}

/// What fixes a convolution on maps of one size.
package struct ConvolutionGeometry {
  package let height: Int, width: Int, inputs: Int
  package let outHeight: Int, outWidth: Int, outputs: Int
  package let kernel: Int, stride: Int, dilation: Int
  package let bias: Bool

  package init(
    height: Int, width: Int, inputs: Int, outHeight: Int, outWidth: Int, outputs: Int, kernel: Int, stride: Int,
    dilation: Int, bias: Bool
  ) {
    (self.height, self.width, self.inputs) = (height, width, inputs)
    (self.outHeight, self.outWidth, self.outputs) = (outHeight, outWidth, outputs)
    (self.kernel, self.stride, self.dilation, self.bias) = (kernel, stride, dilation, bias)
  }

  var outPixels: Int { outHeight * outWidth }
  /// Multiplications and additions of the plain definition for one sample, taps beyond the edge included.
  package var operations: Double { 2 * Double(kernel * kernel) * Double(inputs * outputs) * Double(outPixels) }
  /// What part of the kernel's taps meets the map, on average over the output pixels.
  package var tapsInside: Double {
    func axis(_ size: Int) -> Double {
      (-(kernel / 2)...(kernel / 2)).reduce(0) { $0 + Double(max(0, size - abs($1) * dilation)) / Double(size) }
        / Double(kernel)
    }
    return axis(height) * axis(width)
  }
  /// Stride 1, so that the output has the input's size and any tap is a shift.
  var isShift: Bool { stride == 1 && kernel == 3 }

  var inputFloats: Int { height * width * inputs }
  var outputFloats: Int { outPixels * outputs }
  var weightFloats: Int { kernel * kernel * inputs * outputs }

  /// How many samples' gradients of the weights are worth computing in one product, which takes a copy of their maps:
  /// several where the gradient is larger than the maps, so that writing it is what costs.
  var samplesTogether: Int {
    let floats = inputFloats + outputFloats
    return weightFloats > floats ? max(1, (1 << 22) / floats) : 1
  }

  /// Whether so much of the kernel lies outside the map that the taps within are worth picking: on a small map only where
  /// next to nothing is left, for then a product's matrix costs more to read than its few pixels to multiply.
  private var picksTaps: Bool {
    isShift && inputs >= 64 && outputs >= 64 && tapsInside < (outPixels >= 400 ? 0.65 : 0.3)
  }

  /// The fastest method for these maps.
  package func method() throws -> any ConvolutionMethod {
    if picksTaps { return TapConvolution(self) }
    if TileWinogradConvolution.pays(self) { return TileWinogradConvolution(self) }
    return WinogradConvolution.pays(self) ? WinogradConvolution(self) : try DirectConvolution(self)
  }

  /// What ``method()`` gives.
  package var methodName: String {
    if picksTaps { return "taps" }
    return TileWinogradConvolution.pays(self) || WinogradConvolution.pays(self) ? "winograd" : "direct"
  }

  package var description: String {
    "\(inputs)→\(outputs) \(kernel)×\(kernel)" + (stride > 1 ? "/\(stride)" : "")
      + (dilation > 1 ? " d\(dilation)" : "") + " on \(height)×\(width)"
  }
}
