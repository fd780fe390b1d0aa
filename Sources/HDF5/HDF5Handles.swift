internal import CHDF5

// One noncopyable type per kind of HDF5 identifier. Each owns its identifier and closes it when it goes out of scope.

/// An open file.
struct FileHandle: ~Copyable {
  let id: hid_t

  /// Closes now and reports it: for a file being written, this is where the last bytes go to disk.
  consuming func close(_ place: Place) throws {
    let id = id
    discard self
    try HDF5.check(H5Fclose(id), "H5Fclose", place)
  }

  deinit { H5Fclose(id) }
}

/// An open group.
struct GroupHandle: ~Copyable {
  let id: hid_t
  deinit { H5Gclose(id) }
}

/// An open dataset.
package struct DatasetHandle: ~Copyable {
  let id: hid_t
  deinit { H5Dclose(id) }
}

/// An open attribute.
struct AttributeHandle: ~Copyable {
  let id: hid_t
  deinit { H5Aclose(id) }
}

/// A datatype of our own (predefined ones are never closed).
struct TypeHandle: ~Copyable {
  let id: hid_t
  deinit { H5Tclose(id) }
}

/// A dataspace: rank and extents.
struct SpaceHandle: ~Copyable {
  let id: hid_t
  deinit { H5Sclose(id) }
}

/// A property list.
struct PropertyHandle: ~Copyable {
  let id: hid_t
  deinit { H5Pclose(id) }
}

/// An object of any kind, opened by its path.
struct ObjectHandle: ~Copyable {
  let id: hid_t
  deinit { H5Oclose(id) }
}
