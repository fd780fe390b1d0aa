internal import CHDF5

extension DatasetHandle {
  /// The most a chunk holds: HDF5's default chunk cache has this size, and a checksum covers one chunk.
  private static let chunkBytes = 1 << 20

  /// Creates the dataset `path` and writes it: chunked with checksums, or in the object's header when it is a scalar
  /// or empty.
  static func write(
    _ dataset: StoredDataset, at path: String, in file: borrowing FileHandle, _ link: borrowing PropertyHandle,
    _ place: Place
  ) throws {
    let values = dataset.values
    let space = try SpaceHandle.simple(dataset.shape, place)
    let creation = PropertyHandle(id: try HDF5.check(H5Pcreate(u2pl_h5p_dataset_create()), "H5Pcreate", place))
    try HDF5.check(H5Pset_obj_track_times(creation.id, false), "H5Pset_obj_track_times", place)
    let isChunked = !dataset.shape.isEmpty && values.count > 0
    let chunk = isChunked ? chunkShape(of: dataset.shape, elementSize: values.type.size) : []
    if !isChunked {
      try HDF5.check(H5Pset_layout(creation.id, H5D_COMPACT), "H5Pset_layout", place)
    } else {
      try HDF5.check(H5Pset_chunk(creation.id, Int32(chunk.count), chunk.map { hsize_t($0) }), "H5Pset_chunk", place)
      try HDF5.check(H5Pset_fletcher32(creation.id), "H5Pset_fletcher32", place)
    }
    let handle = DatasetHandle(
      id: try HDF5.check(
        H5Dcreate2(file.id, path, values.type.native, space.id, link.id, creation.id, u2pl_h5p_default()),
        "H5Dcreate2", place))
    guard values.count > 0 else { return }
    if isChunked {
      return try values.withUnsafeBytes {
        try handle.write($0, shape: dataset.shape, chunk: chunk, elementSize: values.type.size, place)
      }
    }
    try values.withUnsafeBytes { bytes in
      _ = try HDF5.check(
        H5Dwrite(
          handle.id, values.type.native, u2pl_h5s_all(), u2pl_h5s_all(), u2pl_h5p_default(), bytes.baseAddress),
        "H5Dwrite", place)
    }
  }

