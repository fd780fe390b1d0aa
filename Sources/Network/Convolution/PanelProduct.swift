import Compute

/// Products of few rows with a large matrix that lies in panels of 16 columns: panel by panel, 16 numbers for each of
/// its k rows.
///
/// Reading the matrix limits their speed, so it is read once. Each element is summed in the order of k in a register of
/// its own: a row's result has the same bits whatever other rows there are, which no library promises.
enum PanelProduct {
  static let columns = 16
  /// Rows multiplied at a time.
  static let rows = 6
  private typealias Lanes = SIMD8<Float>

  /// `count` rounded up to a multiple of ``rows``: so many rows are read.
  static func padded(rows count: Int) -> Int { (count + rows - 1) / rows * rows }

  /// A [rows, k] · B [k, n].
  ///
  /// - Parameters:
  ///   - a: dense, with ``padded(rows:)`` rows; the content of the last ones has no effect.
  ///   - write: receives 16 columns of a row of the product, from the given column on; called from all threads.
  static func multiply(
    _ a: UnsafePointer<Float>, rows count: Int, k: Int, _ panels: UnsafePointer<Float>, n: Int,
    write: (_ row: Int, _ column: Int, _ values: UnsafePointer<Float>) -> Void
  ) {
    parallelFor(n / columns) { panel in
      withScratch(of: Float.self, count: rows * columns) { scratch in
        for first in stride(from: 0, to: count, by: rows) {
          block(a + first * k, k, panels + panel * k * columns, into: scratch, row: columns)
          for row in 0..<min(rows, count - first) {
            write(first + row, panel * columns, scratch + row * columns)
          }
        }
      }
    }
  }

  /// Six rows by one panel; twelve sums, two numbers of B and one of A fill the sixteen registers of AVX2.
  ///
  /// - Parameter row: from one row of the result to the next.
  @inline(__always)
  static func block(
    _ a: UnsafePointer<Float>, _ k: Int, _ panel: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>, row: Int
  ) {
    let (a1, a2, a3, a4, a5) = (a + k, a + 2 * k, a + 3 * k, a + 4 * k, a + 5 * k)
    var (s0, t0, s1, t1, s2, t2) = (Lanes(), Lanes(), Lanes(), Lanes(), Lanes(), Lanes())
    var (s3, t3, s4, t4, s5, t5) = (Lanes(), Lanes(), Lanes(), Lanes(), Lanes(), Lanes())
    var at = UnsafeRawPointer(panel)
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
    store(s0, t0, c)
    store(s1, t1, c + row)
    store(s2, t2, c + 2 * row)
    store(s3, t3, c + 3 * row)
    store(s4, t4, c + 4 * row)
    store(s5, t5, c + 5 * row)
  }

  @inline(__always)
  private static func store(_ left: Lanes, _ right: Lanes, _ to: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(to).storeBytes(of: left, as: Lanes.self)
    UnsafeMutableRawPointer(to + 8).storeBytes(of: right, as: Lanes.self)
  }

  /// Four columns of A, transposed, by one panel: element (i, j) is the sum over k of a[16 k + i] · panel[16 k + j].
  ///
  /// - Parameters:
  ///   - row: from one row of the result to the next.
  ///   - adds: whether the result is added to what is there.
  @inline(__always)
  static func transposedBlock(
    _ a: UnsafePointer<Float>, _ k: Int, _ panel: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>, row: Int,
    adds: Bool
  ) {
    var (s0, t0, s1, t1) = (Lanes(), Lanes(), Lanes(), Lanes())
    var (s2, t2, s3, t3) = (Lanes(), Lanes(), Lanes(), Lanes())
    if adds {
      func load(_ from: UnsafePointer<Float>) -> (Lanes, Lanes) {
        (UnsafeRawPointer(from).load(as: Lanes.self), UnsafeRawPointer(from + 8).load(as: Lanes.self))
      }
      (s0, t0) = load(c)
      (s1, t1) = load(c + row)
      (s2, t2) = load(c + 2 * row)
      (s3, t3) = load(c + 3 * row)
    }
    var at = UnsafeRawPointer(panel)
    var from = a
    for _ in 0..<k {
      let left = at.load(as: Lanes.self), right = at.load(fromByteOffset: 32, as: Lanes.self)
      s0.addProduct(left, Lanes(repeating: from[0]))
      t0.addProduct(right, Lanes(repeating: from[0]))
      s1.addProduct(left, Lanes(repeating: from[1]))
      t1.addProduct(right, Lanes(repeating: from[1]))
      s2.addProduct(left, Lanes(repeating: from[2]))
      t2.addProduct(right, Lanes(repeating: from[2]))
      s3.addProduct(left, Lanes(repeating: from[3]))
      t3.addProduct(right, Lanes(repeating: from[3]))
      at += 64
      from += 16
    }
    store(s0, t0, c)
    store(s1, t1, c + row)
    store(s2, t2, c + 2 * row)
    store(s3, t3, c + 3 * row)
  }
}
