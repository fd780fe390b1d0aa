import Files
import Foundation
internal import HDF5
import Synchronization
import Transforms
import Volumes

/// One HDF5 file that holds the images and masks of a data set.
///
/// `/images/NAME` and `/labels/NAME` are datasets of bytes, each in one piece: the JPEG or PNG file as it was. They may
/// also be arrays of pixels, as other programs store them (``PixelArray``), and `/images` and `/labels` themselves arrays
/// of as many images as their first dimension says. In files of this program `/names` is text, a name a
/// line; `/checksums` has two numbers for each name, of its image and its mask (0 where there is none); row
/// `/label_coding[i]` of `/label_codings` says what the values of mask i mean; `/lists/LIST` are lists of names; row i of
/// `/spacing`, where there are volumes, has the distances of slices, rows and columns in mm, 0 where they are not known.
///
/// The file is opened once. Bytes are read at their place in it without asking HDF5, so threads need not wait for one
/// another, nor for a checkpoint that is being written.
public final class PackedFile: Sendable {
  public let path: String
  let names: [String]
  private let descriptor: Int32
  private let positions: [String: Int]
  private let checksums: [Int64]?
  private let codings: [LabelCoding]
  private let coding: [UInt8]
  private let spacing: [Double]
  /// Of `/images` where that is one array of all images, as messages show it; nil where it is a group.
  private let stack: String?
  /// What the file has beside `/images`; empty where it has `/labels`.
  private let instead: [String]
  private let lazyStems = Mutex<[String: [Int]]?>(nil)

  static let format = "u2pl packed images"
  static let formatVersion: Int64 = 1

