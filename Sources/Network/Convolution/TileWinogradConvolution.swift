import Compute

/// Winograd's minimal filtering for layers whose 36 planes of weights fit into the cache: a thread takes a few tiles
/// the whole way from the input to the output, so that intermediate results stay in its own cache, and threads do not
/// wait for each other within a layer.
///
/// The tiles of all samples are shared out over the threads. Every element of a product is summed in a register of its
/// own, so its bits depend neither on other samples nor on the threads.
package final class TileWinogradConvolution: ConvolutionMethod {
  private let geometry: ConvolutionGeometry
  private let tiles: WinogradTiles

  /// Tiles that a thread takes at a time: a multiple of the rows of a ``PanelProduct``.
  private static let unit = 18
  /// Tiles whose gradients are summed in one go.
  private static let chunk = 512

  // docs/performance.md, "Winograd by tiles": with fewer channels or tiles, transforming them costs more than the
  // products save; with more weights, the 36 planes no longer fit into the cache.
  private static let fewestChannels = 64
  private static let mostWeights = 128 * 128 - 1
  private static let fewestTiles = 25

  /// Whether it is faster than other methods.
  package static func pays(_ geometry: ConvolutionGeometry) -> Bool {
    guard geometry.isShift, geometry.inputs % 16 == 0, geometry.outputs % 16 == 0,
      geometry.inputs >= fewestChannels, geometry.outputs >= fewestChannels,
      geometry.inputs * geometry.outputs <= mostWeights
    else { return false }
    let tiles = WinogradTiles(geometry)
    return tiles.count >= fewestTiles && tiles.saveEnough
  }

  package init(_ geometry: ConvolutionGeometry) {
    self.geometry = geometry
    tiles = WinogradTiles(geometry)
  }

  // MARK: Forward and backward to the input

  package var forwardLayout: UInt64 { 3 }
  package var backwardLayout: UInt64 { 4 }

  package func packForward(_ oihw: UnsafePointer<Float>) -> Buffer {
    WinogradFilters.transformed(oihw, inputs: geometry.inputs, outputs: geometry.outputs, panels: true)
  }

  package func packBackward(_ oihw: UnsafePointer<Float>) -> Buffer {
    WinogradFilters.transformedBackward(oihw, inputs: geometry.inputs, outputs: geometry.outputs, panels: true)
  }

  package func forward(
    _ x: UnsafePointer<Float>, samples: Int, packed: Buffer, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) {
    convolve(x, samples, (geometry.inputs, geometry.outputs), packed, bias: bias, into: y)
  }

  package func backwardData(
    _ dy: UnsafePointer<Float>, samples: Int, packed: Buffer, into dx: UnsafeMutablePointer<Float>
  ) {
    convolve(dy, samples, (geometry.outputs, geometry.inputs), packed, bias: nil, into: dx)
  }

  /// - Parameter channels: k of x, n of y.
  private func convolve(
    _ x: UnsafePointer<Float>, _ samples: Int, _ channels: (k: Int, n: Int), _ packed: Buffer,
    bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>
  ) {
    let (k, n) = channels
    let (tiles, unit, pixels) = (self.tiles, Self.unit, geometry.outPixels)
    parallelRanges(samples * tiles.count, grain: unit) { range in
      withScratch(of: Float.self, count: 36 * unit * (k + n)) { scratch in
        WinogradTiles.withWorkspace { workspace in
          let planeIn = unit * k, planeOut = unit * n
          let products = scratch + 36 * planeIn
          for (i, index) in range.enumerated() {
            let (sample, tile) = index.quotientAndRemainder(dividingBy: tiles.count)
            tiles.transformInput(
              x + sample * pixels * k, tile, channels: k, into: scratch + i * k, .init(plane: planeIn), workspace)
          }
          let rows = PanelProduct.padded(rows: range.count)
          for plane in 0..<36 {
            let a = scratch + plane * planeIn
            // Zeros in the rows beyond the last tile: denormal numbers there would be slow.
            if rows > range.count { (a + range.count * k).update(repeating: 0, count: (rows - range.count) * k) }
            for column in stride(from: 0, to: n, by: PanelProduct.columns) {
              for first in stride(from: 0, to: rows, by: PanelProduct.rows) {
                PanelProduct.block(
                  a + first * k, k, packed.data + plane * k * n + column * k,
                  into: products + plane * planeOut + first * n + column, row: n)
              }
            }
          }
          for (i, index) in range.enumerated() {
            let (sample, tile) = index.quotientAndRemainder(dividingBy: tiles.count)
            tiles.writeOutput(
              products + i * n, tile, plane: planeOut,
              into: .init(map: y + sample * pixels * n, channels: n, bias: bias ?? tiles.nothing), workspace)
          }
        }
      }
    }
  }

  // MARK: Backward to the weights

  package var samplesTogether: Int { max(1, Self.chunk / tiles.count) }

  /// Layout: 9 taps × inputs × outputs. The samples' tiles are summed over as if they were one map's.
  package func weightGradient(_ samples: [ConvolutionSample]) -> Buffer {
    let (inputs, outputs, tiles) = (geometry.inputs, geometry.outputs, tiles)
    let products = Buffer(count: 36 * inputs * outputs)
    for first in stride(from: 0, to: samples.count * tiles.count, by: Self.chunk) {
      let range = first..<min(first + Self.chunk, samples.count * tiles.count), count = range.count
      // Panels of 16 channels: 36 × channels / 16 × tiles × 16.
      let a = Buffer(count: 36 * count * inputs), b = Buffer(count: 36 * count * outputs)
      parallelRanges(count, grain: Self.unit) { part in
        WinogradTiles.withWorkspace { workspace in
          for i in part {
            let (sample, tile) = (range.lowerBound + i).quotientAndRemainder(dividingBy: tiles.count)
            tiles.transformInput(
              samples[sample].x, tile, channels: inputs, into: a.data + i * 16,
              .init(plane: count * inputs, group: count * 16), workspace)
            tiles.transformGradient(
              samples[sample].dy, tile, channels: outputs, into: b.data + i * 16,
              .init(plane: count * outputs, group: count * 16), workspace)
          }
        }
      }
      let columns = outputs / 16
      parallelFor(36 * columns) { index in
        let (plane, column) = index.quotientAndRemainder(dividingBy: columns)
        let panel = b.data + plane * count * outputs + column * count * 16
        for row in stride(from: 0, to: inputs, by: 4) {
          let lines = a.data + plane * count * inputs + row / 16 * count * 16 + row % 16
          PanelProduct.transposedBlock(
            lines, count, panel, into: products.data + (plane * inputs + row) * outputs + column * 16, row: outputs,
            adds: first > 0)
        }
      }
    }
    let gradient = Buffer(count: 9 * inputs * outputs)
    WinogradFilters.writeGradient(
      products.data, count: inputs * outputs, into: gradient.data, tap: inputs * outputs)
    return gradient
  }

  package func unpackGradient(_ gradient: Buffer, into oihw: UnsafeMutablePointer<Float>) {
    TapWeights.unpack(
      gradient.data, inputs: geometry.inputs, outputs: geometry.outputs, taps: Array(0..<9), into: oihw)
  }
}
