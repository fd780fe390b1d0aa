internal import CFiles
import Foundation
import Synchronization

/// Files that appear under their final name only when they are complete and on the disk.
package enum FileSystem {
  private static let counter = Atomic<Int>(0)

  /// A name for a temporary beside `path`: hidden, and recognised by ``isTemporary(_:)``.
  package static func temporaryPath(for path: String) -> String {
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    return join(directory(of: path), ".\(name(of: path)).\(getpid())-\(number).tmp")
  }

  /// Whether a directory entry is a temporary of this program, of a killed run or of one at work.
  package static func isTemporary(_ name: String) -> Bool {
    name.hasPrefix(".") && name.hasSuffix(".tmp")
  }

  package static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  package static func name(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return path }
    return String(path[path.index(after: slash)...])
  }

  package static func join(_ directory: String, _ name: String) -> String {
    directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
  }

  /// Lets `body` fill a temporary file (given its path and a descriptor open for writing), then puts it at `path`:
  /// fsync, rename, fsync of the directory. When anything fails the temporary is removed and `path` stays as it was.
  package static func replace(_ path: String, _ body: (_ temporary: String, _ descriptor: Int32) throws -> Void) throws
  {
    let temporary = temporaryPath(for: path)
    let descriptor = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError.system("cannot be written", path) }
    defer { close(descriptor) }
    do {
      try body(temporary, descriptor)
      guard fsync(descriptor) == 0 else { throw FileError.system("cannot be written to the disk", path) }
      guard rename(temporary, path) == 0 else { throw FileError.system("cannot be replaced", path) }
    } catch {
      // HDF5 keeps a file open that it could not close; emptied, it takes no room on a disk that may be full.
      _ = ftruncate(descriptor, 0)
      unlink(temporary)
      throw error
    }
    try synchronizeDirectory(of: path)
  }

  /// Reserves room for `bytes` of a file, so that a full disk, or a quota, is noticed before anything is written to it.
  ///
  /// Does nothing on file systems that cannot reserve room. `path` is the file's name in errors.
  package static func reserve(_ descriptor: Int32, bytes: Int, _ path: String) throws {
    guard u2pl_fallocate(descriptor, Int64(bytes)) != 0 else { return }
    switch errno {
    case ENOSPC, EDQUOT, EFBIG: throw FileError.system("cannot be written, it needs \(bytes >> 20) MiB", path)
    default: return
    }
  }

  /// Makes names that were created, replaced or removed in the directory of `path` survive a power cut.
  package static func synchronizeDirectory(of path: String) throws {
    let directory = directory(of: path)
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("cannot be opened", directory) }
    defer { close(descriptor) }
    // Some network file systems have no fsync of a directory.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else {
      throw FileError.system("cannot be written to the disk", directory)
    }
  }

  /// Creates a directory and those above it, as far as they are missing.
  package static func createDirectory(_ path: String) throws {
    if mkdir(path, 0o777) == 0 { return }
    let code = errno
    if code == ENOENT, path != directory(of: path), !path.isEmpty {
      try createDirectory(directory(of: path))
      if mkdir(path, 0o777) == 0 { return }
    }
    if isFolder(path) { return }
    throw FileError.system("directory cannot be created", path, code: code)
  }

  /// The entries of a directory without `.` and `..`, sorted; none when the directory does not exist.
  package static func entries(of path: String) throws -> [String] {
    guard let stream = opendir(path) else {
      if errno == ENOENT { return [] }
      throw FileError.system("directory cannot be listed", path)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Whether there is a directory at `path`.
  package static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// A file's bytes, nil where it cannot be read.
  package static func bytes(_ path: String) -> [UInt8]? { FileManager.default.contents(atPath: path).map(Array.init) }

  /// The destination of a symbolic link, nil when there is none at `path`.
  package static func linkTarget(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 4097)
    let length = readlink(path, &buffer, buffer.count - 1)
    return length < 0 ? nil : String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Writes all bytes at the descriptor's position; false, with `errno`, when the system takes no more.
  package static func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written >= 0 else { return false }
      rest = rest.dropFirst(written)
    }
    return true
  }

  /// Appends all bytes to a file opened for appending, or none of them: what a full disk took is cut off again, so that
  /// the next line does not continue a torn one. False, with `errno`, when the system does not take all.
  package static func appendWhole(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let end = lseek(descriptor, 0, SEEK_END)
    if writeAll(descriptor, bytes) { return true }
    let code = errno
    if end >= 0 { _ = ftruncate(descriptor, end) }
    errno = code
    return false
  }
}

extension FileSystem {
  /// A text as a shell takes it for one word.
  package static func shellWord(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || "/._-+,:=@%".utf8.contains(byte)
    }
    return isPlain && !text.isEmpty ? text : "'\(text.replacing("'", with: "'\\''"))'"
  }

  /// Puts a text at `path` in place of what is there.
  package static func replace(_ path: String, text: String) throws {
    var text = text
    try replace(path) { _, descriptor in
      guard text.withUTF8({ writeAll(descriptor, UnsafeRawBufferPointer($0)) }) else {
        throw FileError.system("cannot be written", path)
      }
    }
  }
}
