import Compute

/// A 3×3 convolution of stride 1 whose dilation is large for its map, as a sum of matrix products, one for each tap,
/// over the pixels where the tap meets the map: taps outside cost nothing. With a dilation of at least the map's size
/// the centre alone is left, a 1×1 convolution.
///
/// Taps that reach only a few pixels, at an edge or a corner of the map, are multiplied for all samples at once:
/// reading a matrix costs more than multiplying it with so few rows.
package final class TapConvolution: ConvolutionMethod {
  private let geometry: ConvolutionGeometry
  private let taps: [Tap]
  /// Places among the taps of those with few pixels.
  private let panels: Range<Int>
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

  /// What one tap adds to the result: the product of the source's pixels and the tap's matrix.
  private struct Term {
    let tap: Tap
    /// k × n, or in panels.
    let matrix: UnsafePointer<Float>
    let k: Int
    let n: Int
    /// How far the tap's pixels are moved in the source, and in the result.
    let sourceShift: (y: Int, x: Int)
    let targetShift: (y: Int, x: Int)
  }

  package init(_ geometry: ConvolutionGeometry) {
    self.geometry = geometry
    func valid(_ size: Int, _ shift: Int) -> Range<Int> {
      let low = max(0, -shift), high = min(size, size - shift)
      return low..<max(low, high)
    }
    // The centre first: it covers the whole map and so sets what the others add to.
    let all = [4, 0, 1, 2, 3, 5, 6, 7, 8].compactMap { number -> Tap? in
      let shift = (y: (number / 3 - 1) * geometry.dilation, x: (number % 3 - 1) * geometry.dilation)
      let tap = Tap(
        number: number, rows: valid(geometry.height, shift.y), columns: valid(geometry.width, shift.x), shift: shift)
      return tap.pixels > 0 ? tap : nil
    }
    let takesPanels = geometry.inputs % PanelProduct.columns == 0 && geometry.outputs % PanelProduct.columns == 0
    func isFew(_ tap: Tap) -> Bool { takesPanels && tap.number != 4 && tap.pixels <= 32 }
    let few = all.filter(isFew)
    taps = all.filter { !isFew($0) } + few
    panels = taps.count - few.count..<taps.count
  }

  // MARK: Forward and backward to the input

  // The map decides which taps are packed, and which of them in panels.
  package var forwardLayout: UInt64 {
    taps.enumerated().reduce(1 << 32) {
      $0 | (panels.contains($1.offset) ? 1 << 16 | 1 : 1) << UInt64($1.element.number)
    }
  }
  package var backwardLayout: UInt64 { forwardLayout | 1 << 33 }

  package func packForward(_ oihw: UnsafePointer<Float>) -> Buffer {
    TapWeights.pack(
      oihw, inputs: geometry.inputs, outputs: geometry.outputs, taps: taps.map(\.number), panels: panels)
  }

  package func packBackward(_ oihw: UnsafePointer<Float>) -> Buffer {
    TapWeights.packTransposed(
      oihw, inputs: geometry.inputs, outputs: geometry.outputs, taps: taps.map(\.number), panels: panels)
  }

  package func forward(
    _ x: UnsafePointer<Float>, samples: Int, packed: Buffer, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) throws {
    let (k, n) = (geometry.inputs, geometry.outputs)
    func term(_ place: Int) -> Term {
      Term(
        tap: taps[place], matrix: packed.data + place * k * n, k: k, n: n, sourceShift: taps[place].shift,
        targetShift: (0, 0))
    }
    for place in 0..<panels.lowerBound {
      for sample in 0..<samples {
        try add(
          term(place), of: x + sample * geometry.inputFloats, &forwardProducts,
          to: y + sample * geometry.outputFloats)
      }
    }
    for place in panels { addToAll(term(place), of: x, samples, to: y) }
    guard let bias else { return }
    parallelRanges(samples * geometry.outPixels, grain: 1 << 8) { range in
      var to = y + range.lowerBound * n
      for _ in range {
        for c in 0..<n { to[c] += bias[c] }
        to += n
      }
    }
  }

  package func backwardData(
    _ dy: UnsafePointer<Float>, samples: Int, packed: Buffer, into dx: UnsafeMutablePointer<Float>
  ) throws {
    let (k, n) = (geometry.outputs, geometry.inputs)
    func term(_ place: Int) -> Term {
      Term(
        tap: taps[place], matrix: packed.data + place * k * n, k: k, n: n, sourceShift: (0, 0),
        targetShift: taps[place].shift)
    }
    for place in 0..<panels.lowerBound {
      for sample in 0..<samples {
        try add(
          term(place), of: dy + sample * geometry.outputFloats, &backwardProducts,
          to: dx + sample * geometry.inputFloats)
      }
    }
    for place in panels { addToAll(term(place), of: dy, samples, to: dx) }
  }

  /// Adds a term of one sample's map to the sample's result; the term of the centre sets it.
  private func add(
    _ term: Term, of source: UnsafePointer<Float>, _ products: inout [Int: MatrixProduct],
    to target: UnsafeMutablePointer<Float>
  ) throws {
    let (tap, k, n, at) = (term.tap, term.k, term.n, term.targetShift)
    let product =
      try products[tap.pixels]
      ?? MatrixProduct((tap.pixels, k, n), batch: 1, strides: (tap.pixels * k, k * n, tap.pixels * n))
    products[tap.pixels] = product
    let (gathered, pixels) = inOrder(source, tap, term.sourceShift, channels: k)
    if tap.number == 4 { return try product.execute(pixels, term.matrix, target) }
    let result = Buffer(count: tap.pixels * n)
    try product.execute(pixels, term.matrix, result.data)
    withExtendedLifetime(gathered) {}
    parallelFor(tap.rows.count) { row in
      let to = target + start(tap, row, at) * n
      let from = UnsafePointer(result.data + row * tap.columns.count * n)
      for i in 0..<tap.columns.count * n { to[i] += from[i] }
    }
  }

  /// The same for the maps of all samples at once, for a term whose matrix lies in panels.
  private func addToAll(
    _ term: Term, of source: UnsafePointer<Float>, _ samples: Int, to target: UnsafeMutablePointer<Float>
  ) {
    let (tap, k, n, at) = (term.tap, term.k, term.n, term.targetShift)
    let pixels = geometry.height * geometry.width
    let lines = Buffer(count: PanelProduct.padded(rows: samples * tap.pixels) * k)
    (lines.data + samples * tap.pixels * k).update(repeating: 0, count: lines.count - samples * tap.pixels * k)
    for sample in 0..<samples {
      gather(
        source + sample * pixels * k, tap, term.sourceShift, channels: k, into: lines.data + sample * tap.pixels * k)
    }
    PanelProduct.multiply(lines.data, rows: samples * tap.pixels, k: k, term.matrix, n: n) { line, column, value in
      let (sample, pixel) = line.quotientAndRemainder(dividingBy: tap.pixels)
      let (row, place) = pixel.quotientAndRemainder(dividingBy: tap.columns.count)
      let to = target + (sample * pixels + start(tap, row, at) + place) * n + column
      for i in 0..<PanelProduct.columns { to[i] += value[i] }
    }
  }

  /// The pixel at which a row of the tap's begins, moved by `shift`.
  private func start(_ tap: Tap, _ row: Int, _ shift: (y: Int, x: Int)) -> Int {
    (tap.rows.lowerBound + row + shift.y) * geometry.width + tap.columns.lowerBound + shift.x
  }

  /// Copies the tap's pixels of a map, moved by `shift`, one after the other.
  private func gather(
    _ map: UnsafePointer<Float>, _ tap: Tap, _ shift: (y: Int, x: Int), channels: Int,
    into result: UnsafeMutablePointer<Float>
  ) {
    let length = tap.columns.count * channels
    func copy(_ row: Int) {
      (result + row * length).update(from: map + start(tap, row, shift) * channels, count: length)
    }
    // Waking threads takes longer than copying a few pixels.
    if tap.pixels * channels < 1 << 15 { (0..<tap.rows.count).forEach(copy) } else { parallelFor(tap.rows.count, copy) }
  }

  /// The tap's pixels one after the other: a copy, or the map itself where they lie so already.
  private func inOrder(
    _ map: UnsafePointer<Float>, _ tap: Tap, _ shift: (y: Int, x: Int), channels: Int
  ) -> (Buffer?, UnsafePointer<Float>) {
    if tap.columns.count == geometry.width { return (nil, map + start(tap, 0, shift) * channels) }
    let result = Buffer(count: tap.pixels * channels)
    gather(map, tap, shift, channels: channels, into: result.data)
    return (result, UnsafePointer(result.data))
  }

  // MARK: Backward to the weights

  package var samplesTogether: Int { geometry.samplesTogether }

  /// Layout: taps that meet the map × inputs × outputs. The samples' pixels are summed over as if they were one map's.
  package func weightGradient(_ samples: [ConvolutionSample]) throws -> Buffer {
    let (inputs, outputs) = (geometry.inputs, geometry.outputs)
    let gradient = Buffer(count: taps.count * inputs * outputs)
    for (place, tap) in taps.enumerated() {
      let pixels = samples.count * tap.pixels
      let product =
        try weightProducts[pixels]
        ?? MatrixProduct(
          (inputs, pixels, outputs), batch: 1, transposed: true,
          strides: (pixels * inputs, pixels * outputs, inputs * outputs))
      weightProducts[pixels] = product
      let (a, x) = inOrder(samples.map(\.x), tap, tap.shift, channels: inputs)
      let (b, dy) = inOrder(samples.map(\.dy), tap, (0, 0), channels: outputs)
      try product.execute(x, dy, gradient.data + place * inputs * outputs)
      withExtendedLifetime((a, b)) {}
    }
    return gradient
  }

  /// The tap's pixels of some samples one after the other.
  private func inOrder(
    _ maps: [UnsafePointer<Float>], _ tap: Tap, _ shift: (y: Int, x: Int), channels: Int
  ) -> (Buffer?, UnsafePointer<Float>) {
    if maps.count == 1 { return inOrder(maps[0], tap, shift, channels: channels) }
    let result = Buffer(count: maps.count * tap.pixels * channels)
    for (i, map) in maps.enumerated() {
      gather(map, tap, shift, channels: channels, into: result.data + i * tap.pixels * channels)
    }
    return (result, UnsafePointer(result.data))
  }

  package func unpackGradient(_ gradient: Buffer, into oihw: UnsafeMutablePointer<Float>) {
    TapWeights.unpack(
      gradient.data, inputs: geometry.inputs, outputs: geometry.outputs, taps: taps.map(\.number), into: oihw)
  }
}
