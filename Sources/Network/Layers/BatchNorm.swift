import Compute

/// Sums per sample and channel: `quantities` rows of `channels` numbers, each accumulated in double precision.
///
/// A sample's pixels are cut into pieces whose size depends on the channel count alone, and the pieces are added in
/// order, so the sums do not depend on the number of threads.
/// - Parameter body: adds pixels `range` of `sample` to the zeroed accumulators.
/// - Returns: for each sample, quantity-major.
func channelReduction(
  samples: Int, pixels: Int, channels: Int, quantities: Int,
  _ body: (_ sample: Int, _ range: Range<Int>, _ sums: UnsafeMutablePointer<Double>) -> Void
) -> [[Double]] {
  let piece = max(1, 1 << 14 / channels)
  let pieces = (pixels + piece - 1) / piece
  let width = quantities * channels
  return withScratch(of: Double.self, count: samples * pieces * width) { base in
    base.initialize(repeating: 0, count: samples * pieces * width)
    parallelFor(samples * pieces) { index in
      let (sample, number) = (index / pieces, index % pieces)
      body(sample, number * piece..<min(pixels, (number + 1) * piece), base + index * width)
    }
    return (0..<samples).map { sample in
      var sums = [Double](repeating: 0, count: width)
      for number in 0..<pieces {
        let part = base + (sample * pieces + number) * width
        for i in 0..<width { sums[i] += part[i] }
      }
      return sums
    }
  }
}

/// The sum over its pixels of each channel of each sample.
func channelSums(_ x: Tensor) -> [[Double]] {
  let channels = x.channels
  return channelReduction(samples: x.count, pixels: x.pixels, channels: channels, quantities: 1) {
    sample, range, sums in
    var at = UnsafePointer(x.sample(sample) + range.lowerBound * channels)
    for _ in range {
      for c in 0..<channels { sums[c] += Double(at[c]) }
      at += channels
    }
  }
}

