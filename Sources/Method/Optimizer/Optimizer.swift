import Compute
import Configuration
import Foundation
import Network

/// Line 9 of docs/method.md: stochastic gradient descent in PyTorch's form, g ← g + wd·θ, v ← momentum·v + g,
/// θ ← θ − lr·v, weight decay on every parameter; learning rate base · (1 − k/K)^power, times `head_factor` for the decoder
/// and the auxiliary head.
package final class SGD {
  private let settings: Configuration.Optimizer
  private let totalSteps: Int
  /// v, in the order of the network's parameters.
  package let momentum: UnsafeMutableBufferPointer<Float>

  package init(_ settings: Configuration.Optimizer, parameters: Parameters, totalSteps: Int) {
    self.settings = settings
    self.totalSteps = totalSteps
    momentum = .allocate(capacity: parameters.values.count)
    momentum.initialize(repeating: 0)
  }

  deinit { momentum.deallocate() }

  /// The encoder's learning rate in step k, counted from 0.
  package func learningRate(step k: Int) -> Double {
    settings.learningRate * pow(1 - Double(k) / Double(totalSteps), settings.power)
  }

  /// One update from `network.parameters.gradients`; the teacher follows in the same pass over memory.
  ///
  /// - Parameters:
  ///   - average: the network that follows by an exponential moving average, and the factor a on what it was; nil for none.
  package func update(_ network: Segmenter, step: Int, average: (teacher: Parameters, factor: Double)? = nil) {
    let parameters = network.parameters
    let rate = learningRate(step: step)
    let boundary = network.firstDecoderParameter
    apply(parameters, 0..<boundary, rate: Float(rate), average)
    apply(parameters, boundary..<parameters.values.count, rate: Float(rate * settings.headFactor), average)
    parameters.markChanged()
    average?.teacher.markChanged()
  }

  private func apply(
    _ parameters: Parameters, _ range: Range<Int>, rate: Float, _ average: (teacher: Parameters, factor: Double)?
  ) {
    let values = parameters.values.baseAddress! + range.lowerBound
    let gradients = UnsafePointer(parameters.gradients.baseAddress! + range.lowerBound)
    let momentum = momentum.baseAddress! + range.lowerBound
    let (decay, friction) = (Float(settings.weightDecay), Float(settings.momentum))
    // Pieces that stay in the cache between the two loops.
    parallelRanges(range.count, grain: 1 << 13) { piece in
      for i in piece {
        let gradient = gradients[i] + decay * values[i]
        momentum[i] = friction * momentum[i] + gradient
        values[i] -= rate * momentum[i]
      }
      guard let average else { return }
      ExponentialMovingAverage.follow(
        average.teacher.values.baseAddress! + range.lowerBound, values, average.factor, piece)
    }
  }
}

/// Line 10 of docs/method.md: the teacher follows the student by an exponential moving average, θ_t ← a·θ_t + (1 − a)·θ_s.
package enum ExponentialMovingAverage {
  /// a = min(1 − 1/(j + 1), limit) in semi-supervised step j, counted from 0.
  package static func factor(step j: Int, limit: Double) -> Double { min(1 - 1 / Double(j + 1), limit) }

  /// The running statistics, where they follow too.
  package static func updateBuffers(_ teacher: Parameters, from student: Parameters, factor a: Double) {
    follow(teacher.buffers.baseAddress!, UnsafePointer(student.buffers.baseAddress!), a, teacher.buffers.indices)
  }

  @inline(__always)
  fileprivate static func follow(
    _ teacher: UnsafeMutablePointer<Float>, _ student: UnsafePointer<Float>, _ a: Double, _ range: Range<Int>
  ) {
    let (keep, take) = (Float(a), Float(1 - a))
    for i in range { teacher[i] = keep * teacher[i] + take * student[i] }
  }
}
