import Foundation
import Method
import Network
import TestSupport
import XCTest

/// Updates of student and teacher against plain loops.
final class OptimizerTests: XCTestCase {
  private func network() -> Segmenter {
    let network = Segmenter(
      SegmenterShape(
        encoder: EncoderShape(depth: .resnet18, width: 0.125), classes: 3, width: 8, features: 8, dilations: [1, 2, 3]),
      trainable: true)
    fillNamed(network)
    return network
  }

  func testStochasticGradientDescent() throws {
    let settings = try configuration(
      """
      optimizer: {learning_rate: 0.02, head_factor: 10, momentum: 0.8, weight_decay: 0.05, power: 0.7}
      """
    ).optimizer
    let network = network()
    let parameters = network.parameters
    let count = parameters.values.count
    let sgd = Optimizer(settings, parameters: parameters, totalSteps: 5)
    var isDecoder = [Bool](repeating: false, count: count)
    for entry in parameters.entries where entry.kind == .parameter && entry.name.hasPrefix("decoder.") {
      for i in entry.offset..<entry.offset + entry.count { isDecoder[i] = true }
    }
    XCTAssertTrue(isDecoder.contains(true) && isDecoder.contains(false))

    var values = parameters.values.map(Double.init)
    var velocity = [Double](repeating: 0, count: count)
    for step in 0..<3 {
      let gradient = uniform("gradient \(step)", count)
      _ = parameters.gradients.update(fromContentsOf: gradient)
      let version = parameters.version
      sgd.update(network, step: step)
      XCTAssertNotEqual(parameters.version, version, "packed copies of the weights have to be remade")

      let rate = 0.02 * pow(1 - Double(step) / 5, 0.7)
      XCTAssertEqual(sgd.learningRate(step: step), rate, accuracy: 1e-15)
      var worst = 0.0
      for i in 0..<count {
        velocity[i] = 0.8 * velocity[i] + Double(gradient[i]) + 0.05 * values[i]
        values[i] -= (isDecoder[i] ? 10 * rate : rate) * velocity[i]
        worst = max(worst, abs(Double(parameters.values[i]) - values[i]), abs(Double(sgd.momentum[i]) - velocity[i]))
      }
      // Numbers of size 1 in single precision.
      XCTAssertLessThan(worst, 2e-6, "step \(step)")
    }
  }

  func testLearningRateFallsToNothing() throws {
    let settings = try configuration("optimizer: {learning_rate: 0.1}").optimizer
    let sgd = Optimizer(settings, parameters: network().parameters, totalSteps: 1000)
    XCTAssertEqual(sgd.learningRate(step: 0), 0.1)
    XCTAssertEqual(sgd.learningRate(step: 500), 0.1 * pow(0.5, 0.9), accuracy: 1e-15)
    XCTAssertEqual(sgd.learningRate(step: 999), 0.1 * pow(0.001, 0.9), accuracy: 1e-15)
    XCTAssertEqual(sgd.learningRate(step: 1000), 0)
  }

  /// Against torch.optim.AdamW's definition in double precision.
  func testAdamW() throws {
    let settings = try configuration(
      """
      optimizer: {kind: adamw, learning_rate: 0.02, head_factor: 3, momentum: 0.8, second_momentum: 0.95,
        weight_decay: 0.05, schedule: cosine, warmup_steps: 2}
      """
    ).optimizer
    let network = network(), parameters = network.parameters
    let count = parameters.values.count
    let optimizer = Optimizer(settings, parameters: parameters, totalSteps: 5)
    XCTAssertEqual(optimizer.state.map(\.group), ["optimizer/momentum", "optimizer/second_moment"])
    var values = parameters.values.map(Double.init)
    var first = [Double](repeating: 0, count: count), second = first
    for step in 0..<4 {
      let gradient = uniform("gradient \(step)", count)
      _ = parameters.gradients.update(fromContentsOf: gradient)
      optimizer.update(network, step: step)
      let rate = 0.02 * (1 + cos(Double.pi * Double(step) / 5)) / 2 * [0.5, 1, 1, 1][step]
      XCTAssertEqual(optimizer.learningRate(step: step), rate, accuracy: 1e-15)
      var worst = 0.0
      for i in 0..<count {
        let rate = i < network.firstDecoderParameter ? rate : 3 * rate, g = Double(gradient[i])
        values[i] -= rate * 0.05 * values[i]
        first[i] = 0.8 * first[i] + 0.2 * g
        second[i] = 0.95 * second[i] + 0.05 * g * g
        let (m, v) = (first[i] / (1 - pow(0.8, Double(step + 1))), second[i] / (1 - pow(0.95, Double(step + 1))))
        values[i] -= rate * m / (v.squareRoot() + 1e-8)
        worst = max(
          worst, abs(Double(parameters.values[i]) - values[i]), abs(Double(optimizer.momentum[i]) - first[i]),
          abs(Double(optimizer.secondMoment[i]) - second[i]))
      }
      XCTAssertLessThan(worst, 2e-6, "step \(step)")
    }
  }

