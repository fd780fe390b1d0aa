import Foundation
import Synchronization

/// Contents of compressed files that were read last, in memory: finding a slice in one takes decompressing all before it.
enum DecompressedVolumes {
  /// Bytes that are kept in a process.
  static let most = 256 << 20

  private struct Entry {
    let stamp: [Int]
    let bytes: [UInt8]
    /// When it was used last.
    var turn: Int
  }

  private struct Kept {
    var entries: [String: Entry] = [:]
    var turn = 0
  }

  private static let kept = Mutex(Kept())

  /// The whole content of a file, from memory where the file has not changed since.
  ///
  /// - Parameter read: decompresses it; two threads may do so at the same time.
  static func bytes(_ file: OpenFile, _ read: () throws -> [UInt8]) throws -> [UInt8] {
    let stamp = file.stamp
    let known = kept.withLock { kept -> [UInt8]? in
      guard var entry = kept.entries[file.path], entry.stamp == stamp else { return nil }
      kept.turn += 1
      entry.turn = kept.turn
      kept.entries[file.path] = entry
      return entry.bytes
    }
    if let known { return known }
    let bytes = try read()
    kept.withLock { kept in
      kept.turn += 1
      kept.entries[file.path] = Entry(stamp: stamp, bytes: bytes, turn: kept.turn)
      var total = kept.entries.values.reduce(0) { $0 + $1.bytes.count }
      while total > most, let oldest = kept.entries.min(by: { $0.value.turn < $1.value.turn }) {
        total -= oldest.value.bytes.count
        kept.entries[oldest.key] = nil
      }
    }
    return bytes
  }
}
