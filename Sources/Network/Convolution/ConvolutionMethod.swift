/// One way to compute a layer's convolution on maps of one size: oneDNN's direct kernels, Winograd's minimal filtering,
/// or a sum over the taps that meet the map.
///
/// Maps and gradients of samples follow each other in memory. The result for a sample has the same bits whatever other
/// samples there are.
package protocol ConvolutionMethod: AnyObject {
  /// Methods of one layer can share packed weights where this is equal.
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

  /// The most samples that one call of ``weightGradient(_:)`` takes.
  var samplesTogether: Int { get }
  /// The gradient of the weights, summed over some samples of one leaf of the slot tree. Its layout is the method's
  /// own; gradients can be added element by element.
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

/// Channels, kernel, stride, dilation and bias of a convolution layer.
public struct ConvolutionShape: Sendable, Equatable {
  public let inputs: Int
  public let outputs: Int
  /// Taps along each axis.
  public let kernel: Int
  public let stride: Int
  public let dilation: Int
  /// Whether a bias of each output channel is added.
  public let bias: Bool

  package init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, dilation: Int = 1, bias: Bool = false
  ) {
    (self.inputs, self.outputs, self.kernel) = (inputs, outputs, kernel)
    (self.stride, self.dilation, self.bias) = (stride, dilation, bias)
  }

  /// Length of the output map along an axis of `size` pixels.
  public func outputSize(_ size: Int) -> Int {
    (size + 2 * dilation * (kernel / 2) - dilation * (kernel - 1) - 1) / stride + 1
  }
}

/// A convolution layer on maps of one size.
package struct ConvolutionGeometry {
  package let shape: ConvolutionShape
  package let height: Int, width: Int
  package let outHeight: Int, outWidth: Int

  package init(_ shape: ConvolutionShape, height: Int, width: Int) {
    self.shape = shape
    (self.height, self.width) = (height, width)
    (outHeight, outWidth) = (shape.outputSize(height), shape.outputSize(width))
  }

  package var inputs: Int { shape.inputs }
  package var outputs: Int { shape.outputs }
  package var kernel: Int { shape.kernel }
  package var stride: Int { shape.stride }
  package var dilation: Int { shape.dilation }
  package var bias: Bool { shape.bias }

  var outPixels: Int { outHeight * outWidth }
  /// Multiplications and additions of the plain definition for one sample, taps beyond the edge included.
  package var operations: Double { 2 * Double(kernel * kernel) * Double(inputs * outputs) * Double(outPixels) }
  /// The part of the kernel's taps that meet the map, on average over the output pixels.
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

  /// The number of samples whose gradients of the weights are computed in one product, which needs a copy of their
  /// maps: several where the gradient is larger than the maps and writing it takes most of the time.
  var samplesTogether: Int {
    let floats = inputFloats + outputFloats
    return weightFloats > floats ? max(1, (1 << 22) / floats) : 1
  }

  // Limits of ``TapConvolution``, from `u2pl bench layers` on the maps of ResNet-50 at 257² and ResNet-18 at 65²; see
  // "Taps that lie outside the map" in docs/performance.md. They decide which method computes a layer, and so its bits.

  /// With fewer channels a tap's product has too little work to be worth a call of its own.
  private static let fewestTapChannels = 64
  /// From 20² pixels on (33² was measured) a map is large: a product over a tap has enough rows to reach the speed of a
  /// matrix product. On smaller ones (9² was measured) reading the tap's matrix costs more than multiplying its few
  /// pixels.
  private static let largeMapPixels = 400
  /// On a large map taps pay where at most this part of the kernel meets it: ASPP's dilation 12 on 33² leaves 0.57 of
  /// the kernel, and is 1.4 times as fast.
  private static let mostTapsOnLargeMap = 0.65
  /// On a small map oneDNN's kernels leave out most rows outside by themselves, and are as fast where more is left.
  private static let mostTapsOnSmallMap = 0.3

  /// Whether so much of the kernel lies outside the map that a sum over the taps within is faster.
  private var picksTaps: Bool {
    isShift && inputs >= Self.fewestTapChannels && outputs >= Self.fewestTapChannels
      && tapsInside < (outPixels >= Self.largeMapPixels ? Self.mostTapsOnLargeMap : Self.mostTapsOnSmallMap)
  }

  /// The fastest method for these maps.
  package func method() throws -> any ConvolutionMethod {
    if picksTaps { return TapConvolution(self) }
    if TileWinogradConvolution.pays(self) { return TileWinogradConvolution(self) }
    return WinogradConvolution.pays(self) ? WinogradConvolution(self) : try DirectConvolution(self)
  }

  /// The name of what ``method()`` returns.
  package var methodName: String {
    if picksTaps { return "taps" }
    return TileWinogradConvolution.pays(self) || WinogradConvolution.pays(self) ? "winograd" : "direct"
  }

  package var description: String {
    "\(inputs)→\(outputs) \(kernel)×\(kernel)" + (stride > 1 ? "/\(stride)" : "")
      + (dilation > 1 ? " d\(dilation)" : "") + " on \(height)×\(width)"
  }
}
