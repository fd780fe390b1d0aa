import Compute

/// The L2 norm of a whole gradient, and clipping by it.
package enum GradientNorm {
  /// Elements summed in one piece; the pieces do not depend on the number of threads.
  private static let grain = 1 << 16
  /// Sums of a piece that run side by side.
  private static let lanes = 16

  /// √Σ g², summed in double precision in an order of its own: the same bits for the same gradient, on any number of
  /// threads. Not finite exactly where an element is not: squares of single-precision numbers do not overflow a double.
  package static func norm(_ gradients: UnsafeMutableBufferPointer<Float>) -> Double {
    let count = gradients.count
    guard count > 0 else { return 0 }
    var pieces = [Double](repeating: 0, count: (count + grain - 1) / grain)
    let from = UnsafePointer(gradients.baseAddress!)
    pieces.withUnsafeMutableBufferPointer { pieces in
      nonisolated(unsafe) let pieces = pieces
      parallelFor(pieces.count) { piece in
        let first = piece * grain, end = min(count, first + grain)
        pieces[piece] = sumOfSquares(from + first, end - first)
      }
    }
    return pieces.reduce(0, +).squareRoot()
  }

  private static func sumOfSquares(_ values: UnsafePointer<Float>, _ count: Int) -> Double {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: lanes) { buffer in
      buffer.initialize(repeating: 0)
      let sums = buffer.baseAddress!
      let whole = count / lanes * lanes
      var at = values
      while at < values + whole {
        for lane in 0..<lanes { sums[lane] += Double(at[lane]) * Double(at[lane]) }
        at += lanes
      }
      var total = 0.0
      for lane in 0..<lanes { total += sums[lane] }
      for i in whole..<count { total += Double(values[i]) * Double(values[i]) }
      return total
    }
  }

  /// Scales the gradient by min(1, `limit` / (`norm` + 1e-6)), as `torch.nn.utils.clip_grad_norm_`.
  package static func clip(_ gradients: UnsafeMutableBufferPointer<Float>, norm: Double, to limit: Double) {
    let factor = Float(min(1, limit / (norm + 1e-6)))
    guard factor < 1 else { return }
    let values = gradients.baseAddress!
    parallelRanges(gradients.count, grain: grain) { range in
      for i in range { values[i] *= factor }
    }
  }
}
