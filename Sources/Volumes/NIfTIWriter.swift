internal import CNIfTI
import Files
import Foundation
import Transforms

/// Writes new NIfTI-1 files. Equal contents give equal files.
public enum NIfTIWriter {
  /// - Parameters:
  ///   - values: slices × rows × columns.
  ///   - spacing: in mm. Columns run to the left of a patient, rows to the back, slices upwards.
  /// - Throws: ``FileError`` naming the file.
  public static func write(
    _ values: Raster.Values, _ shape: (slices: Int, rows: Int, columns: Int), _ spacing: VolumeHeader.Spacing,
    to path: String
  ) throws {
    precondition(values.count == shape.slices * shape.rows * shape.columns)
    let bytes: [UInt8]
    let code: Int32
    switch values {
    case .uint8(let values): (bytes, code) = (values, 2)
    case .int16(let values): (bytes, code) = (Self.bytes(values), 4)
    case .float32(let values): (bytes, code) = (Self.bytes(values), 16)
    case .uint16(let values): (bytes, code) = (Self.bytes(values), 512)
    }
    var head = [UInt8](repeating: 0, count: 352)
    u2pl_nifti_new_header(
      &head, [Int64(shape.columns), Int64(shape.rows), Int64(shape.slices)],
      [spacing.column, spacing.row, spacing.slice], code)
    try put(head, bytes, to: path)
  }

  /// Writes a header and voxels, compressed where the name ends in `.gz`.
  static func put(_ head: [UInt8], _ voxels: [UInt8], to path: String) throws {
    try FileSystem.replace(path) { _, descriptor in
      guard let out = u2pl_gzip_write(descriptor, path.lowercased().hasSuffix(".gz") ? 1 : 0) else {
        throw FileError.system("cannot be written", path)
      }
      let failed = u2pl_gzip_put(out, head, head.count) + u2pl_gzip_put(out, voxels, voxels.count)
      guard u2pl_gzip_close(out) + failed == 0 else { throw FileError.system("cannot be written", path) }
    }
  }

  private static func bytes<Value: BitwiseCopyable>(_ values: [Value]) -> [UInt8] {
    values.withUnsafeBytes { Array($0) }
  }
}
