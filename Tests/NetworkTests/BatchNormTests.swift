import Compute
import Foundation
import Network
import XCTest

/// Batch normalisation with the statistics of the batch, and over several ranks.
final class BatchNormTests: XCTestCase {
  private func check(
    _ name: String, relu: Bool, residual: Bool, count: Int = 3, height: Int = 5, width: Int = 7, channels: Int = 6,
    pass: Pass? = nil, offset: Double = 0
  ) throws {
    let parameters = Parameters(trainable: true)
    let layer = BatchNorm(parameters, "layer", channels)
    var check = GradientCheck(name, parameters)
    if offset != 0 { check.outputTolerance = 2e-5 }
    let pass = pass ?? .training(labeled: 1, unlabeled: count - 1)
    var inputs = [GradientCheck.map("y", count: count, height: height, width: width, channels: channels)]
    if residual {
      inputs.append(GradientCheck.map("r", count: count, height: height, width: width, channels: channels))
    }
    for i in inputs[0].values.indices { inputs[0].values[i] = Double(Float(inputs[0].values[i] + offset)) }
    try check.run(inputs) { x in
      [try layer.forward(x[0], residual: residual ? x[1] : nil, relu: relu, pass)]
    } backward: { dy in
      let dx = try layer.backward(dy[0], pass)
      return residual ? [dx, dy[0]] : [dx]  // the gradient it is given becomes that of the residual
    } reference: { x, values in
      [
        Plain.batchNorm(
          x[0], weight: values["layer.weight"]!, bias: values["layer.bias"]!, residual: residual ? x[1] : nil,
          relu: relu)
      ]
    }
  }

  func testGradients() throws {
    for relu in [false, true] {
      for residual in [false, true] { try check("relu \(relu) residual \(residual)", relu: relu, residual: residual) }
    }
    try check("one channel", relu: false, residual: false, channels: 1)
    try check("one pixel a sample", relu: true, residual: false, count: 5, height: 1, width: 1, channels: 16)
  }

  /// More pixels than fit one piece of the channel sums: 2¹⁴ / 64 pixels each.
  func testGradientsOverSeveralPieces() throws {
    try check("pieces", relu: true, residual: true, count: 2, height: 19, width: 17, channels: 64)
  }

  func testSlotsOfOneKind() throws {
    let pass = Pass.training(labeled: 2, unlabeled: 4, kind: .labeled)
    try check("labeled alone", relu: true, residual: false, count: 2, pass: pass)
  }

  /// A mean that is large against the deviation costs no precision: moments and centring are exact enough.
  func testLargeMean() throws {
    try check("offset", relu: false, residual: false, offset: 300)
  }

  func testRunningStatistics() throws {
    let parameters = Parameters(trainable: true)
    let layer = BatchNorm(parameters, "layer", 4)
    _ = GradientCheck("running", parameters)
    let (mean, variance) = (parameters.entries[2], parameters.entries[3])
    XCTAssertEqual([mean.name, variance.name], ["layer.running_mean", "layer.running_var"])
    let before = (Array(parameters.storage(mean)), Array(parameters.storage(variance)))
    let y = GradientCheck.map("y", count: 3, height: 4, width: 5, channels: 4)
    _ = try layer.forward(y.tensor, relu: false, .training(labeled: 3, unlabeled: 0))
    XCTAssertEqual(parameters.counters, [1])
    for c in 0..<4 {
      let values = stride(from: c, to: y.values.count, by: 4).map { y.values[$0] }
      let average = values.reduce(0, +) / 60
      let unbiased = values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / 59
      XCTAssertEqual(
        Double(parameters.storage(mean)[c]), 0.9 * Double(before.0[c]) + 0.1 * average, accuracy: 1e-7)
      XCTAssertEqual(
        Double(parameters.storage(variance)[c]), 0.9 * Double(before.1[c]) + 0.1 * unbiased, accuracy: 1e-6)
    }

    // Evaluation goes by the running statistics and leaves them as they are.
    let running = (Array(parameters.storage(mean)), Array(parameters.storage(variance)))
    let weight = parameters.storage(parameters.entries[0]), bias = parameters.storage(parameters.entries[1])
    let out = Map(try layer.forward(y.tensor, relu: true, .evaluation(samples: 3)))
    for (i, value) in y.values.enumerated() {
      let c = i % 4
      let normalised = (value - Double(running.0[c])) / (Double(running.1[c]) + 1e-5).squareRoot()
      XCTAssertEqual(out.values[i], max(0, normalised * Double(weight[c]) + Double(bias[c])), accuracy: 1e-5)
    }
    XCTAssertEqual(Array(parameters.storage(mean)), running.0)
    XCTAssertEqual(Array(parameters.storage(variance)), running.1)
    XCTAssertEqual(parameters.counters, [1])
  }

