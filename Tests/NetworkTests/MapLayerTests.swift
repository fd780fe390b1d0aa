import Compute
import Network
import TestSupport
import XCTest

/// Layers without parameters: pooling, resizing, joining, dropout.
final class MapLayerTests: XCTestCase {
  private let pass = Pass.training(labeled: 1, unlabeled: 1)

  func testMaxPool() throws {
    for (height, width) in [(1, 1), (2, 3), (4, 4), (5, 5), (7, 8), (8, 7), (12, 9)] {
      let layer = MaxPool()
      let x = GradientCheck.map("x", count: 2, height: height, width: width, channels: 5)
      try GradientCheck("max-pool \(height)×\(width)").run([x]) { x in
        [layer.forward(x[0], pass)]
      } backward: { dy in
        [layer.backward(dy[0])]
      } reference: { x, _ in
        [Plain.maxPool(x[0])]
      }
      let unrecorded = Map(layer.forward(x.tensor, .evaluation(samples: 2)))
      XCTAssertEqual(unrecorded.values, Plain.maxPool(x).values)
    }
    XCTAssertEqual([1, 2, 3, 4, 5, 33, 48, 129].map(MaxPool.outputSize), [1, 2, 2, 3, 3, 17, 25, 65])
  }

  /// Among equals the first in row-major order gets the gradient, as in PyTorch.
  func testMaxPoolOfEquals() {
    let layer = MaxPool()
    let x = Map(count: 1, height: 4, width: 4, channels: 1, values: [Double](repeating: 2, count: 16))
    let y = layer.forward(x.tensor, pass)
    let dy = Map(count: 1, height: 3, width: 3, channels: 1, values: (0..<9).map { Double(1 << $0) })
    XCTAssertEqual(y.height, 3)
    // Windows start at −1, 1 and 3, so their first pixels inside are 0, 1 and 3.
    XCTAssertEqual(
      Map(layer.backward(dy.tensor)).values, [1, 2, 0, 4, 8, 16, 0, 32, 0, 0, 0, 0, 64, 128, 0, 256])
  }

  func testMaxPoolKeepsWhatIsNoNumber() {
    for position in 0..<9 {
      var x = GradientCheck.map("x", count: 1, height: 3, width: 3, channels: 1)
      x.values[position] = .nan
      // The window of output 0 covers rows and columns 0 and 1, that of output 1 rows and columns 1 and 2.
      let hit = (0..<4).map { o in
        let (y, x) = (position / 3, position % 3)
        return (o / 2 == 0 ? y < 2 : y > 0) && (o % 2 == 0 ? x < 2 : x > 0)
      }
      for pass in [pass, .evaluation(samples: 1)] {
        let y = Map(MaxPool().forward(x.tensor, pass))
        XCTAssertEqual(y.values.map(\.isNaN), hit, "NaN at \(position), recorded \(pass.recordsForBackward)")
      }
    }
  }

  func testBilinear() throws {
    let sizes = [
      (3, 4, 7, 9), (5, 5, 17, 17), (9, 9, 5, 4), (4, 6, 4, 6), (1, 1, 5, 3), (6, 5, 1, 1), (2, 7, 7, 2), (3, 1, 5, 4),
    ]
    for (h, w, height, width) in sizes {
      let x = GradientCheck.map("x", count: 2, height: h, width: w, channels: 3)
      try GradientCheck("bilinear \(h)×\(w) → \(height)×\(width)").run([x]) { x in
        [resizeBilinear(x[0], height: height, width: width)]
      } backward: { dy in
        [resizeBilinearBackward(dy[0], height: h, width: w)]
      } reference: { x, _ in
        [Plain.bilinear(x[0], height: height, width: width)]
      }
    }
  }

  func testGlobalAverage() throws {
    let x = GradientCheck.map("x", count: 3, height: 5, width: 4, channels: 7)
    let before = GradientCheck.map("before", count: 3, height: 5, width: 4, channels: 7)
    try GradientCheck("average").run([x, before]) { x in
      [globalAverage(x[0]), x[1]]
    } backward: { dy in
      // Adds to the gradient that has come another way, which is here the second output's.
      let sum = Map(dy[1]).tensor
      globalAverageBackward(dy[0], addTo: sum)
      let without = Map(dy[1]).tensor
      let alone = Tensor(like: sum)
      for i in 0..<sum.elements { alone.data[i] = sum.data[i] - without.data[i] }
      return [alone, without]
    } reference: { x, _ in
      [Plain.average(x[0]), x[1]]
    }
  }

  func testConcatenateAndSplit() throws {
    let maps = [1, 5, 16].map { GradientCheck.map("x\($0)", count: 2, height: 17, width: 19, channels: $0) }
    let joined = concatenate(maps.map(\.tensor))
    XCTAssertEqual(joined.channels, 22)
    XCTAssertEqual(Map(joined).values, Plain.concatenate(maps).values)
    for (part, map) in zip(split(joined, channels: [1, 5, 16]), maps) {
      XCTAssertEqual(part.channels, map.channels)
      XCTAssertEqual(Map(part).values, map.values)
    }
  }

  func testDropout() throws {
    let plain = PlainDropout(rate: 0.3, seed: 9 << 32 + 5, step: 77, slots: [3, 12], network: 1)
    let dropout = ChannelDropout(
      rate: plain.rate, philox: Philox(seed: plain.seed), step: plain.step, slots: plain.slots, network: 1)
    let pass = Pass.training(labeled: 1, unlabeled: 1, dropout: dropout)
    let x = GradientCheck.map("x", count: 2, height: 3, width: 4, channels: 40)
    var dropped = 0
    for layer in 0..<5 {
      try GradientCheck("dropout \(layer)").run([x]) { x in
        [DropoutLayer(layer).apply(x[0], pass)]
      } backward: { dy in
        [DropoutLayer(layer).apply(dy[0], pass)]
      } reference: { x, _ in
        [Plain.scaled(x[0]) { plain.factor($0, $1, layer) }]
      }
      dropped += (0..<80).count { plain.factor($0 / 40, $0 % 40, layer) == 0 }
    }
    // 400 draws at 0.3: 120, deviation 9.
    XCTAssertEqual(Double(dropped), 120, accuracy: 45)

    let evaluation = Pass(mode: .evaluation, recordsForBackward: false, tree: pass.tree, dropout: dropout)
    XCTAssertEqual(Map(DropoutLayer(0).apply(x.tensor, evaluation)).values, x.values)
    XCTAssertEqual(Map(DropoutLayer(0).apply(x.tensor, .training(labeled: 2, unlabeled: 0))).values, x.values)
  }
}
