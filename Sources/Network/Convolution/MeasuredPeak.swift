import Compute

/// What this machine's matrix multiplication reaches, against which everything else is measured.
public enum MeasuredPeak {
  /// Operations per second of products of 1024 × 1024 matrices, one for each thread of the pool: the best of several
  /// runs.
  public static func measure(runs: Int = 8) throws -> Double {
    let size = 1024, batch = ThreadPool.threads
    let plane = size * size
    let product = try MatrixProduct((size, size, size), batch: batch, strides: (plane, plane, plane))
    let a = Tensor(count: batch, height: size, width: size, channels: 1), b = Tensor(like: a), c = Tensor(like: a)
    a.fill(0.5)
    b.fill(0.25)
    let seconds = try (0..<runs).map { _ -> Double in
      try ContinuousClock().measure { try product.execute(a.data, b.data, c.data) } / .seconds(1)
    }
    return 2 * Double(batch) * Double(size * size * size) / seconds.min()!
  }
}
