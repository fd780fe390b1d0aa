import Compute

/// A 3×3 convolution of stride 1 and any dilation by Winograd's minimal filtering: a quarter of the multiplications.
///
/// With T tiles, the products are 36 of T × inputs by inputs × outputs, one batch on all threads.
package final class WinogradConvolution: ConvolutionMethod {
  private let geometry: ConvolutionGeometry
  private let tiles: WinogradTiles
  private var forwardProducts: [Int: MatrixProduct] = [:]
  private var backwardProducts: [Int: MatrixProduct] = [:]
  private var weightProducts: [Int: MatrixProduct] = [:]

  // docs/performance.md, "Winograd's minimal filtering": with fewer channels or tiles, transforming them costs more
  // than the products save.
  private static let fewestChannels = 128
  private static let fewestTiles = 40

  /// Whether it is faster than the direct sum: not with few tiles, few channels, or tiles that mostly lie outside the
  /// map.
  package static func pays(_ geometry: ConvolutionGeometry) -> Bool {
    guard geometry.isShift, geometry.inputs % 16 == 0, geometry.outputs % 16 == 0,
      geometry.inputs >= fewestChannels, geometry.outputs >= fewestChannels
    else { return false }
    let tiles = WinogradTiles(geometry)
    return tiles.count >= fewestTiles && tiles.saveEnough
  }

  package init(_ geometry: ConvolutionGeometry) {
    self.geometry = geometry
    tiles = WinogradTiles(geometry)
  }

  // MARK: Forward and backward to the input

  package var forwardLayout: UInt64 { 1 }
  package var backwardLayout: UInt64 { 2 }

  package func packForward(_ oihw: UnsafePointer<Float>) -> Buffer {
    WinogradFilters.transformed(oihw, inputs: geometry.inputs, outputs: geometry.outputs, panels: false)
  }

  package func packBackward(_ oihw: UnsafePointer<Float>) -> Buffer {
    WinogradFilters.transformedBackward(oihw, inputs: geometry.inputs, outputs: geometry.outputs, panels: false)
  }

  package func forward(
    _ x: UnsafePointer<Float>, samples: Int, packed: Buffer, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) throws {
    for sample in 0..<samples {
      try convolve(
        x + sample * geometry.inputFloats, (geometry.inputs, geometry.outputs), packed, &forwardProducts, bias: bias,
        into: y + sample * geometry.outputFloats)
    }
  }

  package func backwardData(
    _ dy: UnsafePointer<Float>, samples: Int, packed: Buffer, into dx: UnsafeMutablePointer<Float>
  ) throws {
    for sample in 0..<samples {
      try convolve(
        dy + sample * geometry.outputFloats, (geometry.outputs, geometry.inputs), packed, &backwardProducts, bias: nil,
        into: dx + sample * geometry.inputFloats)
    }
  }

  /// Works in bands of about 512 tiles, or fewer where there are many channels, so that intermediate results take no
  /// more memory for a large map than for a small one.
  ///
  /// - Parameter channels: k of x, n of y.
  private func convolve(
    _ x: UnsafePointer<Float>, _ channels: (k: Int, n: Int), _ packed: Buffer, _ products: inout [Int: MatrixProduct],
    bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>
  ) throws {
    let (k, n) = channels
    let width = tiles.columns.count
    let height = max(1, max(192, min(512, (1 << 24) / (36 * (k + n)))) / width)
    let tiles = self.tiles
    for first in stride(from: 0, to: tiles.rows.count, by: height) {
      let band = first * width..<min(first + height, tiles.rows.count) * width
      let product =
        try products[band.count]
        ?? MatrixProduct(
          (band.count, k, n), batch: 36, strides: (plane(band.count, k), k * n, plane(band.count, n)))
      products[band.count] = product
      let transformed = Buffer(count: 36 * plane(band.count, k))
      byRows(band) { tile, workspace in
        tiles.transformInput(
          x, tile, channels: k, into: transformed.data + (tile - band.lowerBound) * k,
          .init(plane: plane(band.count, k)),
          workspace)
      }
      let result = Buffer(count: 36 * plane(band.count, n))
      try product.execute(transformed.data, packed.data, result.data)
      byRows(band) { tile, workspace in
        tiles.writeOutput(
          result.data + (tile - band.lowerBound) * n, tile, plane: plane(band.count, n),
          into: .init(map: y, channels: n, bias: bias ?? tiles.nothing), workspace)
      }
    }
  }

  /// Calls `body` for each of some tiles, in parallel over rows of them.
  private func byRows(_ band: Range<Int>, _ body: (_ tile: Int, _ workspace: WinogradTiles.Workspace) -> Void) {
    parallelRanges(band.count, grain: tiles.columns.count) { range in
      WinogradTiles.withWorkspace { workspace in
        for tile in range { body(band.lowerBound + tile, workspace) }
      }
    }
  }

  /// Floats from one of the 36 planes of some tiles to the next: a cache line more than dense planes, which would all
  /// fall into one set of the cache.
  private func plane(_ tiles: Int, _ channels: Int) -> Int { tiles * channels + 16 }

  // MARK: Backward to the weights

  package var samplesTogether: Int { 1 }

  /// Layout: 9 taps × inputs × outputs.
  package func weightGradient(_ samples: [ConvolutionSample]) throws -> Buffer {
    precondition(samples.count == 1)
    let (inputs, outputs, tiles) = (geometry.inputs, geometry.outputs, tiles)
    let (x, dy) = (samples[0].x, samples[0].dy)
    let planeA = plane(tiles.count, inputs), planeB = plane(tiles.count, outputs)
    let a = Buffer(count: 36 * planeA), b = Buffer(count: 36 * planeB)
    byRows(0..<tiles.count) { tile, workspace in
      tiles.transformInput(x, tile, channels: inputs, into: a.data + tile * inputs, .init(plane: planeA), workspace)
      tiles.transformGradient(
        dy, tile, channels: outputs, into: b.data + tile * outputs, .init(plane: planeB), workspace)
    }
    let gradient = Buffer(count: 9 * inputs * outputs)
    // In blocks of input channels whose 36 products stay in the cache until they are transformed back.
    let block = max(32, (1 << 20) / (36 * outputs) / 16 * 16)
    let products = Buffer(count: 36 * min(block, inputs) * outputs)
    for start in stride(from: 0, to: inputs, by: block) {
      let count = min(block, inputs - start)
      let product =
        try weightProducts[count]
        ?? MatrixProduct(
          (count, tiles.count, outputs), batch: 36, transposed: true, aRow: inputs,
          strides: (planeA, planeB, count * outputs))
      weightProducts[count] = product
      try product.execute(a.data + start, b.data, products.data)
      WinogradFilters.writeGradient(
        products.data, count: count * outputs, into: gradient.data + start * outputs, tap: inputs * outputs)
    }
    return gradient
  }

  package func unpackGradient(_ gradient: Buffer, into oihw: UnsafeMutablePointer<Float>) {
    TapWeights.unpack(
      gradient.data, inputs: geometry.inputs, outputs: geometry.outputs, taps: Array(0..<9), into: oihw)
  }
}
