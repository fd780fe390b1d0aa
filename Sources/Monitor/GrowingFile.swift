import Foundation

/// A file of lines that another process appends to. Only whole lines are read; one that has been replaced or cut is read again
/// from its beginning.
package struct GrowingFile {
  private static let blockSize = 1 << 20
  /// A longer line is none.
  private static let longestLine = 1 << 24

  let path: String
  private var offset: off_t = 0
  private var identity: [UInt64] = []
  /// The last line that was read, to find out whether it is still there.
  private var last: [UInt8] = []
  private var rest: [UInt8] = []

  package init(_ path: String) { self.path = path }

  /// The lines that have come since the last call.
  ///
  /// - Parameter restart: called where the file is read from its beginning again.
  package mutating func read(restart: () -> Void, _ line: (ArraySlice<UInt8>) -> Void) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return }
    let now = [UInt64(status.st_dev), UInt64(status.st_ino)]
    if !identity.isEmpty, now != identity || status.st_size < offset || !holdsLast(descriptor) {
      (offset, last, rest) = (0, [], [])
      restart()
    }
    identity = now
    var block = [UInt8](repeating: 0, count: Self.blockSize)
    while true {
      let count = pread(descriptor, &block, block.count, offset)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      offset += off_t(count)
      rest += block[..<count]
      var start = rest.startIndex
      while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
        if end > start { line(rest[start..<end]) }
        last = Array(rest[start...end])
        start = end + 1
      }
      rest.removeSubrange(..<start)
      if rest.count > Self.longestLine { rest = [] }
    }
  }

  /// A run that is resumed cuts its metrics, and may have written more since.
  private func holdsLast(_ descriptor: Int32) -> Bool {
    guard !last.isEmpty else { return true }
    var there = [UInt8](repeating: 0, count: last.count)
    let place = offset - off_t(rest.count) - off_t(last.count)
    return pread(descriptor, &there, there.count, place) == there.count && there == last
  }
}
