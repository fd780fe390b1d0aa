internal import HDF5

/// Where an image or a mask of a ``PackedFile`` is, and in what form.
struct PackedItem: Sendable {
  enum Form: Sendable {
    /// The bytes of a JPEG or PNG file.
    case file(count: Int)
    case pixels(PixelArray)
  }

  /// Such as `images/NAME`.
  let dataset: String
  /// Of a stacked array, whose first dimension counts images; nil where the dataset is one image.
  let row: Int?
  let form: Form
  /// The dataset's.
  let shape: [Int]
  /// nil where only HDF5 can read the bytes.
  let offset: Int?
  /// nil when none is stored.
  let checksum: UInt64?

  /// Bytes at `offset`.
  var count: Int { Self.count(of: form) }

  private static func count(of form: Form) -> Int {
    switch form {
    case .file(let count): count
    case .pixels(let array): array.height * array.width * array.channels * array.memoryType.size
    }
  }

  /// The array whose rows stand one behind the other in the file, so that some can be read without the others; nil where
  /// they do not, or where the image is so small that all of it is read, and compared with its checksum.
  var rowwise: PixelArray? {
    guard case .pixels(let array) = form, offset != nil, array.isWhole, !array.isChannelsFirst,
      count >= Self.leastBytesByRows
    else { return nil }
    return array
  }

  private static let leastBytesByRows = 4 << 20

  /// The name in messages, without the file's.
  var name: String { row.map { "\(dataset)[\($0)]" } ?? dataset }

  /// - Parameters:
  ///   - form: of an image; a mask has none.
  /// - Throws: ``FileError`` where it is no image, or no mask.
  init(
    _ kind: PixelArray.Kind, _ form: ImageForm, _ dataset: String, row: Int?, checksum: UInt64?,
    _ reader: borrowing HDF5Reader
  ) throws {
    let place = reader.place.at("'/\(dataset)'")
    let handle = try reader.dataset(dataset)
    let type = try handle.storedType(place)
    shape = try handle.shape(place)
    try handle.requireReadable(place)
    // Of a stacked array this is seen when the file is opened.
    if row == nil { try handle.requireAllChunks(place) }
    self.dataset = dataset
    self.row = row
    self.checksum = checksum
    let extents = row == nil ? shape : Array(shape.dropFirst())
    if type == .integer(bits: 8, signed: false), extents.count == 1, row == nil, extents[0] > 0 {
      self.form = .file(count: extents[0])
    } else {
      self.form = .pixels(try PixelArray(kind, form, type, extents, place))
    }
    // Of this program's files the order of bytes is known too.
    var isAsInMemory = type == .integer(bits: 8, signed: false)
    if case .pixels(let array) = self.form, checksum != nil, array.isWhole {
      let stored = try handle.elementType(place)
      isAsInMemory = stored == array.memoryType && [.uint8, .uint16, .int16, .float32].contains(array.memoryType)
    }
    guard isAsInMemory, let start = try handle.offset(place) else {
      offset = nil
      return
    }
    let bytes = Self.count(of: self.form)
    let (before, overflow) = (row ?? 0).multipliedReportingOverflow(by: bytes)
    guard !overflow, start <= reader.size, before <= reader.size - start, bytes <= reader.size - start - before else {
      throw place.error("lies past the end of the file, which is damaged")
    }
    offset = start + before
  }
}
