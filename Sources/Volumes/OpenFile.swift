import Files
import Foundation

/// A regular file that is open for reading until the value is gone.
final class OpenFile {
  let path: String
  let descriptor: Int32
  let size: Int
  /// Tells the file from others and from itself at other times: number, size, and time of the last change.
  let stamp: [Int]

  /// - Throws: ``FileError`` with the system's reason.
  init(_ path: String) throws {
    // Non-blocking, so that a pipe in the place of a file is refused, and opening it does not wait.
    descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    self.path = path
    guard descriptor >= 0 else {
      (size, stamp) = (0, [])
      throw FileError.system("cannot be opened", path)
    }
    var status = stat()
    let failed = fstat(descriptor, &status) != 0
    size = failed ? 0 : Int(status.st_size)
    stamp = [
      Int(status.st_dev), Int(status.st_ino), size, Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec),
    ]
    guard !failed, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(description: "\(path): is not a file; correct the path")
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Bytes that the file has.
  func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    var failure: String?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
      while done < count {
        let got = pread(descriptor, buffer.baseAddress! + done, count - done, off_t(offset + done))
        if got < 0, errno == EINTR { continue }
        if got < 0 { failure = String(cString: strerror(errno)) }
        if got == 0 { failure = "the file ends too early" }
        if got <= 0 { break }
        done += got
      }
    }
    if let failure { throw FileError(description: "\(path): cannot be read: \(failure); copy or download it again") }
    return bytes
  }
}
