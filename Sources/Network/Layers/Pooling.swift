import Compute

/// Max-pooling 3×3, stride 2, padding 1, with `ceil_mode`: a last window that starts inside the map counts.
package final class MaxPool {
  private var saved: (winners: [UInt8], height: Int, width: Int)?

  package init() {}

  /// Length of the output along an axis of `size` pixels.
  package static func outputSize(_ size: Int) -> Int {
    let length = (size + 2 - 3 + 1) / 2 + 1
    return (length - 1) * 2 >= size + 1 ? length - 1 : length
  }

  /// x [N, H, W, C] → [N, ⌈H/2⌉ or so, …, C].
  package func forward(_ x: Tensor, _ pass: Pass) -> Tensor {
    let channels = x.channels
    let y = Tensor(
      count: x.count, height: Self.outputSize(x.height), width: Self.outputSize(x.width), channels: channels)
    // Which of the nine taps won: the first greatest in row-major order, as PyTorch takes it.
    var winners = [UInt8](repeating: 0, count: pass.recordsForBackward ? y.elements : 0)
    winners.withUnsafeMutableBufferPointer { winners in
      let record = pass.recordsForBackward ? winners.baseAddress! : nil
      parallelFor(y.count * y.height) { row in
        let (sample, oy) = (row / y.height, row % y.height)
        let source = x.sample(sample)
        for ox in 0..<y.width {
          let target = y.sample(sample) + (oy * y.width + ox) * channels
          let choice = record.map { $0 + ((row * y.width) + ox) * channels }
          target.update(repeating: -.infinity, count: channels)
          for tap in 0..<9 {
            let (iy, ix) = (oy * 2 - 1 + tap / 3, ox * 2 - 1 + tap % 3)
            guard iy >= 0, iy < x.height, ix >= 0, ix < x.width else { continue }
            let from = source + (iy * x.width + ix) * channels
            if let choice {
              for c in 0..<channels where from[c] > target[c] || from[c].isNaN {
                target[c] = from[c]
                choice[c] = UInt8(tap)
              }
            } else {
              for c in 0..<channels { target[c] = from[c] > target[c] || from[c].isNaN ? from[c] : target[c] }
            }
          }
        }
      }
    }
    if pass.recordsForBackward { saved = (winners, x.height, x.width) }
    return y
  }

  /// Each input pixel gathers from the windows it won.
  package func backward(_ dy: Tensor) -> Tensor {
    guard let saved else { preconditionFailure("backward without a recorded forward pass") }
    self.saved = nil
    let channels = dy.channels
    let dx = Tensor(count: dy.count, height: saved.height, width: saved.width, channels: channels)
    saved.winners.withUnsafeBufferPointer { winners in
      parallelFor(dx.count * dx.height) { row in
        let (sample, iy) = (row / dx.height, row % dx.height)
        for ix in 0..<dx.width {
          let target = dx.sample(sample) + (iy * dx.width + ix) * channels
          target.update(repeating: 0, count: channels)
          for oy in iy / 2...min((iy + 1) / 2, dy.height - 1) where oy * 2 - 1 <= iy {
            for ox in ix / 2...min((ix + 1) / 2, dy.width - 1) where ox * 2 - 1 <= ix {
              let tap = UInt8((iy - (oy * 2 - 1)) * 3 + ix - (ox * 2 - 1))
              let at = (sample * dy.height + oy) * dy.width + ox
              let from = dy.data + at * channels, won = winners.baseAddress! + at * channels
              for c in 0..<channels { target[c] += won[c] == tap ? from[c] : 0 }
            }
          }
        }
      }
    }
    return dx
  }
}

/// The mean over all pixels, N × 1 × 1 × C, and back.
package func globalAverage(_ x: Tensor) -> Tensor {
  let y = Tensor(count: x.count, height: 1, width: 1, channels: x.channels)
  for (sample, sums) in channelSums(x).enumerated() {
    for c in 0..<x.channels { y.sample(sample)[c] = Float(sums[c] / Double(x.pixels)) }
  }
  return y
}

/// Adds to `dx` the gradient that the mean over its pixels passes on.
package func globalAverageBackward(_ dy: Tensor, addTo dx: Tensor) {
  let channels = dx.channels
  let share = 1 / Float(dx.pixels)
  parallelFor(dx.count * dx.height) { row in
    let from = dy.sample(row / dx.height)
    var to = dx.data + row * dx.width * channels
    for _ in 0..<dx.width {
      for c in 0..<channels { to[c] += from[c] * share }
      to += channels
    }
  }
}
