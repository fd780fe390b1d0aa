import Foundation

/// Reads one rank's log as it grows.
///
/// Only whole lines are read: text after the last newline may still be incomplete, and waits.
package final class LogReader {
  package let path: String
  /// Numbers of lines that are no log entries, counted from 1.
  package private(set) var broken: [Int] = []
  private var descriptor: Int32
  private var offset = 0
  private var lineNumber = 0
  /// The beginning of a line whose end has not been read yet.
  private var rest: [UInt8] = []
  private var entries: [LogEntry] = []
  private var next = 0
  private static let blockSize = 1 << 18

  package init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LogError("\(path): cannot be read: \(String(cString: strerror(errno)))") }
  }

  deinit { close(descriptor) }

  /// The entry that ``pop()`` will return, nil when there is no whole line more.
  package func peek() throws -> LogEntry? {
    while next == entries.count {
      entries.removeAll(keepingCapacity: true)
      next = 0
      guard try readBlock() else { return nil }
    }
    return entries[next]
  }

  @discardableResult
  package func pop() throws -> LogEntry? {
    let entry = try peek()
    if entry != nil { next += 1 }
    return entry
  }

  /// Reads more of the file.
  ///
  /// - Returns: false when there is no more.
  private func readBlock() throws -> Bool {
    var block = [UInt8](repeating: 0, count: Self.blockSize)
    let count = pread(descriptor, &block, block.count, off_t(offset))
    if count < 0, errno == EINTR { return try readBlock() }
    guard count >= 0 else { throw LogError("\(path): cannot be read: \(String(cString: strerror(errno)))") }
    guard count > 0 else { return false }
    offset += count
    rest += block[..<count]
    guard let last = rest.lastIndex(of: UInt8(ascii: "\n")) else { return true }
    for line in rest[..<last].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      lineNumber += 1
      if let entry = LogEntry(line) { entries.append(entry) } else { broken.append(lineNumber) }
    }
    rest.removeSubrange(...last)
    return true
  }

  /// Begins again where the file has been replaced or cut meanwhile.
  package func reopenIfReplaced() throws {
    var own = stat(), there = stat()
    guard fstat(descriptor, &own) == 0, stat(path, &there) == 0 else { return }
    guard own.st_ino != there.st_ino || own.st_dev != there.st_dev || Int(there.st_size) < offset else { return }
    let new = open(path, O_RDONLY | O_CLOEXEC)
    guard new >= 0 else { return }
    close(descriptor)
    descriptor = new
    (offset, lineNumber) = (0, 0)
    rest = []
  }
}

/// Why logs cannot be read, in one sentence.
package struct LogError: Error, CustomStringConvertible, Sendable {
  package let description: String
  package init(_ description: String) { self.description = description }
}
