import Files
import Foundation
import Synchronization
import Volumes

/// Headers of volumes that have been read, so that each slice does not read its volume's again.
enum OpenVolumes {
  private struct Key: Hashable {
    let path: String
    let isMask: Bool
  }

  private static let known = Mutex<[Key: (stamp: UInt64?, file: VolumeFile)]>([:])
  private static let most = 4096

  /// - Throws: ``DatasetError`` naming the file.
  static func open(_ path: String, _ purpose: VolumeFile.Purpose) throws -> VolumeFile {
    let key = Key(path: path, isMask: purpose == .mask), stamp = FileBytes.stamp(path)
    if let found = known.withLock({ $0[key] }), found.stamp == stamp { return found.file }
    let file = try translated { try VolumeFile(path, for: purpose) }
    known.withLock { known in
      if known.count >= most { known.removeAll() }
      known[key] = (stamp, file)
    }
    return file
  }

  /// What reading a volume throws, as this module's error.
  static func translated<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as FileError { throw DatasetError(description: error.description) }
  }
}