/// Batch normalisation over the *global* batch: eps 1e-5, momentum 0.1, unbiased running variance, as PyTorch's.
///
/// Applied together with the addition of a residual and ReLU, which are as memory-bound as it is:
/// out = relu(γ·(y − mean)/√(var + eps) + β + residual).
package final class BatchNorm {
  static let epsilon = 1e-5
  static let momentum: Float = 0.1

  let weight: ParameterEntry
  private let bias: ParameterEntry
  private let runningMean: ParameterEntry
  private let runningVariance: ParameterEntry
  private let tracked: ParameterEntry
  private unowned let parameters: Parameters
  private let channels: Int

  private struct Saved {
    let y: Tensor
    let relu: Bool
    let hasResidual: Bool
    /// The output where it is kept: its sign is ReLU's derivative.
    let rectified: Tensor?
    /// The constants that `apply` took, from which the output can be recomputed.
    let applied: [Float]
    let mean: [Float]
    let inverseDeviation: [Float]
    let count: Double
  }
  private var saved: Saved?

  /// Adds `NAME.weight`, `NAME.bias`, `NAME.running_mean`, `NAME.running_var`, each [channels], and
  /// `NAME.num_batches_tracked`.
  package init(_ parameters: Parameters, _ name: String, _ channels: Int) {
    self.parameters = parameters
    self.channels = channels
    weight = parameters.add("\(name).weight", [channels])
    bias = parameters.add("\(name).bias", [channels])
    runningMean = parameters.add("\(name).running_mean", [channels], .statistic)
    runningVariance = parameters.add("\(name).running_var", [channels], .statistic)
    tracked = parameters.add("\(name).num_batches_tracked", [], .counter)
  }

  /// y [N, H, W, channels], which the layer takes over → output of the same shape.
  ///
  /// - Parameter keepsOutput: whether a rectified output with a residual is kept for the backward pass; if not, the
  ///   caller passes the result of ``recomputedOutput(residual:)`` to it.
  package func forward(
    _ y: Tensor, residual: Tensor? = nil, relu: Bool, keepsOutput: Bool = true, _ pass: Pass
  ) throws -> Tensor {
    let gamma = parameters.storage(weight), beta = parameters.storage(bias)
    let mean: [Float], inverseDeviation: [Float]
    var meanRest = [Float](repeating: 0, count: channels)
    var count = 0.0
    switch pass.mode {
    case .evaluation:
      mean = Array(parameters.storage(runningMean))
      inverseDeviation = parameters.storage(runningVariance).map { Float(1 / (Double($0) + Self.epsilon).squareRoot()) }
    case .training:
      let moments = try globalMoments(y, pass)
      count = moments[0]
      let means = moments[1...channels], squares = moments[(1 + channels)...]
      mean = means.map { Float($0) }
      meanRest = means.map { Float($0 - Double(Float($0))) }
      inverseDeviation = squares.map { Float(1 / ($0 / count + Self.epsilon).squareRoot()) }
      updateRunning(mean: means, squares: squares, count: count)
    }
    let scale = (0..<channels).map { gamma[$0] * inverseDeviation[$0] }
    let applied = mean + meanRest + scale + beta
    let out = pass.recordsForBackward ? Tensor(like: y) : y
    apply(y, applied, residual, relu, into: out)
    if pass.recordsForBackward {
      saved = Saved(
        y: y, relu: relu, hasResidual: residual != nil,
        rectified: relu && residual != nil && keepsOutput ? out : nil, applied: applied, mean: mean,
        inverseDeviation: inverseDeviation, count: count)
    }
    return out
  }

  /// Computes the output of the recorded pass a second time: one pass over memory, instead of a map that is kept for
  /// long.
  func recomputedOutput(residual: Tensor? = nil) -> Tensor {
    guard let saved, saved.hasResidual == (residual != nil) else {
      preconditionFailure("no recorded pass of this kind whose output could be recomputed")
    }
    let out = Tensor(like: saved.y)
    apply(saved.y, saved.applied, residual, saved.relu, into: out)
    return out
  }

  /// Takes the gradient of the output and returns that of y.
  ///
  /// - Parameters:
  ///   - gradient: overwritten by its product with ReLU's derivative, which is the gradient of the residual.
  ///   - output: that of the recorded pass, where there was a residual and the output was not kept.
  package func backward(_ gradient: Tensor, output: Tensor? = nil, _ pass: Pass) throws -> Tensor {
    guard let saved else { preconditionFailure("backward without a recorded forward pass") }
    self.saved = nil
    let channels = self.channels
    let y = saved.y
    let rectified = saved.relu ? saved.rectified ?? output : nil
    let recomputes = saved.relu && !saved.hasResidual
    precondition(!saved.relu || recomputes || rectified != nil, "the output was not kept")

    // Σ g and Σ g·x̂ over the global batch, which are also the gradients of β and γ.
    let sums = (saved.mean + saved.inverseDeviation + saved.applied).withUnsafeBufferPointer { constants in
      let mean = constants.baseAddress!, inverse = mean + channels
      let rest = inverse + 2 * channels, scale = rest + channels, beta = scale + channels
      return channelReduction(
        samples: y.count, pixels: y.pixels, channels: channels, quantities: 2
      ) { sample, range, sums in
        var g = gradient.sample(sample) + range.lowerBound * channels
        var at = UnsafePointer(y.sample(sample) + range.lowerBound * channels)
        var out = rectified.map { UnsafePointer($0.sample(sample) + range.lowerBound * channels) }
        let products = sums + channels
        for _ in range {
          if let o = out {
            for c in 0..<channels { g[c] = o[c] > 0 ? g[c] : 0 }
            out = o + channels
          } else if recomputes {
            for c in 0..<channels { g[c] = (at[c] - mean[c] - rest[c]) * scale[c] + beta[c] > 0 ? g[c] : 0 }
          }
          for c in 0..<channels {
            sums[c] += Double(g[c])
            products[c] += Double(g[c] * ((at[c] - mean[c]) * inverse[c]))
          }
          g += channels
          at += channels
        }
      }
    }
    var total = pass.tree.reduce(pass.kind, leaf: { sums[$0] }, combine: { zip($0, $1).map(+) })!
    try pass.ranks.reduce(&total) { left, right in
      for i in left.indices { left[i] += right[i] }
    }
    let gamma = parameters.storage(weight)
    let weightGradient = parameters.gradient(weight), biasGradient = parameters.gradient(bias)
    // These sums are global already, and the gradient exchange adds up all ranks: only one rank contributes them.
    for c in 0..<channels {
      biasGradient[c] = pass.ranks.isFirst ? Float(total[c]) : 0
      weightGradient[c] = pass.ranks.isFirst ? Float(total[channels + c]) : 0
    }
    try pass.ranks.gradientReady(weight.range)
    try pass.ranks.gradientReady(bias.range)
    let meanG = (0..<channels).map { Float(total[$0] / saved.count) }
    let meanGX = (0..<channels).map { Float(total[channels + $0] / saved.count) }
    let scale = (0..<channels).map { gamma[$0] * saved.inverseDeviation[$0] }
    differentiate(y, gradient, saved.mean + saved.inverseDeviation + scale + meanG + meanGX)
    return y
  }

  /// Writes dy = scale·(g − mean g − x̂·mean(g·x̂)) over y.
  ///
  /// - Parameter constants: of each channel: mean and inverse deviation of y, scale, mean g, mean g·x̂.
  private func differentiate(_ y: Tensor, _ gradient: Tensor, _ constants: [Float]) {
    let channels = self.channels
    parallelRanges(y.count * y.pixels, grain: max(1, 1 << 14 / channels)) { range in
      constants.withUnsafeBufferPointer { constants in
        let mean = constants.baseAddress!, inverse = mean + channels, scale = inverse + channels
        let meanG = scale + channels, meanGX = meanG + channels
        var at = y.data + range.lowerBound * channels
        var g = UnsafePointer(gradient.data + range.lowerBound * channels)
        for _ in range {
          for c in 0..<channels {
            let x = (at[c] - mean[c]) * inverse[c]
            at[c] = scale[c] * (g[c] - meanG[c] - x * meanGX[c])
          }
          at += channels
          g += channels
        }
      }
    }
  }

  /// Numbers that a training pass reduces over ranks: forward the moments, backward the sums of g and g·x̂.
  package static func reducedCounts(channels: Int) -> (forward: Int, backward: Int) { (2 * channels + 1, 2 * channels) }

  /// count, then the mean, then the sum of squared deviations of each channel, over the global batch by Chan's formula.
  private func globalMoments(_ y: Tensor, _ pass: Pass) throws -> [Double] {
    let channels = self.channels, pixels = Double(y.pixels)
    let sums = channelReduction(
      samples: y.count, pixels: y.pixels, channels: channels, quantities: 2
    ) { sample, range, sums in
      var at = UnsafePointer(y.sample(sample) + range.lowerBound * channels)
      let squares = sums + channels
      for _ in range {
        for c in 0..<channels {
          let value = Double(at[c])
          sums[c] += value
          squares[c] += value * value
        }
        at += channels
      }
    }
    func combine(_ left: inout [Double], _ right: [Double]) {
      let n = left[0] + right[0]
      let share = right[0] / n, weight = left[0] * share
      for c in 1...channels {
        let delta = right[c] - left[c]
        left[c] += delta * share
        left[c + channels] += right[c + channels] + delta * delta * weight
      }
      left[0] = n
    }
    var moments = pass.tree.reduce(pass.kind) { slot in
      let sample = sums[slot]
      let means = (0..<channels).map { sample[$0] / pixels }
      return [pixels] + means + (0..<channels).map { max(0, sample[channels + $0] - sample[$0] * means[$0]) }
    } combine: { left, right in
      var left = left
      combine(&left, right)
      return left
    }!
    try pass.ranks.reduce(&moments, combine)
    return moments
  }

  private func updateRunning(mean: ArraySlice<Double>, squares: ArraySlice<Double>, count: Double) {
    let runningMean = parameters.storage(runningMean), runningVariance = parameters.storage(runningVariance)
    parameters.counters[tracked.offset] += 1
    for c in 0..<channels {
      let variance = Float(squares[squares.startIndex + c] / max(count - 1, 1))
      runningMean[c] += Self.momentum * (Float(mean[mean.startIndex + c]) - runningMean[c])
      runningVariance[c] += Self.momentum * (variance - runningVariance[c])
    }
  }

  /// out = (y − mean)·scale + β + residual, rectified.
  ///
  /// - Parameter constants: of each channel: mean, what rounding took from the mean, scale, β. An error of the mean is
  ///   common to all pixels, unlike those of the pixels themselves, and does not average out.
  private func apply(_ y: Tensor, _ constants: [Float], _ residual: Tensor?, _ relu: Bool, into out: Tensor) {
    let channels = self.channels
    let floor: Float = relu ? 0 : -.infinity
    parallelRanges(y.count * y.pixels, grain: max(1, 1 << 14 / channels)) { range in
      constants.withUnsafeBufferPointer { constants in
        let mean = constants.baseAddress!, rest = mean + channels, scale = rest + channels, beta = scale + channels
        var from = UnsafePointer(y.data + range.lowerBound * channels)
        var to = out.data + range.lowerBound * channels
        var skip = residual.map { UnsafePointer($0.data + range.lowerBound * channels) }
        for _ in range {
          if let s = skip {
            for c in 0..<channels {
              let value = (from[c] - mean[c] - rest[c]) * scale[c] + beta[c] + s[c]
              to[c] = value < floor ? floor : value  // NaN passes
            }
            skip = s + channels
          } else {
            for c in 0..<channels {
              let value = (from[c] - mean[c] - rest[c]) * scale[c] + beta[c]
              to[c] = value < floor ? floor : value
            }
          }
          from += channels
          to += channels
        }
      }
    }
  }
}
