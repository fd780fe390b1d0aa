internal import CHDF5
import Files
import Foundation

/// A file open for reading. To be used inside ``HDF5/run(_:)``.
package struct HDF5Reader: ~Copyable {
  let file: FileHandle
  package let size: Int
  package let place: Place

  /// Opens a regular file that bears the HDF5 signature; else an error that says what the file is instead.
  ///
  /// - Parameter vouched: looks at the file, given its descriptor and size, before the library does; true makes looking
  ///   for the signature unnecessary.
  package init(
    _ path: String, _ place: Place, vouched: (_ descriptor: Int32, _ size: Int) throws -> Bool = { _, _ in false }
  ) throws {
    while true {
      let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
      guard descriptor >= 0 else { throw FileError.system("cannot be read", path) }
      defer { close(descriptor) }
      do {
        let size = try HDF5Reader.checkedSize(descriptor, vouched, place)
        let access = try PropertyHandle.access(place)
        // By its descriptor: `path` may be a link that leads to another file by now.
        let id = H5Fopen("/dev/fd/\(descriptor)", u2pl_h5f_acc_rdonly(), access.id)
        if id < 0, let whole = HDF5.wholeSizeOfTruncated() {
          throw place.error("is cut short: \(size) of \(whole) bytes are there; copy or download it again")
        }
        try HDF5.check(id, "H5Fopen", place)
        self.init(file: FileHandle(id: id), size: size, place: place)
        return
      } catch {
        // HDF5 cannot open a file that was removed meanwhile, as a pruned one is: look what `path` leads to now.
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_nlink == 0 else { throw error }
      }
    }
  }

  private init(file: consuming FileHandle, size: Int, place: Place) {
    self.file = file
    self.size = size
    self.place = place
  }

  private static func checkedSize(
    _ descriptor: Int32, _ vouched: (Int32, Int) throws -> Bool, _ place: Place
  ) throws -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError.system("cannot be read", place.file) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw place.error(status.st_mode & S_IFMT == S_IFDIR ? "is not a file, but a folder" : "is not a file")
    }
    let size = Int(status.st_size)
    guard size > 0 else { throw place.error("is empty") }
    if try vouched(descriptor, size) { return size }
    // The signature stands at the beginning, or after a user block of 512, 1024, 2048 … bytes.
    let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]
    var offset = 0
    while offset < size {
      var bytes = [UInt8](repeating: 0, count: 8)
      if pread(descriptor, &bytes, 8, off_t(offset)) == 8, bytes == signature { return size }
      offset = max(512, offset * 2)
    }
    if let pointer = StorePointer(descriptor, place.file) { throw place.error(pointer.problem) }
    throw place.error("is not an HDF5 file, or its beginning is damaged")
  }

  /// The paths of all datasets below the root, sorted.
  package func datasetPaths() throws -> [String] {
    var paths: [String] = []
    try collect(group: "", depth: 0, &paths)
    return paths.sorted()
  }

  private func collect(group: String, depth: Int, _ paths: inout [String]) throws {
    // Groups that contain each other would never end.
    guard depth < 32 else { throw place.at("group '\(group)'").error("groups are nested too deeply") }
    for name in try links(of: group) {
      let path = group.isEmpty ? name : "\(group)/\(name)"
      switch try kind(of: path) {
      case .group: try collect(group: path, depth: depth + 1, &paths)
      case .dataset: paths.append(path)
      case .other: throw place.at("'\(path)'").error("is neither a group nor a dataset")
      }
    }
  }

  /// The names in a group; `""` is the root.
  package func links(of group: String) throws -> [String] {
    let place = place.at("group '/\(group)'")
    let handle = GroupHandle(
      id: try HDF5.check(H5Gopen2(file.id, "/\(group)", u2pl_h5p_default()), "H5Gopen2", place))
    var links: [(name: String, hard: Bool)] = []
    let visitor: u2pl_h5l_visitor = { context, name, hard in
      guard let context, let name else { return -1 }
      context.assumingMemoryBound(to: [(name: String, hard: Bool)].self).pointee
        .append((String(cString: name), hard != 0))
      return 0
    }
    try withUnsafeMutablePointer(to: &links) { links in
      _ = try HDF5.check(u2pl_h5l_each(handle.id, visitor, links), "H5Literate", place)
    }
    if let link = links.first(where: { !$0.hard }) {
      throw place.error("'\(link.name)' is a symbolic or external link; store the dataset itself")
    }
    return links.map(\.name)
  }

  /// Whether there is something at `path`.
  package func exists(_ path: String) throws -> Bool {
    // Checked component by component: HDF5 fails where a group of the path is missing.
    var prefix = ""
    for name in path.split(separator: "/") {
      prefix += prefix.isEmpty ? String(name) : "/\(name)"
      let found = H5Lexists(file.id, prefix, u2pl_h5p_default())
      guard try HDF5.check(found, "H5Lexists", place.at("'/\(prefix)'")) > 0 else { return false }
    }
    return true
  }

  package enum Kind { case group, dataset, other }

  /// The kind of object at `path`.
  package func kind(of path: String) throws -> Kind {
    let object = ObjectHandle(
      id: try HDF5.check(H5Oopen(file.id, path, u2pl_h5p_default()), "H5Oopen", place.at("'\(path)'")))
    return switch H5Iget_type(object.id) {
    case H5I_GROUP: .group
    case H5I_DATASET: .dataset
    default: .other
    }
  }

  package func dataset(_ path: String) throws -> DatasetHandle {
    DatasetHandle(
      id: try HDF5.check(H5Dopen2(file.id, path, u2pl_h5p_default()), "H5Dopen2", place.at("dataset '\(path)'")))
  }

  /// The names of the root group's attributes.
  package func attributeNames() throws -> [String] { try AttributeHandle.names(in: file, place) }

  /// The value of an attribute of the root group, nil when there is none of this name.
  package func attribute(_ name: String) throws -> AttributeValue? {
    guard try HDF5.check(H5Aexists(file.id, name), "H5Aexists", place) > 0 else { return nil }
    return try AttributeHandle.read(name, in: file, place.at("attribute '\(name)'"))
  }
}