  func testWhatIsNoNumberStaysVisible() throws {
    let parameters = Parameters(trainable: true)
    let layer = BatchNorm(parameters, "layer", 2)
    _ = GradientCheck("nan", parameters)
    var y = GradientCheck.map("y", count: 1, height: 3, width: 3, channels: 2)
    y[0, 1, 1, 0] = .nan
    let out = Map(try layer.forward(y.tensor, relu: true, .evaluation(samples: 1)))
    XCTAssertTrue(out[0, 1, 1, 0].isNaN)
    XCTAssertFalse(out[0, 1, 1, 1].isNaN)
  }

  /// Hands each rank what the other reduced the time before, and notes what this one has. Run until both agree.
  private final class Exchange: RankReducer {
    let isFirst: Bool
    var partner: [[Double]]
    var mine: [[Double]] = []
    init(isFirst: Bool, partner: [[Double]]) { (self.isFirst, self.partner) = (isFirst, partner) }

    func reduce(_ values: inout [Double], _ combine: (inout [Double], [Double]) -> Void) {
      let own = values
      let other = mine.count < partner.count ? partner[mine.count] : own
      mine.append(own)
      if isFirst {
        combine(&values, other)
      } else {
        values = other
        combine(&values, own)
      }
    }

    func gradientReady(_ elements: Range<Int>) {}
  }

  private struct Result: Equatable {
    var output: [Double], dx: [Double], parameters: [Float]
    var runningVariance: [Float]
  }

  private func run(_ y: Map, _ dy: Map, _ pass: Pass) throws -> Result {
    let parameters = Parameters(trainable: true)
    let layer = BatchNorm(parameters, "layer", y.channels)
    _ = GradientCheck("ranks", parameters)
    let out = Map(try layer.forward(y.tensor, relu: true, pass))
    let dx = Map(try layer.backward(dy.tensor, pass))
    return Result(
      output: out.values, dx: dx.values, parameters: Array(parameters.gradients),
      runningVariance: Array(parameters.storage(parameters.entries[3])))
  }

  /// Two ranks with half of the slots each get, bit for bit, what one with all of them gets.
  func testStatisticsAreThoseOfAllRanks() throws {
    let y = GradientCheck.map("y", count: 4, height: 3, width: 5, channels: 6)
    let dy = GradientCheck.map("dy", count: 4, height: 3, width: 5, channels: 6)
    func samples(_ map: Map, _ indices: [Int]) -> Map {
      let stride = map.values.count / map.count
      return Map(
        count: indices.count, height: map.height, width: map.width, channels: map.channels,
        values: indices.flatMap { map.values[$0 * stride..<($0 + 1) * stride] })
    }
    let whole = try run(y, dy, .training(labeled: 2, unlabeled: 2))
    // Slots 0 and 1 are labeled, 2 and 3 unlabeled; a rank has one of each.
    let slots = [[0, 2], [1, 3]]
    var logs: [[[Double]]] = [[], []]
    var results: [Result] = []
    for _ in 0..<3 {  // the sums of the backward pass are right once the means are
      let exchanges = (0..<2).map { Exchange(isFirst: $0 == 0, partner: logs[1 - $0]) }
      results = try (0..<2).map { rank in
        let pass = Pass(
          mode: .training, recordsForBackward: true, tree: SlotTree(labeled: 1, unlabeled: 1), ranks: exchanges[rank])
        return try run(samples(y, slots[rank]), samples(dy, slots[rank]), pass)
      }
      logs = exchanges.map(\.mine)
    }
    for rank in 0..<2 {
      let expected = Map(count: 4, height: 3, width: 5, channels: 6, values: whole.output)
      XCTAssertEqual(results[rank].output, samples(expected, slots[rank]).values)
      let dx = Map(count: 4, height: 3, width: 5, channels: 6, values: whole.dx)
      XCTAssertEqual(results[rank].dx, samples(dx, slots[rank]).values)
      XCTAssertEqual(results[rank].runningVariance, whole.runningVariance)
    }
    // Sums over all ranks already: one of them gives the gradient, so that adding them up gives it once.
    XCTAssertEqual(results[0].parameters, whole.parameters)
    XCTAssertEqual(results[1].parameters, [Float](repeating: 0, count: 12))
  }
}
