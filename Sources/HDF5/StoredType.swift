internal import CHDF5

/// The type of a dataset's elements as any program may have stored them.
package enum StoredType: Equatable, Sendable, CustomStringConvertible {
  case integer(bits: Int, signed: Bool)
  case float(bits: Int)
  /// The enumeration of FALSE and TRUE that h5py and MATLAB write.
  case boolean
  /// Anything else, by its name.
  case other(String)

  /// As NumPy calls it.
  package var description: String {
    switch self {
    case .integer(let bits, let signed): "\(signed ? "" : "u")int\(bits)"
    case .float(let bits): "float\(bits)"
    case .boolean: "bool"
    case .other(let name): name
    }
  }
}

extension DatasetHandle {
  package func storedType(_ place: Place) throws -> StoredType {
    let type = TypeHandle(id: try HDF5.check(H5Dget_type(id), "H5Dget_type", place))
    let bits = 8 * H5Tget_size(type.id)
    switch H5Tget_class(type.id) {
    case H5T_INTEGER: return .integer(bits: bits, signed: H5Tget_sign(type.id) == H5T_SGN_2)
    case H5T_FLOAT: return .float(bits: bits)
    case H5T_ENUM: return H5Tget_nmembers(type.id) == 2 && bits == 8 ? .boolean : .other("an enumeration")
    case H5T_STRING: return .other(H5Tis_variable_str(type.id) > 0 ? "variable-length text" : "text")
    case H5T_VLEN: return .other("variable-length")
    case H5T_OPAQUE: return .other("opaque")
    case H5T_COMPOUND: return .other("compound")
    case H5T_ARRAY: return .other("array")
    default: return .other("an unknown type")
    }
  }

  /// - Throws: ``FileError`` where the values are in other files, or went through a filter that the HDF5 library does
  ///   not have; both are found without reading any.
  package func requireReadable(_ place: Place) throws {
    let creation = PropertyHandle(id: try HDF5.check(H5Dget_create_plist(id), "H5Dget_create_plist", place))
    let layout = H5Pget_layout(creation.id)
    try HDF5.check(layout == H5D_LAYOUT_ERROR ? -1 : 0, "H5Pget_layout", place)
    try requireOwnValues(creation, isVirtual: layout == H5D_VIRTUAL, place)
    guard layout == H5D_CHUNKED else { return }
    let count = try HDF5.check(H5Pget_nfilters(creation.id), "H5Pget_nfilters", place)
    for index in 0..<UInt32(count) {
      var parameters = 0
      var stored = [CChar](repeating: 0, count: 64)
      let filter = H5Pget_filter2(creation.id, index, nil, &parameters, nil, stored.count, &stored, nil)
      guard filter >= 0, H5Zfilter_avail(filter) <= 0 else { continue }
      stored[stored.count - 1] = 0
      let text = stored.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      let name = Self.filterNames[filter] ?? (text.isEmpty ? "unknown" : text)
      throw place.error(
        "is compressed with the filter \(name) (\(filter)), which this HDF5 library lacks; where a program can read the "
          + "file, h5repack -f GZIP=4 IN OUT makes a copy that all can read; or let HDF5_PLUGIN_PATH name the folder that "
          + "holds the filter's plugin")
    }
  }

  /// Values in other files read as zeros where such a file is missing.
  private func requireOwnValues(_ creation: borrowing PropertyHandle, isVirtual: Bool, _ place: Place) throws {
    func refusal(_ what: String, _ sources: [String]) -> any Error {
      let shown =
        sources.prefix(3).joined(separator: ", ") + (sources.count > 3 ? " and \(sources.count - 3) more" : "")
      return place.error(
        "\(what)\(shown.isEmpty ? "" : " (\(shown))"); only values in the file itself are read. Where these files "
          + "are there, h5repack -l CONTI IN OUT copies the values into one")
    }
    var names: [String] = []
    let longest = 4096
    func add<Code: SignedInteger>(_ call: StaticString, _ read: (UnsafeMutablePointer<CChar>) -> Code) throws {
      var text = [CChar](repeating: 0, count: longest + 1)
      try HDF5.check(read(&text), call, place)
      let name = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      if !name.isEmpty, !names.contains(name) { names.append(name) }
    }
    if isVirtual {
      var count = 0
      try HDF5.check(H5Pget_virtual_count(creation.id, &count), "H5Pget_virtual_count", place)
      for index in 0..<min(count, 10_000) {
        try add("H5Pget_virtual_filename") { H5Pget_virtual_filename(creation.id, index, $0, longest) }
      }
      throw refusal("is a virtual dataset, which is made of others", names)
    }
    let count = try HDF5.check(H5Pget_external_count(creation.id), "H5Pget_external_count", place)
    guard count > 0 else { return }
    for index in 0..<UInt32(count) {
      try add("H5Pget_external") { H5Pget_external(creation.id, index, longest, $0, nil, nil) }
    }
    throw refusal("has its values in external storage, which is another file", names)
  }

  /// Filters that programs add to HDF5, by the numbers they are registered under.
  private static let filterNames: [H5Z_filter_t: String] = [
    1: "gzip", 4: "szip", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd",
    32017: "sz", 32026: "blosc2",
  ]

  /// One row of the first dimension, converted to `type`. The shape is the whole dataset's.
  package func read(
    row: Int, shape: [Int], as type: ElementType, fileSize: Int, _ place: Place
  ) throws -> DatasetValues {
    try requireReadable(place)
    let all = try plausibleCount(of: shape, fileSize: fileSize, place)
    let space = SpaceHandle(id: try HDF5.check(H5Dget_space(id), "H5Dget_space", place))
    var start = [hsize_t](repeating: 0, count: shape.count)
    start[0] = hsize_t(row)
    let extent = [1] + shape.dropFirst()
    let counts = extent.map { hsize_t($0) }
    try HDF5.check(
      H5Sselect_hyperslab(space.id, H5S_SELECT_SET, start, nil, counts, nil), "H5Sselect_hyperslab", place)
    let memory = try SpaceHandle.simple(extent, place)
    return try read(all / max(1, shape[0]), as: type, from: space.id, into: memory.id, place)
  }

  /// The texts of a dataset of strings, nil where its elements are none.
  package func strings(_ count: Int, fileSize: Int, _ place: Place) throws -> [String]? {
    let stored = TypeHandle(id: try HDF5.check(H5Dget_type(id), "H5Dget_type", place))
    guard H5Tget_class(stored.id) == H5T_STRING else { return nil }
    try requireReadable(place)
    _ = try plausibleCount(of: [count], fileSize: fileSize, place)
    if H5Tis_variable_str(stored.id) > 0 {
      var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
      defer { for pointer in pointers { H5free_memory(pointer) } }
      try HDF5.check(
        H5Dread(id, stored.id, u2pl_h5s_all(), u2pl_h5s_all(), u2pl_h5p_default(), &pointers), "H5Dread", place)
      return pointers.map { $0.map { String(cString: $0) } ?? "" }
    }
    let size = H5Tget_size(stored.id)
    var bytes = [UInt8](repeating: 0, count: count * size)
    try HDF5.check(
      H5Dread(id, stored.id, u2pl_h5s_all(), u2pl_h5s_all(), u2pl_h5p_default(), &bytes), "H5Dread", place)
    return (0..<count).map { row in
      String(decoding: bytes[row * size..<(row + 1) * size].prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
