internal import CNIfTI
internal import CTIFF
import Files
import Foundation
import HDF5
import Transforms

/// Writes the masks of all slices of a file as one file of the same kind, which lies where the images lie.
///
/// Values are uint8. NIfTI keeps the image's header but for type, scale and channels; TIFF keeps the tags of GeoTIFF and the
/// resolution of the first page; HDF5 has the dataset `label`.
public enum MaskVolume {
  /// How the name of such a file ends.
  public static func ending(_ format: VolumeHeader.Format) -> String {
    switch format {
    case .nifti: ".nii.gz"
    case .tiff: ".tif"
    case .numpy: ".npy"
    case .hdf5: ".h5"
    }
  }

  /// - Parameters:
  ///   - masks: one for each slice of `source`, in their order and of their size.
  ///   - path: of the file, which appears when it is complete; until then, an older one stays.
  /// - Throws: ``FileError`` naming the file.
  public static func write(_ masks: [LabelMap], to path: String, like source: VolumeFile) throws {
    let header = source.header
    precondition(masks.count == header.slices)
    precondition(masks.allSatisfy { $0.height == header.height && $0.width == header.width })
    switch header.format {
    case .nifti: try writeNIfTI(masks, to: path, like: source)
    case .tiff: try writeTIFF(masks, to: path, like: source)
    case .numpy: try writeNumPy(masks, to: path, shape: [masks.count, header.height, header.width])
    case .hdf5: try writeHDF5(masks, to: path, shape: [masks.count, header.height, header.width])
    }
  }

  // MARK: NIfTI

  private static func writeNIfTI(_ masks: [LabelMap], to path: String, like source: VolumeFile) throws {
    let file = try GzipFile(source.path)
    var bytes = try file.take(upTo: Int(U2PL_NIFTI_LARGEST_HEADER))
    let raw = try NIfTIHeader.parse(bytes, source.path)
    let extent = withUnsafeBytes(of: raw.extent) { Array($0.bindMemory(to: Int64.self).prefix(3)) }
    let length = u2pl_nifti_mask_header(&bytes, extent)
    // Slices may lie across the order in the file.
    let sliceAxis = raw.slice_axis > 0 ? Int(raw.slice_axis) - 1 : 2
    let plane = [0, 1, 2].filter { $0 != sliceAxis }
    let steps = [1, Int(extent[0]), Int(extent[0] * extent[1])]
    var voxels = [UInt8](repeating: 0, count: Int(extent[0] * extent[1] * extent[2]))
    for (slice, mask) in masks.enumerated() {
      for row in 0..<mask.height {
        let start = slice * steps[sliceAxis] + row * steps[plane[1]]
        for column in 0..<mask.width {
          voxels[start + column * steps[plane[0]]] = mask.values[row * mask.width + column]
        }
      }
    }
    // No extension follows the header.
    try NIfTIWriter.put(Array(bytes[..<length]) + [0, 0, 0, 0], voxels, to: path)
  }

  // MARK: TIFF

  private static func writeTIFF(_ masks: [LabelMap], to path: String, like source: VolumeFile) throws {
    let first = try TIFFHandle(source.path)
    _ = try first.next()
    try FileSystem.replace(path) { _, descriptor in
      let bytes = masks.count * source.header.height * source.header.width
      // Offsets of classic TIFFs have 32 bits.
      guard let out = u2pl_tiff_write(descriptor, path, bytes >= 1 << 31 ? 1 : 0) else {
        throw FileError(description: "\(path): cannot be written: out of memory")
      }
      defer { u2pl_tiff_close(out) }
      for (number, mask) in masks.enumerated() {
        let failed = u2pl_tiff_page_write(
          out, number == 0 ? first.file : nil, UInt32(mask.width), UInt32(mask.height), mask.values, UInt32(number),
          UInt32(masks.count))
        guard failed == 0 else {
          throw FileError(description: "\(path): cannot be written: \(String(cString: u2pl_tiff_message(out)))")
        }
      }
    }
  }

  // MARK: NumPy and HDF5

  private static func writeNumPy(_ masks: [LabelMap], to path: String, shape: [Int]) throws {
    let axes = shape.map(String.init).joined(separator: ", ")
    var header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(axes)), }"
    // Data begins at a multiple of 64 bytes.
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    let length = header.utf8.count
    let start = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(header.utf8)
    try FileSystem.replace(path) { _, descriptor in
      for part in [start] + masks.map(\.values) {
        guard part.withUnsafeBytes({ FileSystem.writeAll(descriptor, $0) }) else {
          throw FileError.system("cannot be written", path)
        }
      }
    }
  }

  private static func writeHDF5(_ masks: [LabelMap], to path: String, shape: [Int]) throws {
    try FileSystem.replace(path) { temporary, _ in
      try HDF5.run {
        var writer = try HDF5Writer(new: temporary, Place(file: path, advice: ""))
        try writer.write(StoredDataset(shape: shape, values: .uint8(masks.flatMap(\.values))), at: "label")
        try writer.close()
      }
    }
  }
}
