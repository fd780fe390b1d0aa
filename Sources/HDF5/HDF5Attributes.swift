internal import CHDF5

extension AttributeHandle {
  /// Creates an attribute of the root group. Strings are variable-length UTF-8, which h5py reads as `str`.
  static func write(
    _ value: AttributeValue, name: String, in file: borrowing FileHandle, _ place: Place
  ) throws {
    let space = try SpaceHandle.simple([], place)
    func create(_ type: hid_t) throws -> AttributeHandle {
      AttributeHandle(
        id: try HDF5.check(
          H5Acreate2(file.id, name, type, space.id, u2pl_h5p_default(), u2pl_h5p_default()), "H5Acreate2", place))
    }
    switch value {
    case .int(var number):
      let type = u2pl_h5t_native_int64()
      let attribute = try create(type)
      try HDF5.check(H5Awrite(attribute.id, type, &number), "H5Awrite", place)
    case .double(var number):
      let type = u2pl_h5t_native_double()
      let attribute = try create(type)
      try HDF5.check(H5Awrite(attribute.id, type, &number), "H5Awrite", place)
    case .string(let text):
      let type = try TypeHandle.text(place)
      let attribute = try create(type.id)
      try text.withCString { characters in
        var pointer: UnsafePointer<CChar>? = characters
        try HDF5.check(H5Awrite(attribute.id, type.id, &pointer), "H5Awrite", place)
      }
    }
  }

  /// The value of a scalar attribute of the root group.
  static func read(_ name: String, in file: borrowing FileHandle, _ place: Place) throws -> AttributeValue {
    let attribute = AttributeHandle(
      id: try HDF5.check(H5Aopen(file.id, name, u2pl_h5p_default()), "H5Aopen", place))
    let space = SpaceHandle(id: try HDF5.check(H5Aget_space(attribute.id), "H5Aget_space", place))
    let type = TypeHandle(id: try HDF5.check(H5Aget_type(attribute.id), "H5Aget_type", place))
    let kind = H5Tget_class(type.id)
    if H5Sget_simple_extent_type(space.id) == H5S_SCALAR {
      if kind == H5T_INTEGER {
        var number: Int64 = 0
        try HDF5.check(H5Aread(attribute.id, u2pl_h5t_native_int64(), &number), "H5Aread", place)
        return .int(number)
      }
      if kind == H5T_FLOAT {
        var number = 0.0
        try HDF5.check(H5Aread(attribute.id, u2pl_h5t_native_double(), &number), "H5Aread", place)
        return .double(number)
      }
      if kind == H5T_STRING && H5Tis_variable_str(type.id) > 0 {
        let text = try TypeHandle.text(place)
        var pointer: UnsafeMutablePointer<CChar>?
        try HDF5.check(H5Aread(attribute.id, text.id, &pointer), "H5Aread", place)
        defer { H5free_memory(pointer) }
        return .string(pointer.map { String(cString: $0) } ?? "")
      }
    }
    throw place.error("is not an integer, a float or a variable-length string")
  }

  /// The names of the root group's attributes.
  static func names(in file: borrowing FileHandle, _ place: Place) throws -> [String] {
    var names: [String] = []
    let visitor: H5A_operator2_t = { _, name, _, context in
      guard let name, let context else { return -1 }
      context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
      return 0
    }
    try withUnsafeMutablePointer(to: &names) { names in
      _ = try HDF5.check(
        H5Aiterate2(file.id, H5_INDEX_NAME, H5_ITER_INC, nil, visitor, names), "H5Aiterate2", place)
    }
    return names
  }
}

extension TypeHandle {
  /// Variable-length UTF-8.
  static func text(_ place: Place) throws -> TypeHandle {
    let type = TypeHandle(id: try HDF5.check(H5Tcopy(u2pl_h5t_c_s1()), "H5Tcopy", place))
    try HDF5.check(H5Tset_size(type.id, u2pl_h5t_variable()), "H5Tset_size", place)
    try HDF5.check(H5Tset_cset(type.id, H5T_CSET_UTF8), "H5Tset_cset", place)
    return type
  }
}
