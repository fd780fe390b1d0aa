import Compute
import Network
import XCTest

/// Winograd's method and sums over taps against the definition in double precision, on maps as the network has them.
final class ConvolutionMethodTests: XCTestCase {
  private static func geometry(
    _ inputs: Int, _ outputs: Int, _ height: Int, _ width: Int, dilation: Int, bias: Bool = false
  ) -> ConvolutionGeometry {
    ConvolutionGeometry(
      .init(inputs, outputs, kernel: 3, dilation: dilation, bias: bias), height: height, width: width)
  }

  /// Numbers of unit variance, the same everywhere.
  private static func noise(_ count: Int, seed: UInt64) -> [Float] {
    let philox = Philox(seed: seed)
    return (0..<count).map { i in
      let words = philox.words(counter: SIMD4(UInt32(i), 0, 0, 0))
      return Float((words[0].unitInterval + words[1].unitInterval - 1) * 2.449)
    }
  }

  /// The root mean square of the difference over that of the expected numbers, and the greatest difference over it.
  private func error(_ found: [Float], _ expected: [Double]) -> (typical: Double, greatest: Double) {
    var squares = 0.0, differences = 0.0, greatest = 0.0
    for (f, e) in zip(found, expected) {
      squares += e * e
      differences += (Double(f) - e) * (Double(f) - e)
      greatest = max(greatest, abs(Double(f) - e))
    }
    let size = (squares / Double(expected.count)).squareRoot()
    return ((differences / Double(expected.count)).squareRoot() / size, greatest / size)
  }

  /// Runs a method forward and backward and compares with plain loops over taps.
  private func check(
    _ method: any ConvolutionMethod, _ g: ConvolutionGeometry, typical: Double, greatest: Double,
    file: StaticString = #filePath, line: UInt = #line
  ) throws {
    let (I, O, H, W) = (g.inputs, g.outputs, g.height, g.width)
    let x = Self.noise(H * W * I, seed: 1).map { max($0, 0) }
    let w = Self.noise(O * I * 9, seed: 2), b = Self.noise(O, seed: 3), dy = Self.noise(H * W * O, seed: 4)
    var y = [Double](repeating: 0, count: H * W * O), dx = [Double](repeating: 0, count: H * W * I)
    var dw = [Double](repeating: 0, count: O * I * 9)
    // Turned so that the inner loops run over memory: 9 × inputs × outputs.
    var turned = [Double](repeating: 0, count: 9 * I * O), gradient = turned
    for o in 0..<O {
      for i in 0..<I { for tap in 0..<9 { turned[(tap * I + i) * O + o] = Double(w[(o * I + i) * 9 + tap]) } }
    }
    let wide = dy.map(Double.init)
    for oy in 0..<H {
      for ox in 0..<W {
        let at = (oy * W + ox) * O
        if g.bias { for o in 0..<O { y[at + o] = Double(b[o]) } }
        for tap in 0..<9 {
          let iy = oy + (tap / 3 - 1) * g.dilation, ix = ox + (tap % 3 - 1) * g.dilation
          guard iy >= 0, iy < H, ix >= 0, ix < W else { continue }
          for i in 0..<I {
            let value = Double(x[(iy * W + ix) * I + i]), row = (tap * I + i) * O
            var sum = 0.0
            for o in 0..<O {
              y[at + o] += value * turned[row + o]
              gradient[row + o] += value * wide[at + o]
              sum += wide[at + o] * turned[row + o]
            }
            dx[(iy * W + ix) * I + i] += sum
          }
        }
      }
    }
    for o in 0..<O {
      for i in 0..<I { for tap in 0..<9 { dw[(o * I + i) * 9 + tap] = gradient[(tap * I + i) * O + o] } }
    }

    func aligned(_ values: [Float]) -> Buffer {
      let buffer = Buffer(count: values.count)
      buffer.data.update(from: values, count: values.count)
      return buffer
    }
    func numbers(_ buffer: Buffer) -> [Float] { Array(UnsafeBufferPointer(start: buffer.data, count: buffer.count)) }
    let (input, output, bias) = (aligned(x), aligned(dy), aligned(b))
    let result = Buffer(count: H * W * O), back = Buffer(count: H * W * I), weights = Buffer(count: O * I * 9)
    // What is left unwritten must not pass.
    for buffer in [result, back, weights] { buffer.data.update(repeating: .nan, count: buffer.count) }
    try method.forward(
      input.data, samples: 1, packed: method.packForward(w), bias: g.bias ? bias.data : nil, into: result.data)
    try method.backwardData(output.data, samples: 1, packed: method.packBackward(w), into: back.data)
    try method.unpackGradient(
      method.weightGradient([ConvolutionSample(x: input.data, dy: output.data)]), into: weights.data)
    for (name, found, expected) in [("y", result, y), ("dx", back, dx), ("dw", weights, dw)] {
      let e = error(numbers(found), expected)
      XCTAssertLessThan(e.typical, typical, "\(g.description) \(name)", file: file, line: line)
      XCTAssertLessThan(e.greatest, greatest, "\(g.description) \(name)", file: file, line: line)
    }
  }

