internal import CHDF5
import Foundation

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
      try HDF5.run { try write(contents, toNew: temporary, place) }
      try Seal.write(descriptor, place)
    }
  }

  /// Refuses what HDF5 would store wrongly or reject with less clear words.
  private static func validate(_ contents: CheckpointContents, _ place: Place) throws {
    for (path, dataset) in contents.datasets {
      let place = place.at("dataset '\(path)'")
      for name in path.split(separator: "/", omittingEmptySubsequences: false)
      where name.isEmpty || name == "." || name.utf8.contains(0) {
        throw place.error("not a path of group names and a dataset name joined by '/'")
      }
      guard dataset.shape.count <= Int(H5S_MAX_RANK), dataset.shape.allSatisfy({ $0 >= 0 }),
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
    let creation = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_file_create()), "H5Pcreate", place))
    try HDF5.check(H5Pset_obj_track_times(creation.id, false), "H5Pset_obj_track_times", place)
    try HDF5.check(H5Pset_userblock(creation.id, hsize_t(Seal.size)), "H5Pset_userblock", place)
    let access = try accessProperties(place)
    try HDF5.check(
      H5Pset_libver_bounds(access.id, H5F_LIBVER_V110, H5F_LIBVER_V110), "H5Pset_libver_bounds", place)
    let file = FileHandle(
      id: try HDF5.check(H5Fcreate(path, u2pl_h5f_acc_trunc(), creation.id, access.id), "H5Fcreate", place))

    var digest = Digest()
    var attributes = contents.attributes
    attributes[versionName] = .int(formatVersion)
    digest.add(attributes)

    var groups: Set<String> = []
    for (path, dataset) in contents.datasets.sorted(by: { $0.key < $1.key }) {
      try createGroups(above: path, in: file, known: &groups, place)
      try DatasetHandle.write(dataset, at: path, in: file, place.at("dataset '\(path)'"))
      digest.add(dataset, at: path)
    }
    attributes[digestName] = .string(digest.text)
    for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
      try AttributeHandle.write(value, name: name, in: file, place.at("attribute '\(name)'"))
    }
    try HDF5.check(H5Fflush(file.id, H5F_SCOPE_GLOBAL), "H5Fflush", place)
    try file.close(place)
  }

  /// Creates the groups of a dataset's path that are not in `known`.
  private static func createGroups(
    above path: String, in file: borrowing FileHandle, known: inout Set<String>, _ place: Place
  ) throws {
    var group = ""
    for name in path.split(separator: "/").dropLast() {
      group += group.isEmpty ? String(name) : "/\(name)"
      guard known.insert(group).inserted else { continue }
      let place = place.at("group '\(group)'")
      let creation = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_group_create()), "H5Pcreate", place))
      try HDF5.check(H5Pset_obj_track_times(creation.id, false), "H5Pset_obj_track_times", place)
      let link = try linkProperties(place)
      _ = GroupHandle(
        id: try HDF5.check(
          H5Gcreate2(file.id, group, link.id, creation.id, u2pl_h5p_default()), "H5Gcreate2", place))
    }
  }

  /// Names are UTF-8.
  static func linkProperties(_ place: Place) throws -> PropertyHandle {
    let link = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_link_create()), "H5Pcreate", place))
    try HDF5.check(H5Pset_char_encoding(link.id, H5T_CSET_UTF8), "H5Pset_char_encoding", place)
    return link
  }

  static func accessProperties(_ place: Place) throws -> PropertyHandle {
    let access = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_file_access()), "H5Pcreate", place))
    try HDF5.check(u2pl_h5p_no_file_locking(access.id), "H5Pset_file_locking", place)
    return access
  }

  /// The number of elements of a shape (1 for `[]`), nil when it is no `Int`.
  static func product(_ shape: [Int]) -> Int? {
    var total = 1
    for extent in shape {
      let (value, overflow) = total.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      total = value
    }
    return total
  }
}
