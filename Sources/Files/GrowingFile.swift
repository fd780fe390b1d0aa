import Foundation

/// A file of lines that another process appends to, read from where the last reading ended. A file that was cut or replaced is read
/// again from its beginning.
package struct GrowingFile {
  package let path: String
  /// Lines that have been read, whole ones.
  package private(set) var lineCount = 0
  /// Bytes after the last newline, which may be the beginning of a line.
  package var hasRest: Bool { !rest.isEmpty }
  private var offset: off_t = 0
  private var identity: (device: dev_t, node: ino_t)?
  private var rest: [UInt8] = []
  /// The last line that was read and its newline, to find out whether it is still there.
  private var lastLine: [UInt8] = []
  private static let blockSize = 1 << 20

  package init(path: String) { self.path = path }

  /// Hands each new whole line to `body`, with its number, counted from 1.
  ///
  /// - Parameter restart: called before the first line of a file that is read again.
  /// - Throws: ``FileError`` where the file is there and cannot be read; a file that is not there has no lines.
  package mutating func read(
    restart: () -> Void, _ body: (_ line: UnsafeBufferPointer<UInt8>, _ number: Int) throws -> Void
  ) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0, errno == ENOENT { return }
    guard descriptor >= 0 else { throw FileError.system("cannot be read", path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(description: "\(path): is no file")
    }
    let now = (device: status.st_dev, node: status.st_ino)
    if let identity, identity != now || status.st_size < offset || !holdsLastLine(descriptor) {
      (offset, lineCount, rest, lastLine) = (0, 0, [], [])
      restart()
    }
    identity = now
    var block = [UInt8](repeating: 0, count: Self.blockSize)
    while true {
      let count = pread(descriptor, &block, block.count, offset)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileError.system("cannot be read", path) }
      if count == 0 { return }
      offset += off_t(count)
      try hand(block[..<count], to: body)
    }
  }

  /// A run that is resumed cuts its metrics, and may have written more than before since.
  private func holdsLastLine(_ descriptor: Int32) -> Bool {
    guard !lastLine.isEmpty else { return true }
    var there = [UInt8](repeating: 0, count: lastLine.count)
    let place = offset - off_t(rest.count) - off_t(lastLine.count)
    return pread(descriptor, &there, there.count, place) == there.count && there == lastLine
  }

  private mutating func hand(
    _ block: ArraySlice<UInt8>, to body: (UnsafeBufferPointer<UInt8>, Int) throws -> Void
  ) throws {
    guard let last = block.lastIndex(of: UInt8(ascii: "\n")) else { return rest += block }
    var lines = rest
    rest = []
    lines += block[...last]
    lastLine = Array(lines[((lines.dropLast().lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)...])
    if last + 1 < block.endIndex { rest = Array(block[(last + 1)...]) }
    var number = lineCount
    defer { lineCount = number }
    try lines.withUnsafeBufferPointer { lines in
      var start = 0
      while start < lines.count {
        let newline = memchr(lines.baseAddress! + start, 0x0A, lines.count - start)!
        let end = UnsafeRawPointer(newline) - UnsafeRawPointer(lines.baseAddress!)
        number += 1
        try body(UnsafeBufferPointer(rebasing: lines[start..<end]), number)
        start = end + 1
      }
    }
  }
}