  /// Odd sizes, dilations whose grids do not divide the map, more outputs than inputs and the other way round.
  func testWinograd() throws {
    for (inputs, outputs, height, width, dilation) in [
      (128, 128, 33, 33, 1), (128, 144, 33, 29, 2), (144, 128, 33, 33, 4), (128, 128, 25, 37, 1),
    ] {
      let g = Self.geometry(inputs, outputs, height, width, dilation: dilation, bias: dilation == 1)
      XCTAssertTrue(WinogradConvolution.pays(g), g.description)
      // Direct sums in single precision: 2e-7 and 1e-6.
      try check(WinogradConvolution(g), g, typical: 2e-6, greatest: 3e-5)
    }
  }

  /// More tiles than are summed in one go, odd sizes, a dilation.
  func testWinogradByTiles() throws {
    for (inputs, outputs, height, width, dilation) in [
      (64, 64, 33, 33, 1), (64, 80, 17, 23, 1), (80, 64, 97, 95, 1), (64, 64, 33, 29, 2),
    ] {
      let g = Self.geometry(inputs, outputs, height, width, dilation: dilation, bias: inputs == 80)
      XCTAssertTrue(TileWinogradConvolution.pays(g), g.description)
      try check(TileWinogradConvolution(g), g, typical: 2e-6, greatest: 3e-5)
    }
  }

  func testTaps() throws {
    for (inputs, outputs, height, width, dilation) in [
      (64, 80, 33, 33, 12), (80, 64, 17, 23, 12), (64, 64, 33, 33, 36), (64, 64, 20, 9, 10), (64, 80, 9, 9, 8),
      (64, 64, 5, 5, 6),
      // No panels of 16 columns.
      (72, 64, 9, 9, 8),
    ] {
      let g = Self.geometry(inputs, outputs, height, width, dilation: dilation, bias: dilation == 12)
      XCTAssertLessThan(g.tapsInside, 0.65)
      try check(TapConvolution(g), g, typical: 5e-7, greatest: 5e-6)
    }
  }

