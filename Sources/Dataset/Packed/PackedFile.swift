import Files
import Foundation
internal import HDF5
import Synchronization

/// One HDF5 file that holds the images and masks of a data set.
///
/// `/images/NAME` and `/labels/NAME` are datasets of bytes, each in one piece: the JPEG or PNG file as it was. They may
/// also be pixels, height × width × 3 and height × width, as other programs store them. `/names` is text, a name a
/// line; `/checksums` has two numbers for each name, of its image and its mask (0 where there is none); row
/// `/label_coding[i]` of `/label_codings` says what the values of mask i mean; `/lists/LIST` are lists of names.
///
/// The file is opened once. Bytes are read at their place in it without asking HDF5, so threads need not wait for one
/// another, nor for a checkpoint that is being written.
public final class PackedFile: Sendable {
  public let path: String
  let names: [String]
  private let descriptor: Int32
  private let size: Int
  private let positions: [String: Int]
  private let checksums: [Int64]?
  private let codings: [LabelCoding]
  private let coding: [UInt8]
  private let lazyStems = Mutex<[String: [Int]]?>(nil)

  static let format = "u2pl packed images"
  static let formatVersion: Int64 = 1

  /// Where the bytes of an image or a mask are.
  struct Item: Sendable {
    /// Such as `images/NAME`.
    let dataset: String
    /// One number for an encoded file, else height, width, and 3 for an image.
    let shape: [Int]
    /// nil where only HDF5 can read them.
    let offset: Int?
    /// nil when none is stored.
    let checksum: UInt64?

    var count: Int { shape.reduce(1, *) }
  }

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
      size = contents.size
      names = contents.names
      positions = Dictionary(contents.names.enumerated().map { ($1, $0) }) { first, _ in first }
      checksums = contents.checksums
      codings = contents.codings
      coding = contents.coding
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  // MARK: Looking up

  /// The name in this file for a line of a list: the line itself, or else the only name with the same last part without
  /// extension.
  func name(for line: String) -> String? {
    let path = FileNames.normalized(line)
    if positions[path] != nil { return path }
    let candidates = stems[FileNames.stem(FileNames.split(path).name)] ?? []
    return candidates.count == 1 ? names[candidates[0]] : nil
  }

  private var stems: [String: [Int]] {
    lazyStems.withLock { known in
      if let known { return known }
      let made = Dictionary(grouping: names.indices) { FileNames.stem(FileNames.split(names[$0]).name) }
      known = made
      return made
    }
  }

  /// The meaning of a mask's stored values, nil where the file does not tell it.
  func coding(_ name: String) -> LabelCoding? {
    guard let position = positions[name], coding.indices.contains(position) else { return nil }
    return codings.indices.contains(Int(coding[position])) ? codings[Int(coding[position])] : nil
  }

  /// Where images, and masks if they are asked for, lie; nil for a mask that is not there.
  func items(_ names: [String], masks: Bool) throws -> [(image: Item, mask: Item?)] {
    try PackedFile.reading(descriptor, path) { reader in
      try names.map { name in
        let image = try self.item("images/\(name)", pixelRank: 3, column: 0, name, reader)
        guard masks, try reader.exists("labels/\(name)") else { return (image, nil) }
        return (image, try self.item("labels/\(name)", pixelRank: 2, column: 1, name, reader))
      }
    }
  }

  private func item(
    _ dataset: String, pixelRank: Int, column: Int, _ name: String, _ reader: borrowing HDF5Reader
  ) throws -> Item {
    let place = reader.place.at("'/\(dataset)'")
    let handle = try reader.dataset(dataset)
    let shape = try handle.shape(place)
    guard try handle.elementType(place) == .uint8, shape.count == 1 || shape.count == pixelRank,
      pixelRank == 2 || shape.count == 1 || shape[2] == 3, let count = elementCount(shape), count > 0
    else {
      throw place.error(
        "is neither the bytes of a file nor 8-bit pixels, height × width\(pixelRank == 3 ? " × 3" : "")")
    }
    let offset = try handle.offset(place)
    if let offset, offset + count > size { throw place.error("lies past the end of the file, which is damaged") }
    let checksum = positions[name].flatMap { position in checksums?[2 * position + column] }
    if checksum == 0 { throw place.error("has never been written; finish the file with u2pl data pack") }
    return Item(dataset: dataset, shape: shape, offset: offset, checksum: checksum.map { UInt64(bitPattern: $0) })
  }

  // MARK: Reading

  /// An item's name in messages.
  func place(_ item: Item) -> String { "\(path): \(item.dataset)" }

  /// Reads an item's bytes and compares them with the checksum.
  func bytes(_ item: Item) throws -> [UInt8] {
    let bytes: [UInt8]
    if let offset = item.offset {
      bytes = try FileBytes.read(descriptor, at: offset, count: item.count, place(item))
    } else {
      bytes = try PackedFile.reading(descriptor, path) { reader in
        let place = reader.place.at("'/\(item.dataset)'")
        let values = try reader.dataset(item.dataset)
          .read(shape: item.shape, as: .uint8, fileSize: reader.size, place)
        guard case .uint8(let bytes) = values else { return [] }
        return bytes
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

  static func listDataset(_ name: String) -> String { "lists/\(FileNames.normalized(name))" }

  /// Never 0, which stands for bytes that have not been written.
  static func checksum(_ bytes: [UInt8]) -> UInt64 {
    var digest = Digest()
    bytes.withUnsafeBytes { digest.add($0) }
    return max(1, digest.value)
  }
}

// MARK: - Opening

extension PackedFile {
  private struct Contents: Sendable {
    var size = 0
    var names: [String] = []
    var checksums: [Int64]?
    var codings: [LabelCoding] = []
    var coding: [UInt8] = []
  }

  private static func contents(_ descriptor: Int32, _ path: String) throws -> Contents {
    try reading(descriptor, path) { reader in
      let place = reader.place
      if let version = try reader.attribute("format_version"), try reader.attribute("format") == .string(format) {
        guard version == .int(formatVersion) else {
          throw place.error("was packed by another version of this program; pack it again with this one")
        }
      }
      guard try reader.exists("images") else {
        throw place.error("has no group /images; u2pl data pack writes files that have one")
      }
      var contents = Contents()
      contents.size = reader.size
      guard try reader.exists("names") else {
        contents.names = try reader.datasetPaths().filter { $0.hasPrefix("images/") }
          .map { String($0.dropFirst("images/".count)) }
        return contents
      }
      contents.names = String(decoding: try reader.bytes("names"), as: UTF8.self)
        .split(separator: "\n").map(String.init)
      let count = contents.names.count
      contents.checksums = try reader.int64s("checksums", [count, 2])
      contents.coding = try reader.bytes("label_coding")
      let tables = try reader.int64s("label_codings", nil)
      contents.codings = stride(from: 0, to: tables.count - 255, by: 256).map { row in
        LabelCoding(
          table: tables[row..<row + 256].map { Int32(clamping: $0) }, advice: "\(path) gives it no class; pack it again"
        )
      }
      return contents
    }
  }

  /// Runs `body` on the open file, inside the library.
  private static func reading<Result: Sendable>(
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
  fileprivate borrowing func bytes(_ dataset: String) throws -> [UInt8] {
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
