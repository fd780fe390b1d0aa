import Checkpoint
import Files
import Foundation
import HDF5

extension SafetensorsFile {
  /// Writes tensors, in this order, to `path`: to a temporary name in the same directory, then fsync, rename, fsync of the
  /// directory. Equal tensors give equal files.
  ///
  /// Values keep their types: F32, F64, I32, I64, U8. Throws a ``CheckpointError`` when a name comes twice, a shape does
  /// not fit its values, or the system refuses; what was at `path` then stays.
  public static func write(
    _ tensors: [(name: String, dataset: StoredDataset)], metadata: [String: String] = ["format": "pt"], to path: String
  ) throws {
    var names: Set<String> = ["__metadata__"]
    for (name, dataset) in tensors {
      let place = "\(path): tensor '\(name)'"
      guard names.insert(name).inserted else { throw CheckpointError(description: "\(place): the name is taken") }
      guard CheckpointFile.product(dataset.shape) == dataset.values.count else {
        throw CheckpointError(
          description: "\(place): \(dataset.values.count) values do not fill the shape \(dataset.shape)")
      }
    }
    let header = try SafetensorsHeader.text(
      tensors.map { ($0.name, $0.dataset.values.safetensorsType, $0.dataset.shape) }, metadata: metadata)
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { [UInt8]($0) }
    try FileSystem.replace(path) { _, descriptor in
      func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard FileSystem.writeAll(descriptor, bytes) else { throw CheckpointError.system("cannot be written", path) }
      }
      try (length + header).withUnsafeBytes(write)
      // The memory of the machines this runs on is little-endian, as the format is.
      for tensor in tensors { try tensor.dataset.values.withUnsafeBytes(write) }
    }
  }
}

extension DatasetValues {
  fileprivate var safetensorsType: SafetensorsType {
    switch self {
    case .float32: .f32
    case .float64: .f64
    case .int16: .i16
    case .int32: .i32
    case .int64: .i64
    case .uint8: .u8
    case .uint16: .u16
    }
  }
}