  /// - Throws: ``DatasetError`` when it is no such file.
  public init(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw FileBytes.problem(path, "the packed file cannot be opened: \(String(cString: strerror(errno)))")
    }
    do {
      let contents = try PackedFile.contents(descriptor, path)
      self.path = path
      self.descriptor = descriptor
      names = contents.names
      positions = Dictionary(contents.names.enumerated().map { ($1, $0) }) { first, _ in first }
      checksums = contents.checksums
      codings = contents.codings
      coding = contents.coding
      spacing = contents.spacing
      stack = contents.stack
      instead = contents.instead
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  // MARK: Looking up

  /// The name in this file for a line of a list: the line itself, or else the only name with the same last part without
  /// extension. Images of a stacked array without names are called by their numbers.
  func name(for line: String) -> String? {
    let path = FileNames.normalized(line)
    if let position = positions[path] { return names[position] }
    let stem = PackedFile.stem(path)
    let candidates = stems[stem] ?? []
    if candidates.isEmpty, stack != nil, stem.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(stem) {
      return positions["\(number)"] == number ? "\(number)" : nil
    }
    return candidates.count == 1 ? names[candidates[0]] : nil
  }

  /// The last part of a path without an extension; of a slice of a volume with its number.
  private static func stem(_ path: String) -> String {
    let name = FileNames.split(path).name
    return ImagePlace.stem(name) ?? FileNames.stem(name)
  }

  /// The end of a message on a line that names no image of this file.
  var naming: String {
    guard let stack else { return "" }
    return
      ": '/images' is one array of images, \(stack), called 0 to \(names.count - 1) unless '/names' has a text for "
      + "each; a list has these, one a line"
  }

  /// The end of a message on an image without a mask.
  var withoutMask: String {
    guard !instead.isEmpty else { return "pack it with a list of labeled images that it is in" }
    let names = instead.sorted().prefix(8).map { "/\($0)" }.joined(separator: ", ")
    return "the file has no /labels, where masks are looked for, but \(names)"
  }

  private var stems: [String: [Int]] {
    lazyStems.withLock { known in
      if let known { return known }
      let made = Dictionary(grouping: names.indices) { PackedFile.stem(names[$0]) }
      known = made
      return made
    }
  }

  /// The meaning of a mask's stored values, nil where the file does not tell it.
  func coding(_ name: String) -> LabelCoding? {
    guard let position = positions[name], coding.indices.contains(position) else { return nil }
    return codings.indices.contains(Int(coding[position])) ? codings[Int(coding[position])] : nil
  }

  /// How far apart slices, rows and columns are; nil where the file does not tell.
  func spacing(_ name: String) -> VolumeHeader.Spacing? {
    guard let position = positions[name], spacing.count >= 3 * position + 3, spacing[3 * position] > 0 else {
      return nil
    }
    return VolumeHeader.Spacing(
      slice: spacing[3 * position], row: spacing[3 * position + 1], column: spacing[3 * position + 2])
  }

  /// Where images, and masks if they are asked for, lie; nil for a mask that is not there. What is no image or mask is
  /// a failure of its own.
  func items(
    _ names: [String], _ form: ImageForm, masks: Bool
  ) throws -> [Result<(image: PackedItem, mask: PackedItem?), DatasetError>] {
    try PackedFile.reading(descriptor, path) { reader in
      names.map { name in
        do {
          let image = try self.item(.image, form, "images", 0, name, reader)!
          return .success((image, masks ? try self.item(.mask, form, "labels", 1, name, reader) : nil))
        } catch {
          return .failure(DatasetError(description: "\(error)"))
        }
      }
    }
  }

  /// - Parameter column: of ``checksums``.
  private func item(
    _ kind: PixelArray.Kind, _ form: ImageForm, _ group: String, _ column: Int, _ name: String,
    _ reader: borrowing HDF5Reader
  ) throws -> PackedItem? {
    let isStacked = stack != nil
    let dataset = isStacked ? group : "\(group)/\(name)"
    let position = positions[name]
    if kind == .mask {
      guard try reader.exists(dataset) else { return nil }
      if isStacked {
        let place = reader.place.at("'/\(dataset)'")
        let rows = try reader.dataset(dataset).shape(place).first ?? 0
        guard rows == names.count else {
          throw place.error(
            "has \(rows) masks for \(names.count) images: an array of masks has one for each image; fill up with 255")
        }
      }
    }
    let checksum = position.flatMap { checksums?[2 * $0 + column] }
    if checksum == 0 {
      throw reader.place.at("'/\(dataset)'").error("has never been written; finish the file with u2pl data pack")
    }
    return try PackedItem(
      kind, form, dataset, row: isStacked ? position : nil, checksum: checksum.map { UInt64(bitPattern: $0) }, reader)
  }

  // MARK: Reading

  /// An item's name in messages.
  func place(_ item: PackedItem) -> String { "\(path): \(item.name)" }

  /// An image, and what decoding has told besides; nil where it is stored as pixels.
  func decoded(_ item: PackedItem, _ form: ImageForm) throws -> (image: Raster, facts: ImageFacts?) {
    let name = place(item)
    guard case .pixels(let array) = item.form else {
      let (image, facts) = try ImageFile.decode(bytes(item), name, form)
      return (image, facts)
    }
    let image =
      try item.offset == nil ? array.image(values(item), name) : array.image(array.stored(bytes(item)), name)
    return (try form.fit(image, hasAlpha: !array.isWhole && array.channels == 4, name), nil)
  }

  /// Some rows of an image that is ``PackedItem/rowwise``, all columns, as they are.
  func rows(_ rows: Range<Int>, of item: PackedItem, _ array: PixelArray, _ form: ImageForm) throws -> Raster {
    let name = place(item), line = array.width * array.channels * array.memoryType.size
    let bytes = try FileBytes.read(
      descriptor, at: (item.offset ?? 0) + rows.lowerBound * line, count: rows.count * line, name)
    let part = try array.part(height: rows.count).image(array.stored(bytes), name)
    return try form.fit(part, hasAlpha: false, firstRow: rows.lowerBound, name)
  }

  /// A mask's stored values.
  func labels(_ item: PackedItem) throws -> LabelMap {
    let bytes = try bytes(item)
    guard case .pixels(let array) = item.form else { return try ImageFile.decodeLabels(bytes, place(item)) }
    return LabelMap(height: array.height, width: array.width, values: bytes)
  }

  /// Reads an image without decoding a file.
  func checkImage(_ item: PackedItem, _ form: ImageForm) throws -> (height: Int, width: Int) {
    if case .pixels = item.form {
      let image = try decoded(item, form).image
      return (image.height, image.width)
    }
    let header = try ImageFile.checkImage(bytes(item), place(item), form)
    return (header.height, header.width)
  }

  /// Reads the values of an item whose bytes only HDF5 can read.
  private func values(_ item: PackedItem) throws -> DatasetValues {
    try PackedFile.reading(descriptor, path) { reader in
      let place = reader.place.at("'/\(item.name)'")
      let dataset = try reader.dataset(item.dataset)
      var type = ElementType.uint8
      if case .pixels(let array) = item.form { type = array.memoryType }
      guard let row = item.row else {
        return try dataset.read(shape: item.shape, as: type, fileSize: reader.size, place)
      }
      return try dataset.read(row: row, shape: item.shape, as: type, fileSize: reader.size, place)
    }
  }

  /// Reads an item's bytes: those of a file, which are compared with the checksum, or the values of its pixels.
  private func bytes(_ item: PackedItem) throws -> [UInt8] {
    let bytes: [UInt8]
    if let offset = item.offset {
      bytes = try FileBytes.read(descriptor, at: offset, count: item.count, place(item))
    } else {
      switch (item.form, try values(item)) {
      case (.pixels(let array), let values): bytes = try array.bytes(values, place(item))
      case (.file, .uint8(let values)): bytes = values
      default: bytes = []
      }
    }
    guard item.checksum.map({ $0 == PackedFile.checksum(bytes) }) ?? true else {
      throw FileBytes.problem(place(item), "is damaged: its checksum does not match; copy or pack the file again")
    }
    return bytes
  }

  /// The lines of a list that was packed, nil when there is none of this name.
  func list(_ name: String) throws -> ImageList? {
    let dataset = PackedFile.listDataset(name)
    let bytes: [UInt8]? = try PackedFile.reading(descriptor, path) { reader in
      guard try reader.exists(dataset) else { return nil }
      return try reader.bytes(dataset)
    }
    return try bytes.map { try ImageList(path: "\(path): \(dataset)", bytes: $0) }
  }

  static let spacingDataset = "spacing"

  static func listDataset(_ name: String) -> String { "lists/\(FileNames.normalized(name))" }

  /// Never 0, which stands for bytes that have not been written.
  static func checksum(_ bytes: [UInt8]) -> UInt64 {
    var digest = Digest()
    bytes.withUnsafeBytes { digest.add($0) }
    return max(1, digest.value)
  }
}
