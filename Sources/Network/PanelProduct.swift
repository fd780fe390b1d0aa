import Compute

/// Products of few rows with a large matrix that lies in panels of 16 columns: panel by panel, 16 numbers for each of its k
/// rows.
///
/// What limits them is reading the matrix, so it is read once. Each element is summed in the order of k in a register of
/// its own: a row's result has the same bits whatever rows there are beside it, which no library promises.
enum PanelProduct {
  static let columns = 16
  /// Rows multiplied at a time.
  private static let rows = 6
  private typealias Lanes = SIMD8<Float>

  /// The rows that have to be there to be read.
  static func padded(rows count: Int) -> Int { (count + rows - 1) / rows * rows }

  /// A [rows, k] · B [k, n].
  ///
  /// - Parameters:
  ///   - a: dense, with ``padded(rows:)`` rows; what the last ones hold makes no difference.
  ///   - write: takes 16 columns of a row of the product from the given column on; called from all threads.
  static func multiply(
    _ a: UnsafePointer<Float>, rows count: Int, k: Int, _ panels: UnsafePointer<Float>, n: Int,
    write: (_ row: Int, _ column: Int, _ values: UnsafePointer<Float>) -> Void
  ) {
    parallelFor(n / columns) { panel in
      withScratch(of: Float.self, count: rows * columns) { scratch in
        for first in stride(from: 0, to: count, by: rows) {
          block(a + first * k, k, UnsafeRawPointer(panels + panel * k * columns), into: scratch)
          for row in 0..<min(rows, count - first) {
            write(first + row, panel * columns, scratch + row * columns)
          }
        }
      }
    }
  }

  /// Six rows by one panel; twelve sums, two numbers of B and one of A fill the sixteen registers of AVX2.
  @inline(__always)
  private static func block(
    _ a: UnsafePointer<Float>, _ k: Int, _ panel: UnsafeRawPointer, into c: UnsafeMutablePointer<Float>
  ) {
    let (a1, a2, a3, a4, a5) = (a + k, a + 2 * k, a + 3 * k, a + 4 * k, a + 5 * k)
    var (s0, t0, s1, t1, s2, t2) = (Lanes(), Lanes(), Lanes(), Lanes(), Lanes(), Lanes())
    var (s3, t3, s4, t4, s5, t5) = (Lanes(), Lanes(), Lanes(), Lanes(), Lanes(), Lanes())
    var at = panel
    for i in 0..<k {
      let left = at.load(as: Lanes.self), right = at.load(fromByteOffset: 32, as: Lanes.self)
      at += 64
      s0.addProduct(left, Lanes(repeating: a[i]))
      t0.addProduct(right, Lanes(repeating: a[i]))
      s1.addProduct(left, Lanes(repeating: a1[i]))
      t1.addProduct(right, Lanes(repeating: a1[i]))
      s2.addProduct(left, Lanes(repeating: a2[i]))
      t2.addProduct(right, Lanes(repeating: a2[i]))
      s3.addProduct(left, Lanes(repeating: a3[i]))
      t3.addProduct(right, Lanes(repeating: a3[i]))
      s4.addProduct(left, Lanes(repeating: a4[i]))
      t4.addProduct(right, Lanes(repeating: a4[i]))
      s5.addProduct(left, Lanes(repeating: a5[i]))
      t5.addProduct(right, Lanes(repeating: a5[i]))
    }
    let to = UnsafeMutableRawPointer(c)
    for (row, (s, t)) in [(s0, t0), (s1, t1), (s2, t2), (s3, t3), (s4, t4), (s5, t5)].enumerated() {
      to.storeBytes(of: s, toByteOffset: row * 64, as: Lanes.self)
      to.storeBytes(of: t, toByteOffset: row * 64 + 32, as: Lanes.self)
    }
  }
}
