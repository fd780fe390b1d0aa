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
    let sgd = SGD(settings, parameters: parameters, totalSteps: 5)
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
    let sgd = SGD(settings, parameters: network().parameters, totalSteps: 1000)
    XCTAssertEqual(sgd.learningRate(step: 0), 0.1)
    XCTAssertEqual(sgd.learningRate(step: 500), 0.1 * pow(0.5, 0.9), accuracy: 1e-15)
    XCTAssertEqual(sgd.learningRate(step: 999), 0.1 * pow(0.001, 0.9), accuracy: 1e-15)
    XCTAssertEqual(sgd.learningRate(step: 1000), 0)
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
    let sgd = SGD(
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
    let sgd = SGD(
      try configuration("optimizer: {learning_rate: 0.1}").optimizer, parameters: student.parameters, totalSteps: 10)
    sgd.update(student, step: 0, average: (teacher.parameters, 0))
    XCTAssertEqual(Array(teacher.parameters.values), Array(student.parameters.values))
  }
}
