import Checkpoint
import Dataset
import Distributed
import Files

/// Which images a run has decoded once, beside the run: a resume need not decode them again.
///
/// A text file: a line that says what it is, then a line for each image with 16 hexadecimal digits, the digest of its path,
/// size, and time of the last change (``ImageSet/stamp(_:)``). Removing it costs no more than the time to decode.
struct VerifiedImages {
  private(set) var stamps: Set<UInt64> = []

  private static let head = "u2pl verified images, version 1"

  init() {}

  /// What an earlier start of the run has left; nothing where there is no such file, or it is no such file.
  init(path: String) {
    guard let text = String(validating: FileSystem.bytes(path) ?? [], as: UTF8.self) else { return }
    let lines = text.split(separator: "\n")
    guard lines.first.map(String.init) == Self.head else { return }
    stamps = Set(lines.dropFirst().compactMap { UInt64($0, radix: 16) })
  }

  /// As rank 0 has read it. Collective.
  init(path: String?, ranks: Communicator) throws {
    let own = ranks.rank == 0 ? path.map(VerifiedImages.init(path:)) ?? .init() : .init()
    let count = Int(try ranks.broadcast([Int64(own.stamps.count)], from: 0)[0])
    let all = ranks.rank == 0 ? Array(own.stamps) : [UInt64](repeating: 0, count: count)
    stamps = Set(try ranks.broadcast(all, from: 0))
  }

  func contains(_ stamp: UInt64) -> Bool { stamps.contains(stamp) }

  mutating func insert(_ new: [UInt64]) { stamps.formUnion(new) }

  /// - Throws: `FileError`.
  func write(to path: String) throws {
    let lines = stamps.sorted().map { stamp in
      let digits = String(stamp, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    let bytes = Array(([Self.head] + lines).joined(separator: "\n").utf8) + [UInt8(ascii: "\n")]
    try FileSystem.replace(path) { _, descriptor in
      guard bytes.withUnsafeBytes({ FileSystem.writeAll(descriptor, $0) }) else {
        throw FileError.system("cannot be written", path)
      }
    }
  }
}
