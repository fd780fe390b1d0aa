import Files
import Foundation

/// Frames of TFRecord: the length of the data, 64 bits little-endian, its checksum, the data, their checksum.
package enum RecordFrame {
  static func framed(_ data: Data) -> [UInt8] {
    let length = withUnsafeBytes(of: UInt64(data.count).littleEndian) { Array($0) }
    var frame: [UInt8] = []
    frame.reserveCapacity(data.count + 16)
    frame += length
    frame += checksum(length)
    frame += data
    frame += data.withUnsafeBytes { bytes(masked(CRC32C.value($0))) }
    return frame
  }

  private static func checksum(_ data: [UInt8]) -> [UInt8] { data.withUnsafeBytes { bytes(masked(CRC32C.value($0))) } }

  /// A checksum of data that hold checksums themselves should not be one of theirs.
  package static func masked(_ checksum: UInt32) -> UInt32 { (checksum >> 15 | checksum << 17) &+ 0xa282_ead8 }

  private static func bytes(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
}

/// The CRC-32 of Castagnoli's polynomial, reflected (RFC 3720, B.4).
package enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
  }

  package static func value(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      var state = UInt32.max
      for byte in bytes { state = state >> 8 ^ table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] }
      return ~state
    }
  }
}
