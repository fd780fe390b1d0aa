import Compute

/// A 3×3 convolution of stride 1 whose dilation is large for its map, as a sum of matrix products, one for each tap, over
/// the pixels where the tap meets the map: what falls outside costs nothing. With a dilation of at least the map's size
/// only the centre is left, a 1×1 convolution.
package final class TapConvolution: ConvolutionMethod {
  private let geometry: ConvolutionGeometry
  private let taps: [Tap]
  private var forwardProducts: [Int: MatrixProduct] = [:]
  private var backwardProducts: [Int: MatrixProduct] = [:]
  private var weightProducts: [Int: MatrixProduct] = [:]

  /// One tap: output pixels `rows` × `columns` see the input `shift` further down and right.
  private struct Tap {
    let number: Int
    let rows: Range<Int>
    let columns: Range<Int>
    let shift: (y: Int, x: Int)
    var pixels: Int { rows.count * columns.count }
  }

  package init(_ geometry: ConvolutionGeometry) {
    self.geometry = geometry
    func valid(_ size: Int, _ shift: Int) -> Range<Int> {
      let low = max(0, -shift), high = min(size, size - shift)
      return low..<max(low, high)
    }
    // The centre first: it covers the whole map and so sets what the others add to.
    taps = [4, 0, 1, 2, 3, 5, 6, 7, 8].compactMap { number in
      let shift = (y: (number / 3 - 1) * geometry.dilation, x: (number % 3 - 1) * geometry.dilation)
      let tap = Tap(
        number: number, rows: valid(geometry.height, shift.y), columns: valid(geometry.width, shift.x), shift: shift)
      return tap.pixels > 0 ? tap : nil
    }
  }

  // MARK: Forward and backward to the input

  // Which taps are packed depends on the map.
  package var forwardLayout: UInt64 { taps.reduce(1 << 10) { $0 | 1 << UInt64($1.number) } }
  package var backwardLayout: UInt64 { forwardLayout | 1 << 11 }

  package func packForward(_ oihw: UnsafePointer<Float>) -> Buffer {
    TapWeights.pack(oihw, inputs: geometry.inputs, outputs: geometry.outputs, taps: taps.map(\.number))
  }

  package func packBackward(_ oihw: UnsafePointer<Float>) -> Buffer {
    TapWeights.packTransposed(
      oihw, inputs: geometry.inputs, outputs: geometry.outputs, taps: taps.map(\.number))
  }

  package func forward(
    _ x: UnsafePointer<Float>, packed: Buffer, bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>
  ) throws {
    let (k, n) = (geometry.inputs, geometry.outputs)
    for (place, tap) in taps.enumerated() {
      try multiply(x, tap, from: tap.shift, packed.data + place * k * n, k, n, &forwardProducts, into: y, at: (0, 0))
    }
    guard let bias else { return }
    parallelRanges(geometry.outPixels, grain: 1 << 8) { range in
      var to = y + range.lowerBound * n
      for _ in range {
        for c in 0..<n { to[c] += bias[c] }
        to += n
      }
    }
  }

  package func backwardData(_ dy: UnsafePointer<Float>, packed: Buffer, into dx: UnsafeMutablePointer<Float>) throws {
    let (k, n) = (geometry.outputs, geometry.inputs)
    for (place, tap) in taps.enumerated() {
      try multiply(
        dy, tap, from: (0, 0), packed.data + place * k * n, k, n, &backwardProducts, into: dx, at: tap.shift)
    }
  }

  /// Adds to `target` at the tap's pixels, moved by `at`, the product of `source`'s pixels, moved by `from`, and the tap's
  /// matrix; the centre sets.
  private func multiply(
    _ source: UnsafePointer<Float>, _ tap: Tap, from: (y: Int, x: Int), _ matrix: UnsafePointer<Float>, _ k: Int,
    _ n: Int,
    _ products: inout [Int: MatrixProduct], into target: UnsafeMutablePointer<Float>, at: (y: Int, x: Int)
  ) throws {
    let product =
      try products[tap.pixels]
      ?? MatrixProduct(batch: 1, m: tap.pixels, k: k, n: n, strides: (tap.pixels * k, k * n, tap.pixels * n))
    products[tap.pixels] = product
    let (gathered, pixels) = gather(source, tap, from, channels: k)
    if tap.number == 4 { return try product.execute(pixels, matrix, target) }
    let result = Buffer(count: tap.pixels * n)
    try product.execute(pixels, matrix, result.data)
    withExtendedLifetime(gathered) {}
    let width = geometry.width
    parallelFor(tap.rows.count) { row in
      let to = target + ((tap.rows.lowerBound + row + at.y) * width + tap.columns.lowerBound + at.x) * n
      let from = UnsafePointer(result.data + row * tap.columns.count * n)
      for i in 0..<tap.columns.count * n { to[i] += from[i] }
    }
  }

  /// The tap's pixels of a map, moved by `shift`, one after the other; in place where they are already.
  private func gather(
    _ map: UnsafePointer<Float>, _ tap: Tap, _ shift: (y: Int, x: Int), channels: Int
  ) -> (Buffer?, UnsafePointer<Float>) {
    let width = geometry.width
    let first = map + ((tap.rows.lowerBound + shift.y) * width + tap.columns.lowerBound + shift.x) * channels
    if tap.columns.count == width { return (nil, first) }
    let length = tap.columns.count * channels
    let result = Buffer(count: tap.rows.count * length)
    parallelFor(tap.rows.count) { row in
      (result.data + row * length).update(from: first + row * width * channels, count: length)
    }
    return (result, UnsafePointer(result.data))
  }

  // MARK: Backward to the weights

  /// Layout: taps that meet the map × inputs × outputs.
  package func weightGradient(_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>) throws -> Buffer {
    let (inputs, outputs) = (geometry.inputs, geometry.outputs)
    let gradient = Buffer(count: taps.count * inputs * outputs)
    for (place, tap) in taps.enumerated() {
      let product =
        try weightProducts[tap.pixels]
        ?? MatrixProduct(
          batch: 1, m: inputs, k: tap.pixels, n: outputs, transposed: true,
          strides: (tap.pixels * inputs, tap.pixels * outputs, inputs * outputs))
      weightProducts[tap.pixels] = product
      let (a, source) = gather(x, tap, tap.shift, channels: inputs)
      let (b, result) = gather(dy, tap, (0, 0), channels: outputs)
      try product.execute(source, result, gradient.data + place * inputs * outputs)
      withExtendedLifetime((a, b)) {}
    }
    return gradient
  }

  package func unpackGradient(_ gradient: Buffer, into oihw: UnsafeMutablePointer<Float>) {
    TapWeights.unpack(
      gradient.data, inputs: geometry.inputs, outputs: geometry.outputs, taps: taps.map(\.number), into: oihw)
  }
}
