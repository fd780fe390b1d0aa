import Files
import Foundation
import HDF5

/// The first 512 bytes of a checkpoint: text that gives the length and a checksum of everything after them.
///
/// HDF5 sets this room aside (its "user block") and reads past it. The seal is looked at before the library sees a byte:
/// its heap of attribute strings has no checksum, and one bit flipped there makes HDF5 1.10.8 loop for ever or crash.
package enum Seal {
  package static let size = 512
  private static let title = "u2pl checkpoint\n"
  private static let blockSize = 1 << 20

  /// Whether the file begins like a sealed one.
  package static func isPresent(_ descriptor: Int32) -> Bool {
    var bytes = [UInt8](repeating: 0, count: title.utf8.count)
    return pread(descriptor, &bytes, bytes.count, 0) == bytes.count && bytes.elementsEqual(title.utf8)
  }

  /// Fills the user block of a file that is otherwise complete.
  static func write(_ descriptor: Int32, _ place: Place) throws {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw CheckpointError.system("cannot be written", place.file) }
    let text = try text(descriptor, bytes: Int(status.st_size) - size, Digest(wide: true), place)
    guard pwrite(descriptor, text, text.count, 0) == text.count else {
      throw CheckpointError.system("cannot be written", place.file)
    }
  }

  /// Throws unless the file, of `fileSize` bytes, is as it was when it was sealed.
  static func verify(_ descriptor: Int32, fileSize: Int, _ place: Place) throws {
    var found = [UInt8](repeating: 0, count: size)
    guard pread(descriptor, &found, size, 0) == size else { throw place.error("is truncated to \(fileSize) bytes") }
    let lines = found.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    let bytes = lines.dropFirst().first.flatMap { Int($0.dropFirst("bytes ".count)) }
    guard let bytes else { throw place.error("its beginning is damaged") }
    // Before anything is read: a file grown by a terabyte of holes would keep the checksum busy for long.
    if fileSize - size != bytes {
      let how = fileSize - size < bytes ? "is truncated" : "has grown"
      throw place.error("\(how): \(fileSize - size) of \(bytes) bytes follow its first \(size)")
    }
    let digest = Digest(like: String(lines.dropFirst(2).first?.dropFirst("checksum ".count) ?? ""))
    guard found == (try text(descriptor, bytes: fileSize - size, digest, place)) else {
      throw place.error("is damaged or was changed after it was written: its checksum does not match")
    }
  }

  /// The seal that fits the `bytes` bytes after it.
  ///
  /// - Parameter digest: of the kind to use; nothing has been added to it.
  private static func text(_ descriptor: Int32, bytes: Int, _ digest: Digest, _ place: Place) throws -> [UInt8] {
    var digest = digest
    var block = [UInt8](repeating: 0, count: blockSize)
    var done = 0
    while done < bytes {
      let wanted = min(blockSize, bytes - done)
      let read = pread(descriptor, &block, wanted, off_t(size + done))
      if read < 0 && errno == EINTR { continue }
      guard read >= 0 else { throw CheckpointError.system("cannot be read", place.file) }
      guard read == wanted else { throw place.error("cannot be read: it is being changed, or its disk is failing") }
      block.withUnsafeBytes { digest.add(UnsafeRawBufferPointer(rebasing: $0[..<wanted])) }
      done += wanted
    }
    let text = Array("\(title)bytes \(bytes)\nchecksum \(digest.text)\n".utf8)
    return text + [UInt8](repeating: 0, count: size - text.count)
  }
}
