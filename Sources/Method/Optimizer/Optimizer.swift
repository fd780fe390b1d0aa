import Compute
import Configuration
import Foundation
import Network

/// Line 9 of docs/method.md: changes a network's parameters by their gradients, as PyTorch's optimisers do, with weight decay on every parameter:
///
/// - SGD: g ← g + wd·θ, v ← momentum·v + g, θ ← θ − lr·v
/// - AdamW: θ ← θ − lr·wd·θ, m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g²,
///   θ ← θ − lr·(m / (1 − β₁^k)) / (√(v / (1 − β₂^k)) + 1e-8), k counting steps from 1
///
/// lr is ``LearningRate``, times `head_factor` for the decoder.
package final class Optimizer {
  package let kind: Configuration.Optimizer.Kind
  private let settings: Configuration.Optimizer
  private let schedule: LearningRate
  /// SGD's v, AdamW's m, in the order of the network's parameters.
  package let momentum: UnsafeMutableBufferPointer<Float>
  /// AdamW's v; empty for SGD.
  package let secondMoment: UnsafeMutableBufferPointer<Float>

  package init(_ settings: Configuration.Optimizer, parameters: Parameters, totalSteps: Int) {
    kind = settings.kind
    self.settings = settings
    schedule = LearningRate(settings, totalSteps: totalSteps)
    let count = parameters.values.count
    momentum = .allocate(capacity: count)
    momentum.initialize(repeating: 0)
    secondMoment = .allocate(capacity: settings.kind == .adamw ? count : 0)
    secondMoment.initialize(repeating: 0)
  }

  deinit {
    momentum.deallocate()
    secondMoment.deallocate()
  }

  /// The encoder's learning rate in step k, counted from 0.
  package func learningRate(step k: Int) -> Double { schedule(step: k) }

  /// State of the optimizer by its group in a checkpoint, each in the order of the network's parameters.
  package var state: [(group: String, values: UnsafeMutableBufferPointer<Float>)] {
    let first = ("optimizer/momentum", momentum)
    return kind == .adamw ? [first, ("optimizer/second_moment", secondMoment)] : [first]
  }

  /// One update from `network.parameters.gradients`; the teacher follows in the same pass over memory.
  ///
  /// - Parameters:
  ///   - average: the network that follows by an exponential moving average, and the factor a on what it was; nil for none.
  package func update(_ network: Segmenter, step: Int, average: (teacher: Parameters, factor: Double)? = nil) {
    let parameters = network.parameters
    let rate = learningRate(step: step)
    let boundary = network.firstDecoderParameter
    for (range, rate) in [
      (0..<boundary, rate), (boundary..<parameters.values.count, rate * settings.headFactor),
    ] {
      switch kind {
      case .sgd: descend(parameters, range, rate: Float(rate), average)
      case .adamw: adapt(parameters, range, rate: rate, step: step, average)
      }
    }
    parameters.markChanged()
    average?.teacher.markChanged()
  }

  private func descend(
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

  private func adapt(
    _ parameters: Parameters, _ range: Range<Int>, rate: Double, step: Int,
    _ average: (teacher: Parameters, factor: Double)?
  ) {
    let values = parameters.values.baseAddress! + range.lowerBound
    let gradients = UnsafePointer(parameters.gradients.baseAddress! + range.lowerBound)
    let first = momentum.baseAddress! + range.lowerBound, second = secondMoment.baseAddress! + range.lowerBound
    let (keep1, take1) = (Float(settings.momentum), Float(1 - settings.momentum))
    let (keep2, take2) = (Float(settings.secondMomentum), Float(1 - settings.secondMomentum))
    let kept = Float(1 - rate * settings.weightDecay)
    // What both moments, which start at 0, lack after k updates.
    let k = Double(step + 1)
    let size = Float(rate / (1 - pow(settings.momentum, k)))
    let correction = Float(1 / (1 - pow(settings.secondMomentum, k)).squareRoot())
    parallelRanges(range.count, grain: 1 << 13) { piece in
      for i in piece {
        first[i] = keep1 * first[i] + take1 * gradients[i]
        second[i] = keep2 * second[i] + take2 * gradients[i] * gradients[i]
        values[i] = kept * values[i] - size * first[i] / (second[i].squareRoot() * correction + 1e-8)
      }
      guard let average else { return }
      ExponentialMovingAverage.follow(
        average.teacher.values.baseAddress! + range.lowerBound, values, average.factor, piece)
    }
  }
}
