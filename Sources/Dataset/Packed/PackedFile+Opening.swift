import Files
internal import HDF5

extension PackedFile {
  struct Contents: Sendable {
    var names: [String] = []
    var checksums: [Int64]?
    var codings: [LabelCoding] = []
    var coding: [UInt8] = []
    var spacing: [Double] = []
    var stack: String?
    /// What the file has beside `/images`; empty where it has `/labels`.
    var instead: [String] = []
  }

  static func contents(_ descriptor: Int32, _ path: String) throws -> Contents {
    try reading(descriptor, path) { reader in
      let place = reader.place
      // Attributes of other programs may have types that are not read here.
      let isOwn = (try? reader.attribute("format")) == .string(format)
      if isOwn, try reader.attribute("format_version") != .int(formatVersion) {
        throw place.error("was packed by another version of this program; pack it again with this one")
      }
      guard try reader.exists("images") else {
        let names = try reader.links(of: "").sorted().prefix(8).map { "/\($0)" }.joined(separator: ", ")
        throw place.error(
          "has no group /images\(names.isEmpty ? "" : ", but \(names)"); images are in /images, masks in /labels, as "
            + "u2pl data pack writes them")
      }
      guard isOwn else { return try foreign(reader) }
      var contents = Contents()
      contents.names = String(decoding: try reader.bytes("names"), as: UTF8.self)
        .split(separator: "\n").map(String.init)
      let count = contents.names.count
      contents.checksums = try reader.int64s("checksums", [count, 2])
      contents.coding = try reader.bytes("label_coding")
      if try reader.exists(spacingDataset) {
        let place = place.at("'/\(spacingDataset)'")
        let values = try reader.dataset(spacingDataset).read(
          shape: [count, 3], as: .float64, fileSize: reader.size, place)
        if case .float64(let numbers) = values { contents.spacing = numbers }
      }
      let tables = try reader.int64s("label_codings", nil)
      contents.codings = stride(from: 0, to: tables.count - 255, by: 256).map { row in
        LabelCoding(
          table: tables[row..<row + 256].map { Int32(clamping: $0) }, advice: "\(path) gives it no class; pack it again"
        )
      }
      return contents
    }
  }

  /// A file that another program has made: a dataset for each image, or one array of all.
  private static func foreign(_ reader: borrowing HDF5Reader) throws -> Contents {
    var contents = Contents()
    let hasLabels = try reader.exists("labels")
    // For a message alone: a file with links to other files cannot be listed, but its images can be read.
    if !hasLabels { contents.instead = ((try? reader.links(of: "")) ?? []).filter { $0 != "images" } }
    guard try reader.kind(of: "images") == .dataset else {
      contents.names = try reader.datasetPaths().filter { $0.hasPrefix("images/") }
        .map { String($0.dropFirst("images/".count)) }
      return contents
    }
    let place = reader.place.at("'/images'")
    let dataset = try reader.dataset("images")
    let type = try dataset.storedType(place), shape = try dataset.shape(place)
    let text = PixelArray.describe(type, shape)
    guard shape.count == 4 || shape.count == 3 && ![1, 3, 4].contains(shape[2]), shape[0] > 0 else {
      throw place.error(
        "is \(text): neither a group with a dataset for each image, /images/NAME, nor an array of images, uint8 [number, "
          + "height, width, 3] or [number, height, width]")
    }
    try dataset.requireReadable(place)
    try dataset.requireAllChunks(place)
    if hasLabels, try reader.kind(of: "labels") == .dataset {
      try reader.dataset("labels").requireAllChunks(reader.place.at("'/labels'"))
    }
    contents.stack = text
    contents.names = try names(reader, count: shape[0]) ?? (0..<shape[0]).map(String.init)
    return contents
  }

  /// What `/names` calls the images of an array: a string for each, or the bytes of a text with a name a line.
  private static func names(_ reader: borrowing HDF5Reader, count: Int) throws -> [String]? {
    guard try reader.exists("names") else { return nil }
    let place = reader.place.at("'/names'")
    let dataset = try reader.dataset("names")
    let shape = try dataset.shape(place)
    var names: [String]?
    if shape == [count] { names = try dataset.strings(count, fileSize: reader.size, place) }
    if names == nil, try dataset.elementType(place) == .uint8, shape.count == 1 {
      names = String(decoding: try reader.bytes("names"), as: UTF8.self).split(separator: "\n").map(String.init)
    }
    guard let names, names.count == count, Set(names).count == count else {
      throw place.error("does not have a name of its own for each of the \(count) images")
    }
    return names.map(FileNames.normalized)
  }

  /// Runs `body` on the open file, inside the library.
  static func reading<Result: Sendable>(
    _ descriptor: Int32, _ path: String, _ body: (borrowing HDF5Reader) throws -> Result
  ) throws -> Result {
    do {
      return try HDF5.run { try body(HDF5Reader("/dev/fd/\(descriptor)", Place(file: path, advice: ""))) }
    } catch let error as FileError {
      throw DatasetError(description: error.description)
    }
  }
}

extension HDF5Reader {
  borrowing func bytes(_ dataset: String) throws -> [UInt8] {
    let place = place.at("'/\(dataset)'")
    let handle = try self.dataset(dataset)
    let shape = try handle.shape(place)
    guard case .uint8(let values) = try handle.read(shape: shape, as: .uint8, fileSize: size, place) else { return [] }
    return values
  }

  /// - Parameter expected: the shape it must have; nil for any.
  fileprivate borrowing func int64s(_ dataset: String, _ expected: [Int]?) throws -> [Int64] {
    let place = place.at("'/\(dataset)'")
    let handle = try self.dataset(dataset)
    let shape = try handle.shape(place)
    guard expected.map({ $0 == shape }) ?? true else { throw place.error("has the shape \(shape): damaged") }
    guard case .int64(let values) = try handle.read(shape: shape, as: .int64, fileSize: size, place) else { return [] }
    return values
  }
}
