import Checkpoint
import Foundation
import HDF5

/// A file in the safetensors format, open for reading: 8 bytes that give the header's length, the header, the data
/// (https://github.com/huggingface/safetensors).
public struct SafetensorsFile: ~Copyable {
  public let path: String
  /// In the order of their bytes.
  public let tensors: [SafetensorsTensor]
  /// Free text, such as `format: pt`.
  public let metadata: [String: String]

  private let bytes: RegularFile
  private let dataStart: Int

  /// Opens a file and checks its header; the data stays on the disk.
  ///
  /// Throws a ``CheckpointError`` that names the file, the tensor, and what is wrong with it.
  public init(_ path: String) throws {
    let bytes = try RegularFile.open(path)
    let size = bytes.size
    guard size >= 8 else { throw Self.error(path, "", "is \(size) bytes long, which is no safetensors file") }
    let length = try bytes.read(at: 0, count: 8).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard length >= 2, length <= UInt64(SafetensorsHeader.longest) else {
      throw Self.error(
        path, "", "says its header is \(length) bytes long, which can be 2 to \(SafetensorsHeader.longest)")
    }
    let dataStart = 8 + Int(length)
    guard dataStart <= size else {
      throw Self.error(path, "", "is cut short: \(size) bytes, of which its header alone has \(dataStart)")
    }
    let text = try bytes.read(at: 8, count: Int(length))
    let header = try SafetensorsHeader(text, dataBytes: size - dataStart, file: path)
    (tensors, metadata) = (header.tensors, header.metadata)
    self.path = path
    self.dataStart = dataStart
    self.bytes = bytes
  }

  /// The values of a tensor: float32 of any floating-point type (F16, BF16, F32, F64), int64 of any integer.
  ///
  /// Numbers of F64 beyond float32's range become infinite.
  public func read(_ tensor: SafetensorsTensor) throws -> StoredDataset {
    let count = tensor.range.count / tensor.type.size
    let stored = try bytes.read(at: dataStart + tensor.range.lowerBound, count: tensor.range.count)
    return try stored.withUnsafeBytes { raw in
      func load<Bits: FixedWidthInteger & BitwiseCopyable>(_ i: Int, _: Bits.Type) -> Bits {
        Bits(littleEndian: raw.loadUnaligned(fromByteOffset: i * MemoryLayout<Bits>.size, as: Bits.self))
      }
      func floats(_ value: (Int) -> Float) -> StoredDataset {
        StoredDataset(shape: tensor.shape, values: .float32((0..<count).map(value)))
      }
      func integers<Bits: FixedWidthInteger & BitwiseCopyable>(_ type: Bits.Type) throws -> StoredDataset {
        StoredDataset(
          shape: tensor.shape,
          values: .int64(
            try (0..<count).map {
              guard let value = Int64(exactly: load($0, type)) else {
                throw Self.error(path, "tensor '\(tensor.name)'", "has a number beyond 2^63")
              }
              return value
            }))
      }
      switch tensor.type {
      case .f32: return floats { Float(bitPattern: load($0, UInt32.self)) }
      case .f16: return floats { Float(half: load($0, UInt16.self)) }
      case .bf16: return floats { Float(bitPattern: UInt32(load($0, UInt16.self)) << 16) }
      case .f64: return floats { Float(Double(bitPattern: load($0, UInt64.self))) }
      case .bool, .u8: return try integers(UInt8.self)
      case .i8: return try integers(Int8.self)
      case .i16: return try integers(Int16.self)
      case .u16: return try integers(UInt16.self)
      case .i32: return try integers(Int32.self)
      case .u32: return try integers(UInt32.self)
      case .i64: return try integers(Int64.self)
      case .u64: return try integers(UInt64.self)
      case .f8e4m3, .f8e5m2, .f8e8m0, .c64:
        throw CheckpointError(
          description: "\(path): tensor '\(tensor.name)': has dtype \(tensor.type.rawValue), which is not converted; "
            + "store it as F32")
      }
    }
  }

  /// What is wrong at a place in a file, and what can be done about files that are damaged.
  static func error(_ path: String, _ place: String, _ what: String) -> CheckpointError {
    CheckpointError(
      description: "\(path): \(place.isEmpty ? "" : "\(place): ")\(what); fetch the file again or convert it again")
  }
}

/// A regular file, open for reading at any place.
private struct RegularFile: ~Copyable {
  let size: Int
  private let path: String
  private let descriptor: Int32

  static func open(_ path: String) throws -> RegularFile {
    // A pipe would let the call wait for its other end.
    let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw CheckpointError.system("cannot be read", path) }
    let file = RegularFile(path, descriptor)
    guard file.size >= 0 else { throw CheckpointError(description: "\(path): is not a file") }
    return file
  }

  private init(_ path: String, _ descriptor: Int32) {
    var status = stat()
    let isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    size = isRegular ? Int(status.st_size) : -1
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  func read(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
      while done < count {
        let read = pread(descriptor, buffer.baseAddress! + done, count - done, off_t(offset + done))
        if read < 0 && errno == EINTR { continue }
        guard read >= 0 else { throw CheckpointError.system("cannot be read", path) }
        guard read > 0 else {
          throw CheckpointError(
            description: "\(path): has become shorter while it was read; try again once it is completely written")
        }
        done += read
      }
    }
  }
}

extension Float {
  /// The value of an IEEE 754 half-precision number, exactly.
  init(half bits: UInt16) {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1F), fraction = UInt32(bits & 0x3FF)
    switch exponent {
    case 0:
      // A subnormal's fraction counts units of 2⁻²⁴.
      self = Float(bitPattern: Float(fraction).bitPattern | sign) * 0x1p-24
    case 31: self.init(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: self.init(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }
}
