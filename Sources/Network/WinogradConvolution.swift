import Compute

/// A 3×3 convolution of stride 1 and any dilation by Winograd's minimal filtering: a quarter of the multiplications.
///
/// A dilated convolution is d² dense ones on every d-th row and column, so tiles are cut on those grids. With T tiles, the
/// products are 36 of T × inputs by inputs × outputs.
package final class WinogradConvolution: ConvolutionMethod {
  private typealias W = WinogradTransform

  private let geometry: ConvolutionGeometry
  private let rows: [AxisTile]
  private let columns: [AxisTile]
  private var tiles: Int { rows.count * columns.count }
  /// Between the 36 planes of transformed tiles; a line more than dense, lest all fall into one set of the cache.
  private let inputPlane: Int
  private let outputPlane: Int
  private var forwardProduct: MatrixProduct?
  private var backwardProduct: MatrixProduct?
  private var weightProducts: [Int: MatrixProduct] = [:]
  private let zeros: Buffer

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
    let tiles = rows.count * columns.count
    inputPlane = tiles * geometry.inputs + 16
    outputPlane = tiles * geometry.outputs + 16
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
    _ x: UnsafePointer<Float>, packed: Buffer, bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>
  ) throws {
    let product = try forwardProduct ?? product(geometry.inputs, geometry.outputs, inputPlane, outputPlane)
    forwardProduct = product
    let transformed = transformedInput(x, channels: geometry.inputs, plane: inputPlane)
    let result = Buffer(count: 36 * outputPlane)
    try product.execute(transformed.data, packed.data, result.data)
    writeOutput(result.data, channels: geometry.outputs, plane: outputPlane, bias: bias, into: y)
  }

  package func backwardData(_ dy: UnsafePointer<Float>, packed: Buffer, into dx: UnsafeMutablePointer<Float>) throws {
    let product = try backwardProduct ?? product(geometry.outputs, geometry.inputs, outputPlane, inputPlane)
    backwardProduct = product
    let transformed = transformedInput(dy, channels: geometry.outputs, plane: outputPlane)
    let result = Buffer(count: 36 * inputPlane)
    try product.execute(transformed.data, packed.data, result.data)
    writeOutput(result.data, channels: geometry.inputs, plane: inputPlane, bias: nil, into: dx)
  }

  private func product(_ k: Int, _ n: Int, _ aPlane: Int, _ cPlane: Int) throws -> MatrixProduct {
    try MatrixProduct(batch: 36, m: tiles, k: k, n: n, strides: (aPlane, k * n, cPlane))
  }

  // MARK: Backward to the weights

  /// Layout: 9 taps × inputs × outputs.
  package func weightGradient(_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>) throws -> Buffer {
    let (inputs, outputs) = (geometry.inputs, geometry.outputs)
    let a = transformedInput(x, channels: inputs, plane: inputPlane)
    let b = transformedGradient(dy)
    let gradient = Buffer(count: 9 * inputs * outputs)
    // In blocks of input channels whose 36 products stay in the cache until they are transformed back.
    let block = max(32, (1 << 20) / (36 * outputs) / 16 * 16)
    let products = Buffer(count: 36 * min(block, inputs) * outputs)
    for start in stride(from: 0, to: inputs, by: block) {
      let count = min(block, inputs - start)
      let product =
        try weightProducts[count]
        ?? MatrixProduct(
          batch: 36, m: count, k: tiles, n: outputs, transposed: true, aRow: inputs,
          strides: (inputPlane, outputPlane, count * outputs))
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

  // MARK: Transforms

  /// Bᵀ d B of every tile: 36 planes of tiles × channels.
  private func transformedInput(_ x: UnsafePointer<Float>, channels: Int, plane: Int) -> Buffer {
    let result = Buffer(count: 36 * plane)
    let (height, width, dilation) = (geometry.height, geometry.width, geometry.dilation)
    let (rows, columns) = (self.rows, self.columns)
    let zeros = UnsafePointer(self.zeros.data)
    parallelFor(rows.count) { row in
      withScratch(of: UnsafePointer<Float>.self, count: 36) { at in
        withScratch(of: Float.self, count: 36 * 16) { scratch in
          for column in columns.indices {
            for i in 0..<36 {
              let y = rows[row].first + i / 6 * dilation, x0 = columns[column].first + i % 6 * dilation
              let inside = y >= 0 && y < height && x0 >= 0 && x0 < width
              at[i] = inside ? x + (y * width + x0) * channels : zeros
            }
            let to = result.data + (row * columns.count + column) * channels
            for c in stride(from: 0, to: channels, by: 16) {
              for j in 0..<6 {
                let d: W.Six = (
                  W.load(at[j] + c), W.load(at[6 + j] + c), W.load(at[12 + j] + c), W.load(at[18 + j] + c),
                  W.load(at[24 + j] + c), W.load(at[30 + j] + c)
                )
                W.storeSix(W.input(d), scratch + j * 16, 6 * 16)
              }
              for i in 0..<6 {
                W.storeSix(W.input(W.loadSix(scratch + i * 6 * 16, 16)), to + i * 6 * plane + c, plane)
              }
            }
          }
        }
      }
    }
    return result
  }

  /// Aᵀ m A of every tile, plus the bias, into the map.
  private func writeOutput(
    _ from: UnsafePointer<Float>, channels: Int, plane: Int, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) {
    let (height, width, dilation) = (geometry.height, geometry.width, geometry.dilation)
    let (rows, columns) = (self.rows, self.columns)
    let bias = bias ?? UnsafePointer(zeros.data)
    parallelFor(rows.count) { row in
      withScratch(of: Float.self, count: 24 * 16) { scratch in
        for column in columns.indices {
          let source = from + (row * columns.count + column) * channels
          for c in stride(from: 0, to: channels, by: 16) {
            for j in 0..<6 {
              let v = W.output(W.loadSix(source + j * plane + c, 6 * plane))
              W.store(v.0, scratch + j * 16)
              W.store(v.1, scratch + (6 + j) * 16)
              W.store(v.2, scratch + (12 + j) * 16)
              W.store(v.3, scratch + (18 + j) * 16)
            }
            let offset = (bias + c).withMemoryRebound(to: Float.self, capacity: 16) {
              UnsafeRawPointer($0).loadUnaligned(as: W.Lanes.self)
            }
            for i in 0..<4 {
              let oy = rows[row].first + (i + 1) * dilation
              guard oy < height else { break }
              let v = W.output(W.loadSix(scratch + i * 6 * 16, 16))
              var ox = columns[column].first + dilation
              var to = y + (oy * width + ox) * channels + c
              W.store(v.0 + offset, to)
              ox += dilation
              to += dilation * channels
              guard ox < width else { continue }
              W.store(v.1 + offset, to)
              ox += dilation
              to += dilation * channels
              guard ox < width else { continue }
              W.store(v.2 + offset, to)
              ox += dilation
              to += dilation * channels
              guard ox < width else { continue }
              W.store(v.3 + offset, to)
            }
          }
        }
      }
    }
  }

  /// A dy Aᵀ of every tile: 36 planes of tiles × outputs.
  private func transformedGradient(_ dy: UnsafePointer<Float>) -> Buffer {
    let (channels, plane) = (geometry.outputs, outputPlane)
    let result = Buffer(count: 36 * plane)
    let (height, width, dilation) = (geometry.height, geometry.width, geometry.dilation)
    let (rows, columns) = (self.rows, self.columns)
    let zeros = UnsafePointer(self.zeros.data)
    parallelFor(rows.count) { row in
      withScratch(of: UnsafePointer<Float>.self, count: 16) { at in
        withScratch(of: Float.self, count: 24 * 16) { scratch in
          for column in columns.indices {
            for i in 0..<16 {
              let y = rows[row].first + (i / 4 + 1) * dilation, x = columns[column].first + (i % 4 + 1) * dilation
              at[i] = y < height && x < width ? dy + (y * width + x) * channels : zeros
            }
            let to = result.data + (row * columns.count + column) * channels
            for c in stride(from: 0, to: channels, by: 16) {
              for j in 0..<4 {
                let d: W.Four = (
                  W.load(at[j] + c), W.load(at[4 + j] + c), W.load(at[8 + j] + c), W.load(at[12 + j] + c)
                )
                W.storeSix(W.outputAdjoint(d), scratch + j * 16, 4 * 16)
              }
              for i in 0..<6 {
                let line = UnsafePointer(scratch + i * 4 * 16)
                let d: W.Four = (W.load(line), W.load(line + 16), W.load(line + 32), W.load(line + 48))
                W.storeSix(W.outputAdjoint(d), to + i * 6 * plane + c, plane)
              }
            }
          }
        }
      }
    }
    return result
  }

  /// G g Gᵀ of every filter: 36 planes of rows × columns.
  ///
  /// - Parameter filter: where the 3×3 filter of a row and a column lies, how far it is to that of the next column, and
  ///   whether it is to be turned by half a turn.
  private func transformedFilters(
    rows: Int, columns: Int,
    _ filter: (_ row: Int, _ column: Int) -> (first: UnsafePointer<Float>, stride: Int, turned: Bool)
  ) -> Buffer {
    let plane = rows * columns
    let result = Buffer(count: 36 * plane)
    withoutActuallyEscaping(filter) { filter in
      // Neighbouring rows share cache lines of OIHW.
      parallelRanges(rows, grain: 16) { range in
        withScratch(of: Float.self, count: 16 * 9 * 16 + 18 * 16) { scratch in
          let half = scratch + 16 * 9 * 16
          for column in stride(from: 0, to: columns, by: 16) {
            for row in range {
              let (first, stride, turned) = filter(row, column)
              for lane in 0..<16 {
                let from = first + lane * stride
                for tap in 0..<9 { scratch[tap * 16 + lane] = from[turned ? 8 - tap : tap] }
              }
              for j in 0..<3 {
                let g: W.Three = (
                  W.load(scratch + j * 16), W.load(scratch + (3 + j) * 16), W.load(scratch + (6 + j) * 16)
                )
                W.storeSix(W.filter(g), half + j * 16, 3 * 16)
              }
              let to = result.data + row * columns + column
              for i in 0..<6 {
                let line = UnsafePointer(half + i * 3 * 16)
                let g: W.Three = (W.load(line), W.load(line + 16), W.load(line + 32))
                W.storeSix(W.filter(g), to + i * 6 * plane, plane)
              }
            }
          }
        }
      }
    }
    return result
  }
}
