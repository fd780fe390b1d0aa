internal import COpenBLAS

/// Single-threaded matrix products by OpenBLAS; callers spread calls over the pool.
///
/// Every call's shape must be a property of the sample or anchor it is for, never of the rank's share: kernels for
/// other shapes may round differently.
public enum BLAS {
  /// Loads the library with kernels for this CPU. Call once, before the first product.
  ///
  /// - Throws: ``ComputeError`` when OpenBLAS is not installed.
  public static func load() throws {
    if let problem = u2pl_blas_load() { throw ComputeError(description: String(cString: problem)) }
  }

  /// The kernel set in use, such as `SkylakeX`.
  public static var core: String { String(cString: u2pl_blas_core()) }

  /// The library's version, such as `0.3.21`; nil where it does not say.
  public static var version: String? {
    let words = String(cString: u2pl_blas_config()).split(separator: " ")
    return words.count > 1 && words[0] == "OpenBLAS" ? String(words[1]) : nil
  }

  /// y[m] = A[m,n] · x[n], A row-major.
  public static func multiply(
    _ a: UnsafePointer<Float>, rows m: Int, columns n: Int, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    u2pl_sgemv(0, Int32(m), Int32(n), 1, a, Int32(n), x, 0, y)
  }

  /// y[n] = A[m,n]ᵀ · x[m], A row-major.
  public static func multiplyTransposed(
    _ a: UnsafePointer<Float>, rows m: Int, columns n: Int, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    u2pl_sgemv(1, Int32(m), Int32(n), 1, a, Int32(n), x, 0, y)
  }
}

/// Something the compute libraries could not do.
public struct ComputeError: Error, CustomStringConvertible, Sendable {
  public let description: String
  public init(description: String) { self.description = description }
}