  /// The warm-up multiplies whatever the schedule gives.
  func testSchedules() throws {
    func rates(_ keys: String, _ steps: [Int]) throws -> [Double] {
      let rate = LearningRate(
        try configuration("optimizer: {learning_rate: 0.1, \(keys)}").optimizer, totalSteps: 100)
      return steps.map { rate(step: $0) }
    }
    func check(_ found: [Double], _ expected: [Double], line: UInt = #line) {
      for (a, b) in zip(found, expected) { XCTAssertEqual(a, b, accuracy: 1e-15, line: line) }
    }
    check(try rates("schedule: cosine", [0, 50, 100]), [0.1, 0.05, 0])
    check(
      try rates("warmup_steps: 10, power: 1", [0, 4, 9, 10, 50]), [0.1 * 0.1, 0.5 * 0.096, 0.091, 0.09, 0.05])
    check(try rates("schedule: cosine, warmup_steps: 4", [1]), [0.5 * 0.05 * (1 + cos(Double.pi / 100))])
  }

  func testAveragingLimitByTheLengthOfTheRun() {
    let limits = [10, 30, 60, 3000, 30_000].map { ExponentialMovingAverage.limit(totalSteps: $0) }
    for (a, b) in zip(limits, [0.9, 0.9, 0.95, 0.999, 0.9999]) { XCTAssertEqual(a, b, accuracy: 1e-12) }
  }

  func testAveragingFactor() {
    let factors = [0, 1, 2, 3, 4, 98, 99, 100, 5000].map { ExponentialMovingAverage.factor(step: $0, limit: 0.99) }
    let expected = [0, 1 / 2.0, 2 / 3.0, 3 / 4.0, 4 / 5.0, 98 / 99.0, 0.99, 0.99, 0.99]
    for (a, b) in zip(factors, expected) { XCTAssertEqual(a, b, accuracy: 1e-12) }
    XCTAssertEqual(ExponentialMovingAverage.factor(step: 100, limit: 0.5), 0.5)
  }

  /// The teacher follows what the update has made of the student, statistics only where asked.
  func testTeacherFollowsTheStudent() throws {
    let (student, teacher) = (network(), network())
    let count = student.parameters.values.count
    _ = student.parameters.gradients.update(fromContentsOf: uniform("gradient", count))
    _ = student.parameters.buffers.update(
      fromContentsOf: uniform("statistics", student.parameters.buffers.count))
    _ = teacher.parameters.values.update(fromContentsOf: uniform("teacher", count))
    let values = teacher.parameters.values.map(Double.init), statistics = teacher.parameters.buffers.map(Double.init)
    let version = teacher.parameters.version
    let sgd = Optimizer(
      try configuration("optimizer: {learning_rate: 0.1}").optimizer, parameters: student.parameters, totalSteps: 10)
    sgd.update(student, step: 0, average: (teacher.parameters, 0.75))
    XCTAssertNotEqual(teacher.parameters.version, version)
    var worst = 0.0
    for i in 0..<count {
      let expected = 0.75 * values[i] + 0.25 * Double(student.parameters.values[i])
      worst = max(worst, abs(Double(teacher.parameters.values[i]) - expected))
    }
    XCTAssertLessThan(worst, 1e-6)
    XCTAssertEqual(teacher.parameters.buffers.map(Double.init), statistics)

    ExponentialMovingAverage.updateBuffers(teacher.parameters, from: student.parameters, factor: 0.75)
    for i in statistics.indices {
      XCTAssertEqual(
        Double(teacher.parameters.buffers[i]), 0.75 * statistics[i] + 0.25 * Double(student.parameters.buffers[i]),
        accuracy: 1e-6)
    }
  }

  /// The first step's factor is 0: the teacher becomes the student, whatever it was.
  func testFirstAverageIsACopy() throws {
    let (student, teacher) = (network(), network())
    _ = student.parameters.gradients.update(fromContentsOf: uniform("gradient", student.parameters.values.count))
    let sgd = Optimizer(
      try configuration("optimizer: {learning_rate: 0.1}").optimizer, parameters: student.parameters, totalSteps: 10)
    sgd.update(student, step: 0, average: (teacher.parameters, 0))
    XCTAssertEqual(Array(teacher.parameters.values), Array(student.parameters.values))
  }
}
