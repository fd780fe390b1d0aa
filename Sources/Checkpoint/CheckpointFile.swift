import Files
import Foundation
import HDF5

/// Reading and writing whole checkpoints.
///
/// A checkpoint is an HDF5 file in the 1.10 format, whose metadata carries checksums of its own. Datasets are chunked
/// with Fletcher32 checksums; scalars and empty ones lie in the metadata. The root attribute `format_version` says how
/// to read it, and `digest` covers every path, shape, type, value and attribute. The first 512 bytes, HDF5's user block,
/// hold a checksum of the rest of the file: a file edited in place no longer reads. Equal contents give equal files.
public enum CheckpointFile {
  /// The version this code writes, and the newest it reads.
  static let formatVersion: Int64 = 1
  static let versionName = "format_version"
  static let digestName = "digest"

  /// Writes `contents` to `path`: to a temporary name in the same directory, then fsync, rename, fsync of the directory.
  ///
  /// A kill or power cut at any moment leaves at `path` what was there, or the complete new file. On any error (a full
  /// disk too) the temporary is removed and what was there stays. Missing directories are not created.
  ///
  /// Throws a ``CheckpointError`` when a shape does not fit its values, a name cannot be stored, or the system or HDF5
  /// refuses.
  public static func write(_ contents: CheckpointContents, to path: String) throws {
    try validate(contents, Place(file: path, advice: ""))
    let place = Place(file: path, advice: "what was there is unchanged; make room or choose another place")
    try FileSystem.replace(path) { temporary, descriptor in
      // HDF5 starts with an empty file and gives the room back; but it keeps open for ever a file that it could not write,
      // and a run may try for days.
      try FileSystem.reserve(descriptor, bytes: estimatedSize(of: contents), path)
      try HDF5.run { try write(contents, toNew: temporary, place) }
      try Seal.write(descriptor, place)
    }
  }

  /// Bytes of the file, more rather than less: data, checksums and rests of chunks, headers.
  private static func estimatedSize(of contents: CheckpointContents) -> Int {
    let data = contents.datasets.values.reduce(0) { $0 + $1.bytes }
    return data + data / 64 + 2048 * contents.datasets.count + 65536
  }

  /// Refuses what HDF5 would store wrongly or reject with less clear words.
  private static func validate(_ contents: CheckpointContents, _ place: Place) throws {
    for (path, dataset) in contents.datasets {
      let place = place.at("dataset '\(path)'")
      for name in path.split(separator: "/", omittingEmptySubsequences: false)
      where name.isEmpty || name == "." || name.utf8.contains(0) {
        throw place.error("not a path of group names and a dataset name joined by '/'")
      }
      guard dataset.shape.count <= HDF5Writer.maximumRank, dataset.shape.allSatisfy({ $0 >= 0 }),
        product(dataset.shape) == dataset.values.count
      else {
        throw place.error("\(dataset.values.count) values do not fill the shape \(dataset.shape)")
      }
    }
    for (name, value) in contents.attributes {
      let place = place.at("attribute '\(name)'")
      if name.isEmpty || name.utf8.contains(0) { throw place.error("not a name: empty, or has a NUL character") }
      if name == versionName || name == digestName {
        throw place.error("the name is the file format's own; choose another")
      }
      if case .string(let text) = value, text.utf8.contains(0) {
        throw place.error("the string has a NUL character and would be cut there")
      }
    }
  }

  private static func write(_ contents: CheckpointContents, toNew path: String, _ place: Place) throws {
    var file = try HDF5Writer(new: path, userBlock: Seal.size, place)
    var digest = Digest(wide: true)
    var attributes = contents.attributes
    attributes[versionName] = .int(formatVersion)
    digest.add(attributes)
    for (path, dataset) in contents.datasets.sorted(by: { $0.key < $1.key }) {
      try file.write(dataset, at: path)
      digest.add(dataset, at: path)
    }
    attributes[digestName] = .string(digest.text)
    for (name, value) in attributes.sorted(by: { $0.key < $1.key }) { try file.write(value, attribute: name) }
    try file.close()
  }

  /// The number of elements of a shape (1 for `[]`), nil when it is no `Int`.
  package static func product(_ shape: [Int]) -> Int? { elementCount(shape) }
}

extension HDF5Reader {
  /// Opens an HDF5 file whose seal is intact, if it has one, as it must if it is to be `sealed`.
  package init(_ path: String, sealed: Bool, _ place: Place) throws {
    try self.init(RunDirectory.resolved(path), place) { descriptor, size in
      guard Seal.isPresent(descriptor) else {
        if sealed {
          throw place.error(
            StorePointer(descriptor, path)?.problem ?? "is not a checkpoint, or its beginning is damaged")
        }
        return false
      }
      try Seal.verify(descriptor, fileSize: size, place)
      return true
    }
  }
}

extension CheckpointFile {
  /// The threads of a rank that a run was computed with until this checkpoint; nil where the file does not say, or cannot
  /// be read.
  public static func threads(_ path: String) -> Int? {
    guard case .int(let threads)? = (try? summary(path))?.attributes["threads"] else { return nil }
    return Int(threads)
  }
}