  /// A sample's output and gradient have the same bits beside any others; the gradient of the weights by several is the sum
  /// of theirs, the same again and again.
  func testSamplesBesideEachOther() throws {
    for (inputs, outputs, size, dilation) in [
      (64, 80, 9, 8), (64, 64, 33, 12), (128, 128, 33, 1), (128, 128, 9, 1), (64, 80, 17, 1),
    ] {
      let g = Self.geometry(inputs, outputs, size, size, dilation: dilation)
      let method = try g.method(), count = 4
      func buffer(_ count: Int, _ seed: UInt64) -> Buffer {
        let buffer = Buffer(count: count)
        buffer.data.update(from: Self.noise(count, seed: seed), count: count)
        return buffer
      }
      func numbers(_ data: UnsafePointer<Float>, _ count: Int) -> [Float] {
        Array(UnsafeBufferPointer(start: data, count: count))
      }
      let (mapIn, mapOut) = (size * size * inputs, size * size * outputs)
      let x = buffer(count * mapIn, 1), dy = buffer(count * mapOut, 2), w = Self.noise(9 * inputs * outputs, seed: 3)
      let packed = try (method.packForward(w), method.packBackward(w))
      func pass(_ samples: Range<Int>) throws -> (y: [Float], dx: [Float]) {
        let y = Buffer(count: samples.count * mapOut), dx = Buffer(count: samples.count * mapIn)
        try method.forward(
          x.data + samples.lowerBound * mapIn, samples: samples.count, packed: packed.0, bias: nil, into: y.data)
        try method.backwardData(
          dy.data + samples.lowerBound * mapOut, samples: samples.count, packed: packed.1, into: dx.data)
        return (numbers(y.data, y.count), numbers(dx.data, dx.count))
      }
      func gradient(_ samples: Range<Int>) throws -> [Float] {
        let result = Buffer(count: 9 * inputs * outputs)
        try method.unpackGradient(
          method.weightGradient(
            samples.map { ConvolutionSample(x: x.data + $0 * mapIn, dy: dy.data + $0 * mapOut) }), into: result.data)
        return numbers(result.data, result.count)
      }
      let all = try pass(0..<count), first = try pass(0..<2), second = try pass(2..<count)
      XCTAssertEqual(all.y, first.y + second.y, g.description)
      XCTAssertEqual(all.dx, first.dx + second.dx, g.description)
      XCTAssertEqual(all.y, try (0..<count).flatMap { try pass($0..<$0 + 1).y }, g.description)
      XCTAssertEqual(all.dx, try (0..<count).flatMap { try pass($0..<$0 + 1).dx }, g.description)

      let together = min(method.samplesTogether, count)
      let sum = try gradient(0..<together), alone = try (0..<together).map { try gradient($0..<$0 + 1) }
      let expected = sum.indices.map { i in alone.reduce(0.0) { $0 + Double($1[i]) } }
      XCTAssertLessThan(error(sum, expected).greatest, 3e-5, g.description)
      XCTAssertEqual(sum, try gradient(0..<together), g.description)
    }
    XCTAssertGreaterThan(try Self.geometry(64, 80, 9, 9, dilation: 8).method().samplesTogether, 1)
    XCTAssertGreaterThan(try Self.geometry(128, 128, 9, 9, dilation: 1).method().samplesTogether, 1)
  }

  /// Whatever method computes it, a layer of the published network on the published crops.
  func testMethodsOfTheNetwork() {
    func name(_ inputs: Int, _ outputs: Int, _ size: Int, _ dilation: Int) -> String {
      Self.geometry(inputs, outputs, size, size, dilation: dilation).methodName
    }
    XCTAssertEqual(name(256, 256, 33, 2), "winograd")
    XCTAssertEqual(name(512, 256, 65, 1), "winograd")
    XCTAssertEqual(name(2048, 256, 33, 36), "taps")
    XCTAssertEqual(name(2048, 256, 33, 12), "taps")
    XCTAssertEqual(name(64, 64, 129, 1), "winograd")
    XCTAssertEqual(name(128, 64, 17, 1), "winograd")
    // Too few tiles, too few channels.
    XCTAssertEqual(name(256, 256, 9, 1), "direct")
    XCTAssertEqual(name(32, 64, 129, 1), "direct")
  }

  /// Whole images come in many sizes, and which taps meet the map depends on the size: packed weights of one are not
  /// another's.
  func testMapsOfManySizesWithOneLayer() throws {
    func layer() -> (Convolution, Parameters) {
      let parameters = Parameters(trainable: false)
      let layer = Convolution(parameters, "layer", .init(64, 64, kernel: 3, dilation: 6))
      _ = GradientCheck("sizes", parameters)
      return (layer, parameters)
    }
    let shared = layer()
    for (height, width) in [(9, 9), (5, 5), (9, 5), (5, 9), (9, 9), (29, 29), (7, 7)] {
      let x = GradientCheck.map("x", count: 1, height: height, width: width, channels: 64).tensor
      let alone = layer()
      XCTAssertEqual(
        Map(try shared.0.forward(x, .evaluation(samples: 1))).values,
        Map(try alone.0.forward(x, .evaluation(samples: 1))).values, "\(height)×\(width)")
    }
  }
}
