internal import CHDF5

/// A new file in the 1.10 format, whose metadata carries checksums of its own: datasets by path, and attributes of the
/// root group. Equal contents, written in the same order, give equal files. To be used inside ``HDF5/run(_:)``.
package struct HDF5Writer: ~Copyable {
  /// The most dimensions a dataset may have.
  package static let maximumRank = Int(H5S_MAX_RANK)

  let file: FileHandle
  let place: Place
  /// One property list for all names: making one takes as long as writing a small dataset.
  private let link: PropertyHandle
  private var groups: Set<String> = []

  /// - Parameters:
  ///   - userBlock: bytes left free at the beginning of the file: 0, or a power of two from 512 on.
  ///   - metadataBlock: bytes that are set aside for metadata at a time.
  package init(new path: String, userBlock: Int = 0, metadataBlock: Int = 2048, _ place: Place) throws {
    let creation = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_file_create()), "H5Pcreate", place))
    try HDF5.check(H5Pset_obj_track_times(creation.id, false), "H5Pset_obj_track_times", place)
    try HDF5.check(H5Pset_userblock(creation.id, hsize_t(userBlock)), "H5Pset_userblock", place)
    let access = try PropertyHandle.access(place)
    // Headers of many datasets stand together, so that opening them all reads few and large pieces.
    try HDF5.check(H5Pset_meta_block_size(access.id, hsize_t(metadataBlock)), "H5Pset_meta_block_size", place)
    try HDF5.check(
      H5Pset_libver_bounds(access.id, H5F_LIBVER_V110, H5F_LIBVER_V110), "H5Pset_libver_bounds", place)
    let link = try PropertyHandle.link(place)
    file = FileHandle(
      id: try HDF5.check(H5Fcreate(path, u2pl_h5f_acc_trunc(), creation.id, access.id), "H5Fcreate", place))
    self.place = place
    self.link = link
  }

  /// Writes a dataset, with the groups of its path that are missing.
  package mutating func write(_ dataset: StoredDataset, at path: String) throws {
    try createGroups(above: path)
    try DatasetHandle.write(dataset, at: path, in: file, link, place.at("dataset '\(path)'"))
  }

  /// Creates a dataset in one piece whose bytes are left for others to write, at its ``DatasetHandle/offset(_:)``;
  /// until then they are 0. No checksum guards it.
  package mutating func reserve(_ shape: [Int], _ type: ElementType, at path: String) throws {
    try createGroups(above: path)
    let place = place.at("dataset '\(path)'")
    let space = try SpaceHandle.simple(shape, place)
    let creation = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_dataset_create()), "H5Pcreate", place))
    try HDF5.check(H5Pset_obj_track_times(creation.id, false), "H5Pset_obj_track_times", place)
    try HDF5.check(H5Pset_layout(creation.id, H5D_CONTIGUOUS), "H5Pset_layout", place)
    try HDF5.check(H5Pset_alloc_time(creation.id, H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time", place)
    try HDF5.check(H5Pset_fill_time(creation.id, H5D_FILL_TIME_NEVER), "H5Pset_fill_time", place)
    _ = DatasetHandle(
      id: try HDF5.check(
        H5Dcreate2(file.id, path, type.native, space.id, link.id, creation.id, u2pl_h5p_default()), "H5Dcreate2", place
      ))
  }

  package func write(_ value: AttributeValue, attribute name: String) throws {
    try AttributeHandle.write(value, name: name, in: file, place.at("attribute '\(name)'"))
  }

  /// Writes everything to the file; throws where that fails.
  package consuming func close() throws {
    try HDF5.check(H5Fflush(file.id, H5F_SCOPE_GLOBAL), "H5Fflush", place)
    try file.close(place)
  }

  /// Creates the groups of a dataset's path that are not there yet.
  mutating func createGroups(above path: String) throws {
    var group = ""
    for name in path.split(separator: "/").dropLast() {
      group += group.isEmpty ? String(name) : "/\(name)"
      guard groups.insert(group).inserted else { continue }
      let place = place.at("group '\(group)'")
      let creation = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_group_create()), "H5Pcreate", place))
      try HDF5.check(H5Pset_obj_track_times(creation.id, false), "H5Pset_obj_track_times", place)
      _ = GroupHandle(
        id: try HDF5.check(
          H5Gcreate2(file.id, group, link.id, creation.id, u2pl_h5p_default()), "H5Gcreate2", place))
    }
  }
}

extension PropertyHandle {
  /// Names are UTF-8.
  static func link(_ place: Place) throws -> PropertyHandle {
    let link = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_link_create()), "H5Pcreate", place))
    try HDF5.check(H5Pset_char_encoding(link.id, H5T_CSET_UTF8), "H5Pset_char_encoding", place)
    return link
  }

  static func access(_ place: Place) throws -> PropertyHandle {
    let access = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_file_access()), "H5Pcreate", place))
    try HDF5.check(u2pl_h5p_no_file_locking(access.id), "H5Pset_file_locking", place)
    return access
  }
}
