import Files
import Foundation

/// Reads and writes whole files, with messages that name the file.
public enum FileBytes {
  /// The bytes of a regular file.
  ///
  /// - Throws: ``DatasetError`` with the system's reason.
  static func read(_ path: String) throws -> [UInt8] {
    // Non-blocking, so that a pipe in the place of an image is refused below, and opening it does not wait.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else {
      let reason = reason()
      throw problem(path, brokenLink(path) ?? "cannot be opened: \(reason)")
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw problem(path, "cannot be examined: \(reason())") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw problem(path, "is not a file") }
    let size = Int(status.st_size)
    var failure: String?
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let got = Foundation.read(file, buffer.baseAddress! + count, size - count)
        if got < 0, errno == EINTR { continue }
        if got < 0 { failure = reason() }
        if got <= 0 { break }
        count += got
      }
    }
    if let failure { throw problem(path, "cannot be read: \(failure)") }
    return bytes
  }

  /// Reads a piece of an open file.
  ///
  /// - Parameter name: the piece's name in messages.
  static func read(_ file: Int32, at offset: Int, count size: Int, _ name: String) throws -> [UInt8] {
    var failure: String?
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let got = pread(file, buffer.baseAddress! + count, size - count, off_t(offset + count))
        if got < 0, errno == EINTR { continue }
        if got < 0 { failure = reason() }
        if got == 0 { failure = "the file ends too early" }
        if got <= 0 { break }
        count += got
      }
    }
    if let failure { throw problem(name, "cannot be read: \(failure)") }
    return bytes
  }

  /// Writes a piece of an open file.
  ///
  /// - Parameter name: the file's name in messages.
  static func write(_ bytes: [UInt8], to file: Int32, at offset: Int, _ name: String) throws {
    try bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let put = pwrite(file, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
        if put < 0, errno == EINTR { continue }
        guard put > 0 else { throw problem(name, "cannot be written: \(reason())") }
        done += put
      }
    }
  }

  /// Writes a whole file; on an error the old one stays.
  static func write(_ data: Data, to path: String) throws {
    do {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw problem(path, "cannot be written: \(error.localizedDescription)")
    }
  }

  /// What is wrong with a symbolic link that leads nowhere; nil where the path is none.
  public static func brokenLink(_ path: String) -> String? {
    var status = stat()
    guard stat(path, &status) != 0 else { return nil }
    let code = errno
    guard code == ENOENT || code == ENOTDIR || code == ELOOP, let target = FileSystem.linkTarget(path) else {
      return nil
    }
    return code == ELOOP
      ? "is a link that leads in a circle (to \(target))"
      : "is a link that leads nowhere: \(target) does not exist" + StorePointer.advice(linkTo: target, path)
  }

  /// Tells a file's bytes from others, without reading them: a digest of its path, size, and time of the last change.
  ///
  /// - Parameter part: the name of the piece of the file that is meant; empty for all of it.
  /// - Returns: nil where the file cannot be examined.
  static func stamp(_ path: String, part: String = "") -> UInt64? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    var digest = Digest()
    digest.add(path)
    digest.add(part)
    for number in [Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec] {
      digest.add(UInt64(bitPattern: Int64(number)))
    }
    return digest.value
  }

  static func problem(_ path: String, _ what: String) -> DatasetError {
    DatasetError(description: "\(path): \(what)")
  }

  static func reason() -> String { String(cString: strerror(errno)) }
}
