internal import COneDNN
import Compute

/// A compiled batch of matrix products C = A · B of one shape, on all threads; row-major float32.
final class MatrixProduct {
  private let handle: OpaquePointer

  /// - Parameters:
  ///   - size: A is m × k, B k × n, C m × n; B and C are dense.
  ///   - batch: number of products.
  ///   - transposed: whether A is stored as k × m.
  ///   - aRow: elements between stored rows of A; dense if not given.
  ///   - strides: elements between one product's A, B, C and the next one's.
  init(
    _ size: (m: Int, k: Int, n: Int), batch: Int, transposed: Bool = false, aRow: Int? = nil,
    strides: (a: Int, b: Int, c: Int)
  ) throws {
    let (m, k, n) = size
    var shape = u2pl_matmul_shape(
      batch: Int32(batch), m: Int32(m), k: Int32(k), n: Int32(n), transposed: transposed ? 1 : 0,
      a_row: Int64(aRow ?? (transposed ? m : k)), a_stride: Int64(strides.a), b_stride: Int64(strides.b),
      c_stride: Int64(strides.c))
    guard let handle = u2pl_matmul_create(&shape) else {
      throw ComputeError(
        description: "no kernel for \(batch) products of \(m)×\(k) by \(k)×\(n): "
          + String(cString: u2pl_onednn_error()))
    }
    self.handle = handle
  }

  deinit { u2pl_matmul_destroy(handle) }

  func execute(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>) throws {
    guard u2pl_matmul_execute(handle, a, b, c) == 0 else {
      throw ComputeError(description: String(cString: u2pl_onednn_error()))
    }
  }
}
