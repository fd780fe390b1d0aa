import Compute

/// A 3×3 convolution of stride 1 and any dilation by Winograd's minimal filtering: a quarter of the multiplications.
///
/// A dilated convolution is d² dense ones on every d-th row and column, so tiles are cut on those grids. With T tiles, the
/// products are 36 of T × inputs by inputs × outputs.
package final class WinogradConvolution: ConvolutionMethod {
  typealias W = WinogradTransform

  let geometry: ConvolutionGeometry
  let rows: [AxisTile]
  let columns: [AxisTile]
  private var forwardProducts: [Int: MatrixProduct] = [:]
  private var backwardProducts: [Int: MatrixProduct] = [:]
  private var weightProducts: [Int: MatrixProduct] = [:]
  let zeros: Buffer

  /// Four outputs along one axis: at `first + dilation · (1…4)`, from inputs at `first + dilation · (0…5)`, those within the
  /// map.
  struct AxisTile {
    let first: Int

    static func cut(_ size: Int, dilation: Int) -> [AxisTile] {
      (0..<min(dilation, size)).flatMap { start in
        stride(from: start, to: size, by: 4 * dilation).map { AxisTile(first: $0 - dilation) }
      }
    }
  }

  /// Whether it is faster than the direct sum: not with few tiles, few channels, or tiles that mostly lie outside the map.
  package static func pays(_ geometry: ConvolutionGeometry) -> Bool {
    guard geometry.isShift, geometry.inputs % 16 == 0, geometry.outputs % 16 == 0,
      geometry.inputs >= 128, geometry.outputs >= 128
    else { return false }
    let tiles =
      AxisTile.cut(geometry.height, dilation: geometry.dilation).count
      * AxisTile.cut(geometry.width, dilation: geometry.dilation).count
    return tiles >= 40 && 36 * tiles <= 5 * geometry.outPixels
  }

  package init(_ geometry: ConvolutionGeometry) {
    self.geometry = geometry
    rows = AxisTile.cut(geometry.height, dilation: geometry.dilation)
    columns = AxisTile.cut(geometry.width, dilation: geometry.dilation)
    zeros = Buffer(count: max(geometry.inputs, geometry.outputs))
    zeros.data.update(repeating: 0, count: zeros.count)
  }

  // MARK: Forward and backward to the input

  package var forwardLayout: UInt64 { 1 }
  package var backwardLayout: UInt64 { 2 }

  package func packForward(_ oihw: UnsafePointer<Float>) -> Buffer {
    let (inputs, outputs) = (geometry.inputs, geometry.outputs)
    return transformedFilters(rows: inputs, columns: outputs) { input, output in
      (UnsafePointer(oihw + (output * inputs + input) * 9), inputs * 9, false)
    }
  }

  package func packBackward(_ oihw: UnsafePointer<Float>) -> Buffer {
    let inputs = geometry.inputs
    return transformedFilters(rows: geometry.outputs, columns: inputs) { output, input in
      (UnsafePointer(oihw + (output * inputs + input) * 9), 9, true)
    }
  }

  package func forward(
    _ x: UnsafePointer<Float>, samples: Int, packed: Buffer, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) throws {
    for sample in 0..<samples {
      try convolve(
        x + sample * geometry.inputFloats, geometry.inputs, packed, &forwardProducts, bias: bias,
        into: y + sample * geometry.outputFloats, geometry.outputs)
    }
  }

  package func backwardData(
    _ dy: UnsafePointer<Float>, samples: Int, packed: Buffer, into dx: UnsafeMutablePointer<Float>
  ) throws {
    for sample in 0..<samples {
      try convolve(
        dy + sample * geometry.outputFloats, geometry.outputs, packed, &backwardProducts, bias: nil,
        into: dx + sample * geometry.inputFloats, geometry.inputs)
    }
  }

  /// In bands of some 512 tiles, or fewer where there are many channels, so that what is in between takes no more for a
  /// large map than for a small one.
  private func convolve(
    _ x: UnsafePointer<Float>, _ k: Int, _ packed: Buffer, _ products: inout [Int: MatrixProduct],
    bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>, _ n: Int
  ) throws {
    let tiles = max(192, min(512, (1 << 24) / (36 * (k + n))))
    let height = max(1, tiles / columns.count)
    for first in stride(from: 0, to: rows.count, by: height) {
      let band = first..<min(first + height, rows.count)
      let tiles = band.count * columns.count
      let product =
        try products[tiles]
        ?? MatrixProduct(batch: 36, m: tiles, k: k, n: n, strides: (plane(band, k), k * n, plane(band, n)))
      products[tiles] = product
      let transformed = transformedInput(x, channels: k, band)
      let result = Buffer(count: 36 * plane(band, n))
      try product.execute(transformed.data, packed.data, result.data)
      writeOutput(result.data, channels: n, band, bias: bias, into: y)
    }
  }

  /// Floats from one of the 36 planes of a band's tiles to the next; a line more than dense, lest all fall into one set of
  /// the cache.
  func plane(_ band: Range<Int>, _ channels: Int) -> Int { band.count * columns.count * channels + 16 }

  // MARK: Backward to the weights

  package var samplesTogether: Int { 1 }

  /// Layout: 9 taps × inputs × outputs.
  package func weightGradient(_ samples: [ConvolutionSample]) throws -> Buffer {
    precondition(samples.count == 1)
    let (inputs, outputs) = (geometry.inputs, geometry.outputs)
    let all = rows.indices
    let a = transformedInput(samples[0].x, channels: inputs, all)
    let b = transformedGradient(samples[0].dy)
    let gradient = Buffer(count: 9 * inputs * outputs)
    // In blocks of input channels whose 36 products stay in the cache until they are transformed back.
    let block = max(32, (1 << 20) / (36 * outputs) / 16 * 16)
    let products = Buffer(count: 36 * min(block, inputs) * outputs)
    for start in stride(from: 0, to: inputs, by: block) {
      let count = min(block, inputs - start)
      let product =
        try weightProducts[count]
        ?? MatrixProduct(
          batch: 36, m: count, k: rows.count * columns.count, n: outputs, transposed: true, aRow: inputs,
          strides: (plane(all, inputs), plane(all, outputs), count * outputs))
      weightProducts[count] = product
      try product.execute(a.data + start, b.data, products.data)
      let (from, plane, to) = (UnsafePointer(products.data), count * outputs, gradient.data + start * outputs)
      parallelRanges(plane / 16, grain: 64) { range in
        withScratch(of: Float.self, count: 18 * 16) { scratch in
          for group in range {
            for column in 0..<6 {
              let w = W.filterAdjoint(W.loadSix(from + group * 16 + column * plane, 6 * plane))
              W.store(w.0, scratch + column * 16)
              W.store(w.1, scratch + (6 + column) * 16)
              W.store(w.2, scratch + (12 + column) * 16)
            }
            for row in 0..<3 {
              let w = W.filterAdjoint(W.loadSix(scratch + row * 6 * 16, 16))
              let at = to + row * 3 * inputs * outputs + group * 16
              W.store(w.0, at)
              W.store(w.1, at + inputs * outputs)
              W.store(w.2, at + 2 * inputs * outputs)
            }
          }
        }
      }
    }
    return gradient
  }

  package func unpackGradient(_ gradient: Buffer, into oihw: UnsafeMutablePointer<Float>) {
    TapWeights.unpack(
      gradient.data, inputs: geometry.inputs, outputs: geometry.outputs, taps: Array(0..<9), into: oihw)
  }
}
