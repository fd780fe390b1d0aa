import Compute
import Dispatch

/// What this machine's matrix multiplication reaches, against which everything else is measured.
public enum ComputeRoof {
  /// Operations per second of products of 1024 × 1024 matrices, one for each thread of the pool: the best of several runs.
  public static func measure(runs: Int = 8) throws -> Double {
    let size = 1024, batch = ThreadPool.threads
    let plane = size * size
    let product = try MatrixProduct(batch: batch, m: size, k: size, n: size, strides: (plane, plane, plane))
    let a = Tensor(count: batch, height: size, width: size, channels: 1), b = Tensor(like: a), c = Tensor(like: a)
    a.fill(0.5)
    b.fill(0.25)
    let seconds = try (0..<runs).map { _ in
      let start = DispatchTime.now().uptimeNanoseconds
      try product.execute(a.data, b.data, c.data)
      return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
    }
    return 2 * Double(batch) * Double(size * size * size) / seconds.min()!
  }
}
