import Compute
import Network
import XCTest

/// The library's own kernels give the same bits on one thread and on several. (Convolutions need not: oneDNN may split
/// a sum over threads, which is why a run states its threads per rank.)
final class ThreadTests: XCTestCase {
  private func onThreads(_ count: Int, _ body: () throws -> [Map]) rethrows -> [[Double]] {
    let before = ThreadPool.threads
    defer { ThreadPool.threads = before }
    ThreadPool.threads = count
    return try body().map(\.values)
  }

  private func assertSame(_ name: String, _ body: () throws -> [Map]) rethrows {
    let one = try onThreads(1, body)
    for threads in [2, 3] {
      let several = try onThreads(threads, body)
      XCTAssertTrue(one == several, "\(name) on \(threads) threads")
    }
  }

  private let pass = Pass.training(labeled: 2, unlabeled: 1)
  private func map(_ name: String, _ height: Int, _ width: Int, _ channels: Int) -> Map {
    GradientCheck.map(name, count: 3, height: height, width: width, channels: channels)
  }

  func testBatchNorm() throws {
    // Several pieces of 2¹⁴ numbers a sample.
    let y = map("y", 40, 33, 48), dy = map("dy", 40, 33, 48), residual = map("r", 40, 33, 48)
    try assertSame("batch norm") {
      let parameters = Parameters(trainable: true)
      let layer = BatchNorm(parameters, "layer", 48)
      _ = GradientCheck("threads", parameters)
      let out = try layer.forward(y.tensor, residual: residual.tensor, relu: true, pass)
      let gradient = dy.tensor
      let dx = try layer.backward(gradient, pass)
      let parameterGradient = Map(
        count: 1, height: 1, width: 2, channels: 48, values: parameters.gradients.map(Double.init))
      return [Map(out), Map(dx), Map(gradient), parameterGradient]
    }
  }

  func testPoolingAndResizing() {
    let x = map("x", 41, 38, 24)
    assertSame("max-pool") {
      let layer = MaxPool()
      let y = layer.forward(x.tensor, pass)
      return [Map(y), Map(layer.backward(y))]
    }
    assertSame("bilinear") {
      let y = resizeBilinear(x.tensor, height: 77, width: 65)
      return [Map(y), Map(resizeBilinearBackward(y, height: 41, width: 38))]
    }
    assertSame("average") {
      let sum = x.tensor
      globalAverageBackward(globalAverage(sum), addTo: sum)
      return [Map(sum)]
    }
    assertSame("concatenation") {
      let joined = concatenate([x.tensor, x.tensor])
      return [Map(joined)] + split(joined, channels: [7, 41]).map(Map.init)
    }
    assertSame("addition") {
      let sum = x.tensor
      sum.add(x.tensor)
      return [Map(sum)]
    }
  }

  func testDropoutAndInitialisation() {
    let dropout = ChannelDropout(rate: 0.5, philox: Philox(seed: 1), step: 0, slots: [0, 1, 2], network: 0)
    let x = map("x", 41, 38, 24)
    assertSame("dropout") {
      [Map(DropoutLayer(0).apply(x.tensor, .training(labeled: 2, unlabeled: 1, dropout: dropout)))]
    }
    assertSame("initialisation") {
      let network = Segmenter(
        SegmenterShape(
          encoder: EncoderShape(depth: .resnet18, width: 0.25), classes: 3, width: 16, features: 8,
          dilations: [2, 4, 6]), trainable: false)
      network.initialize(philox: Philox(seed: 1), zeroResidual: false)
      let values = network.parameters.values.map(Double.init)
      return [Map(count: 1, height: 1, width: 1, channels: values.count, values: values)]
    }
  }
}