  /// Writes all chunks, each with its checksum behind it, past the library's filters: they copy every chunk three
  /// times, and training waits for the core that does it.
  ///
  /// Each chunk is one piece of `bytes`, as ``chunkShape(of:elementSize:)`` cuts only one dimension; the last one along
  /// it is filled up with zeros.
  private borrowing func write(
    _ bytes: UnsafeRawBufferPointer, shape: [Int], chunk: [Int], elementSize: Int, _ place: Place
  ) throws {
    let axis = shape.indices.first { chunk[$0] > 1 } ?? shape.count - 1
    let inner = shape[(axis + 1)...].reduce(elementSize, *)
    let outer = shape[..<axis].reduce(1, *)
    let chunkBytes = chunk[axis] * inner
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes + 4, alignment: 64)
    defer { buffer.deallocate() }
    for index in 0..<outer {
      var corner = [hsize_t](repeating: 0, count: shape.count)
      var rest = index
      for i in (0..<axis).reversed() { (rest, corner[i]) = (rest / shape[i], hsize_t(rest % shape[i])) }
      for start in stride(from: 0, to: shape[axis], by: chunk[axis]) {
        corner[axis] = hsize_t(start)
        let count = min(chunk[axis], shape[axis] - start) * inner
        let first = (index * shape[axis] + start) * inner
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[first..<first + count]))
        UnsafeMutableRawBufferPointer(rebasing: buffer[count..<chunkBytes]).initializeMemory(
          as: UInt8.self, repeating: 0)
        let checksum = Fletcher32.checksum(UnsafeRawBufferPointer(rebasing: buffer[..<chunkBytes]))
        buffer.storeBytes(of: checksum.littleEndian, toByteOffset: chunkBytes, as: UInt32.self)
        try HDF5.check(
          H5Dwrite_chunk(id, u2pl_h5p_default(), 0, corner, chunkBytes + 4, buffer.baseAddress), "H5Dwrite_chunk", place
        )
      }
    }
  }

  /// Whole trailing dimensions as far as they fit, and an even share of the first that does not, so that the last
  /// chunk wastes little.
  static func chunkShape(of shape: [Int], elementSize: Int) -> [Int] {
    var chunk = shape
    var room = max(1, chunkBytes / elementSize)
    for axis in shape.indices.reversed() {
      let extent = shape[axis]
      let pieces = (extent + room - 1) / room
      chunk[axis] = (extent + pieces - 1) / pieces
      room = max(1, room / chunk[axis])
    }
    return chunk
  }

  /// The extents, `[]` for a scalar. A null dataspace (a dataset that can hold nothing) is an error.
  package func shape(_ place: Place) throws -> [Int] {
    let space = SpaceHandle(id: try HDF5.check(H5Dget_space(id), "H5Dget_space", place))
    guard H5Sget_simple_extent_type(space.id) != H5S_NULL else { throw place.error("has no dataspace") }
    let rank = try HDF5.check(H5Sget_simple_extent_ndims(space.id), "H5Sget_simple_extent_ndims", place)
    var extents = [hsize_t](repeating: 0, count: Int(rank))
    try HDF5.check(H5Sget_simple_extent_dims(space.id, &extents, nil), "H5Sget_simple_extent_dims", place)
    return try extents.map { extent in
      guard let value = Int(exactly: extent) else { throw place.error("its shape is damaged") }
      return value
    }
  }

  /// The stored element type, nil when it is none of ``ElementType``'s.
  package func elementType(_ place: Place) throws -> ElementType? {
    let type = TypeHandle(id: try HDF5.check(H5Dget_type(id), "H5Dget_type", place))
    let size = H5Tget_size(type.id)
    switch H5Tget_class(type.id) {
    case H5T_FLOAT: return size == 4 ? .float32 : size == 8 ? .float64 : nil
    case H5T_INTEGER where H5Tget_sign(type.id) == H5T_SGN_2:
      return size == 2 ? .int16 : size == 4 ? .int32 : size == 8 ? .int64 : nil
    case H5T_INTEGER where H5Tget_sign(type.id) == H5T_SGN_NONE: return size == 1 ? .uint8 : size == 2 ? .uint16 : nil
    default: return nil
    }
  }

  /// Where in the file the values begin, nil when they are not stored in one piece as they are.
  package func offset(_ place: Place) throws -> Int? {
    let creation = PropertyHandle(id: try HDF5.check(H5Dget_create_plist(id), "H5Dget_create_plist", place))
    let offset = H5Dget_offset(id)
    guard H5Pget_layout(creation.id) == H5D_CONTIGUOUS, H5Pget_external_count(creation.id) == 0,
      offset != haddr_t.max
    else { return nil }
    return Int(exactly: offset)
  }

  /// Whether the elements are integers or floats of any size, which HDF5 converts to any other.
  package func isNumeric(_ place: Place) throws -> Bool {
    let type = TypeHandle(id: try HDF5.check(H5Dget_type(id), "H5Dget_type", place))
    let kind = H5Tget_class(type.id)
    return kind == H5T_FLOAT || kind == H5T_INTEGER
  }

  /// All values, converted to `type` where they are stored as another.
  ///
  /// `fileSize` limits the size: a damaged shape must not ask for more memory than the file can fill.
  package func read(shape: [Int], as type: ElementType, fileSize: Int, _ place: Place) throws -> DatasetValues {
    try requireReadable(place)
    let count = try plausibleCount(of: shape, fileSize: fileSize, place)
    return try read(count, as: type, from: u2pl_h5s_all(), into: u2pl_h5s_all(), place)
  }

  /// - Parameters:
  ///   - space: what is read of the dataset.
  ///   - memory: its shape.
  func read(
    _ count: Int, as type: ElementType, from space: hid_t, into memory: hid_t, _ place: Place
  ) throws -> DatasetValues {
    func elements<Element>() throws -> [Element] {
      guard count > 0 else { return [] }
      return try [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
        try HDF5.check(
          H5Dread(id, type.native, memory, space, u2pl_h5p_default(), buffer.baseAddress), "H5Dread", place)
        initialized = count
      }
    }
    return switch type {
    case .float32: .float32(try elements())
    case .float64: .float64(try elements())
    case .int16: .int16(try elements())
    case .int32: .int32(try elements())
    case .int64: .int64(try elements())
    case .uint8: .uint8(try elements())
    case .uint16: .uint16(try elements())
    }
  }

  /// The number of elements, once the bytes stored for them are known to be there.
  package func plausibleCount(of shape: [Int], fileSize: Int, _ place: Place) throws -> Int {
    let type = TypeHandle(id: try HDF5.check(H5Dget_type(id), "H5Dget_type", place))
    guard let count = elementCount(shape), let elementSize = Int(exactly: H5Tget_size(type.id)),
      let bytes = elementCount([count, elementSize])
    else { throw place.error("its shape \(shape) is damaged") }
    if bytes == 0 { return 0 }
    guard let stored = Int(exactly: H5Dget_storage_size(id)), stored <= fileSize else {
      throw place.error("its stored size is more than the file's \(fileSize) bytes: the file is damaged")
    }
    let creation = PropertyHandle(id: try HDF5.check(H5Dget_create_plist(id), "H5Dget_create_plist", place))
    guard try bytes / mostSaved(creation, place) <= stored else {
      throw place.error("its shape \(shape) needs \(bytes) bytes, but only \(stored) are stored")
    }
    try checkChunks(creation, shape: shape, stored: stored, place)
    return count
  }

  /// The factor by which values may have more bytes than are stored for them.
  private func mostSaved(_ creation: borrowing PropertyHandle, _ place: Place) throws -> Int {
    let count = try HDF5.check(H5Pget_nfilters(creation.id), "H5Pget_nfilters", place)
    var factor = 1
    for index in 0..<UInt32(count) {
      var parameters = 0
      switch H5Pget_filter2(creation.id, index, nil, &parameters, nil, 0, nil, nil) {
      case H5Z_FILTER_FLETCHER32, H5Z_FILTER_SHUFFLE: break
      // Deflate saves a factor of 1032 at most; others keep a few bytes of an image of one colour.
      case H5Z_FILTER_DEFLATE: factor = max(factor, 1040)
      default: factor = 1 << 16
      }
    }
    return factor
  }

  /// - Throws: ``FileError`` where chunks were never written: they would read as zeros without a word.
  package func requireAllChunks(_ place: Place) throws {
    let creation = PropertyHandle(id: try HDF5.check(H5Dget_create_plist(id), "H5Dget_create_plist", place))
    guard H5Pget_layout(creation.id) == H5D_CHUNKED else { return }
    let needed = try chunkCount(creation, shape: shape(place), place)
    let space = SpaceHandle(id: try HDF5.check(H5Dget_space(id), "H5Dget_space", place))
    var written: hsize_t = 0
    try HDF5.check(H5Dget_num_chunks(id, space.id, &written), "H5Dget_num_chunks", place)
    guard written >= needed else {
      throw place.error(
        "\(needed - Int(written)) of its \(needed) chunks were never written, and would read as zeros: what wrote the file did "
          + "not finish; write it again")
    }
  }

  /// Refuses chunks of another rank than the shape, on which HDF5 1.10.8 loops for ever, and more of them than bytes.
  private func checkChunks(
    _ creation: borrowing PropertyHandle, shape: [Int], stored: Int, _ place: Place
  ) throws {
    guard H5Pget_layout(creation.id) == H5D_CHUNKED else { return }
    guard try chunkCount(creation, shape: shape, place) <= stored else { throw Self.misshapen(shape, place) }
  }

  private static func misshapen(_ shape: [Int], _ place: Place) -> any Error {
    place.error("its chunks do not fit its shape \(shape): the file is damaged")
  }

  private func chunkCount(_ creation: borrowing PropertyHandle, shape: [Int], _ place: Place) throws -> Int {
    var chunk = [hsize_t](repeating: 0, count: Int(H5S_MAX_RANK))
    let rank = try HDF5.check(H5Pget_chunk(creation.id, H5S_MAX_RANK, &chunk), "H5Pget_chunk", place)
    var pieces: [Int] = []
    for (extent, length) in zip(shape, chunk) {
      guard let length = Int(exactly: length), length > 0 else { break }
      pieces.append(extent == 0 ? 0 : (extent - 1) / length + 1)
    }
    guard Int(rank) == shape.count, pieces.count == shape.count, let count = elementCount(pieces) else {
      throw Self.misshapen(shape, place)
    }
    return count
  }
}

extension SpaceHandle {
  /// A dataspace of the given extents, a scalar one for `[]`.
  static func simple(_ shape: [Int], _ place: Place) throws -> SpaceHandle {
    let extents = shape.map { hsize_t($0) }
    let id = shape.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), extents, nil)
    return SpaceHandle(id: try HDF5.check(id, "H5Screate", place))
  }
}

/// The number of elements of a shape (1 for `[]`), nil when it is no `Int`.
package func elementCount(_ shape: [Int]) -> Int? {
  var total = 1
  for extent in shape {
    let (value, overflow) = total.multipliedReportingOverflow(by: extent)
    if overflow { return nil }
    total = value
  }
  return total
}
