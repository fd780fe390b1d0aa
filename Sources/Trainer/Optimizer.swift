import Compute
import Configuration
import Foundation
import Network

/// Stochastic gradient descent in PyTorch's form: g ← g + wd·θ, v ← momentum·v + g, θ ← θ − lr·v, weight decay on every
/// parameter; learning rate base · (1 − k/K)^power, times `head_factor` for the decoder.
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

  /// One update from `network.parameters.gradients`.
  package func update(_ network: Segmenter, step: Int) {
    let parameters = network.parameters
    let rate = learningRate(step: step)
    let boundary = network.firstDecoderParameter
    apply(parameters, 0..<boundary, rate: Float(rate))
    apply(parameters, boundary..<parameters.values.count, rate: Float(rate * settings.headFactor))
    parameters.markChanged()
  }

  private func apply(_ parameters: Parameters, _ range: Range<Int>, rate: Float) {
    let values = parameters.values.baseAddress! + range.lowerBound
    let gradients = UnsafePointer(parameters.gradients.baseAddress! + range.lowerBound)
    let momentum = momentum.baseAddress! + range.lowerBound
    let (decay, friction) = (Float(settings.weightDecay), Float(settings.momentum))
    parallelRanges(range.count, grain: 1 << 15) { range in
      for i in range {
        let gradient = gradients[i] + decay * values[i]
        momentum[i] = friction * momentum[i] + gradient
        values[i] -= rate * momentum[i]
      }
    }
  }
}

/// Line 10 of a step: the teacher follows the student by an exponential moving average.
package enum ExponentialMovingAverage {
  /// a = min(1 − 1/(j + 1), limit) in semi-supervised step j, counted from 0.
  package static func factor(step j: Int, limit: Double) -> Double { min(1 - 1 / Double(j + 1), limit) }

  /// θ_t ← a·θ_t + (1 − a)·θ_s.
  package static func update(_ teacher: Parameters, from student: Parameters, factor a: Double, buffers: Bool) {
    average(teacher.values, student.values, a)
    if buffers { average(teacher.buffers, student.buffers, a) }
    teacher.markChanged()
  }

  private static func average(
    _ teacher: UnsafeMutableBufferPointer<Float>, _ student: UnsafeMutableBufferPointer<Float>, _ a: Double
  ) {
    let (to, from) = (teacher.baseAddress!, UnsafePointer(student.baseAddress!))
    let (keep, take) = (Float(a), Float(1 - a))
    parallelRanges(teacher.count, grain: 1 << 15) { range in
      for i in range { to[i] = keep * to[i] + take * from[i] }
    }
  }
}
