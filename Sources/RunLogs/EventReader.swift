import Foundation

/// Reads the events of one attempt's ranks, for a launch: from the end that the files have when the attempt begins.
///
/// Only whole lines are read. Broken lines, and those of other attempts, are passed over. A file that does not exist or
/// cannot be read has no events. One that was replaced or cut is read from its beginning.
package final class EventReader {
  private let channel: EventChannel
  private var file: EventFile
  /// Of rank 0, oldest first.
  private var failures: [RunEvent] = []
  /// Versions of events of this attempt that this program does not read.
  package private(set) var otherVersions: Set<Int> = []

  /// - Parameter channel: the attempt's, whose ranks have not been started.
  package init(_ channel: EventChannel) {
    self.channel = channel
    file = EventFile(path: channel.path, atEnd: true)
  }

  /// The events of rank 0 since the last call, oldest first.
  ///
  /// - Parameter all: whether that has to be what is there now: a network file system may say for some seconds that a
  ///   file is as it was.
  package func read(all: Bool = false) -> [RunEvent] {
    let events = file.read(evenIfUnchanged: all).compactMap(event)
    failures += events.filter(Self.isFailure)
    return events
  }

  /// The last words of a rank, or, where that has told none, the first that any has told.
  package func lastWords(rank: Int?) -> (rank: Int, words: RunEvent.LastWords)? {
    _ = read(all: true)
    let all = (failures + others(with: rank)).sorted { $0.time < $1.time }
    guard let event = all.last(where: { $0.rank == rank }) ?? all.first, case .failed(let words) = event.content else {
      return nil
    }
    return (event.rank, words)
  }

  /// The last words of ranks other than 0, which are all that those tell.
  ///
  /// - Parameter rank: whose file is looked for by its name too: a network file system may not list it yet.
  private func others(with rank: Int?) -> [RunEvent] {
    let base = URL(fileURLWithPath: channel.path)
    let stem = base.deletingPathExtension().lastPathComponent + "-"
    let directory = base.deletingLastPathComponent().path
    var names = Set(
      ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter {
        $0.hasPrefix(stem) && $0.hasSuffix(".jsonl")
      })
    if let rank, rank > 0 { names.insert(URL(fileURLWithPath: channel.path(ofRank: rank)).lastPathComponent) }
    return names.sorted().flatMap { name in
      var file = EventFile(path: "\(directory)/\(name)", atEnd: false)
      return file.read().compactMap(event).filter(Self.isFailure)
    }
  }

  private static func isFailure(_ event: RunEvent) -> Bool { if case .failed = event.content { true } else { false } }

  /// The event of a line, nil unless it is one of the attempt.
  private func event(_ line: some Sequence<UInt8>) -> RunEvent? {
    do {
      let event = try RunEvent(line: line)
      return event.attempt == channel.attempt ? event : nil
    } catch let other as RunEvent.OtherVersion {
      if other.attempt ?? channel.attempt == channel.attempt { otherVersions.insert(other.version) }
    } catch {}
    return nil
  }
}

/// A file of lines that grows, opened whenever it has changed, which is when network file systems look for what other
/// hosts have written.
private struct EventFile {
  /// Bytes; a longer line is no event.
  private static let longestLine = 1 << 20
  /// Bytes read in one call, so that a launch does not neglect its other work.
  private static let mostBytes = 1 << 22

  private let path: String
  private var offset: off_t = 0
  /// The file's identity at the last look.
  private var seen: stat?
  private var rest: [UInt8] = []

  /// - Parameter atEnd: whether what is there already is left out.
  init(path: String, atEnd: Bool) {
    self.path = path
    var status = stat()
    if atEnd, stat(path, &status) == 0 { (seen, offset) = (status, status.st_size) }
  }

  /// The whole lines that have come since the last call.
  ///
  /// - Parameter evenIfUnchanged: whether the file is opened although it seems to be as it was.
  mutating func read(evenIfUnchanged: Bool = false) -> [[UInt8]] {
    var status = stat()
    if !evenIfUnchanged, stat(path, &status) != 0 { return [] }
    if !evenIfUnchanged, let seen, isSame(seen, status), seen.st_size == status.st_size, offset == status.st_size,
      seen.st_mtim.tv_sec == status.st_mtim.tv_sec, seen.st_mtim.tv_nsec == status.st_mtim.tv_nsec
    {
      return []
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return [] }
    if let seen, !isSame(seen, status) || status.st_size < offset { (offset, rest) = (0, []) }
    seen = status
    var lines: [[UInt8]] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let limit = offset + off_t(Self.mostBytes)
    while offset < limit {
      let count = pread(descriptor, &buffer, buffer.count, offset)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      offset += off_t(count)
      rest += buffer[..<count]
      guard let last = rest.lastIndex(of: UInt8(ascii: "\n")) else {
        if rest.count > Self.longestLine { rest = [] }
        continue
      }
      lines += rest[..<last].split(separator: UInt8(ascii: "\n")).map(Array.init)
      rest.removeSubrange(...last)
    }
    return lines
  }

  private func isSame(_ a: stat, _ b: stat) -> Bool { a.st_ino == b.st_ino && a.st_dev == b.st_dev }
}
