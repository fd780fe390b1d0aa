import Files
import Foundation
internal import HDF5

/// The contents of a ``PackedFile``: every image of some lists once, and the lists.
public struct PackPlan: Sendable {
  struct Entry: Sendable {
    let name: String
    let image: String
    var mask: String?
    /// Index into ``codings`` for the mask.
    var coding: Int
    /// The list and line that name it.
    let origin: String
  }

  private(set) var entries: [Entry] = []
  /// Of the images.
  let form: ImageForm
  private(set) var lists: [(name: String, images: [String])] = []
  private(set) var codings: [LabelCoding] = []
  /// Three numbers for each image: bytes of the image, bytes of its mask (0 where it has none), as they are packed, time of the later's
  /// last change in ns. 0 until measured; processes that share the work add their arrays.
  public var sizes: [Int64] = []

  /// - Parameter lists: each with its name in the file.
  /// - Throws: ``DatasetError`` when two lists use one name for different files.
  public init(_ lists: [(name: String, set: FileSet)]) throws {
    var positions: [String: Int] = [:]
    form = lists.first?.set.form ?? .color
    for (name, set) in lists {
      for index in 0..<set.count {
        let entry = Entry(
          name: FileNames.normalized(set.identifier(index)), image: set.source(index).image,
          mask: set.source(index).mask, coding: position(of: set.coding(index)),
          origin: set.origin(index) ?? name)
        if let known = positions[entry.name] {
          try add(entry, to: known)
        } else {
          positions[entry.name] = entries.count
          entries.append(entry)
        }
      }
      // One list may be labeled and unlabeled.
      if self.lists.contains(where: { $0.name == name }) { continue }
      self.lists.append((name, (0..<set.count).map { FileNames.normalized(set.identifier($0)) }))
    }
    // In HDF5 a name is a dataset or a group, never both.
    for entry in entries {
      var folder = FileNames.split(entry.name).folder
      while !folder.isEmpty {
        guard positions[folder] == nil else {
          throw DatasetError(
            description:
              "\(entry.origin): \(folder) is the name of an image and of a folder that holds images; rename one")
        }
        folder = FileNames.split(folder).folder
      }
    }
    sizes = [Int64](repeating: 0, count: 3 * entries.count)
  }

  public var count: Int { entries.count }

  /// How many images have masks.
  public var maskCount: Int { entries.count { $0.mask != nil } }

  /// Bytes of the image and its mask together.
  public func bytes(_ index: Int) -> Int { Int(sizes[3 * index] + sizes[3 * index + 1]) }

  public var totalBytes: Int { (0..<count).reduce(0) { $0 + bytes($1) } }

  /// Asks the file system for an image's ``sizes``.
  public mutating func measure(_ index: Int) throws {
    var latest: Int64 = 0
    for (column, path) in [entries[index].image, entries[index].mask].enumerated() {
      guard let path else { continue }
      let place = ImagePlace(path)
      var status = stat()
      guard stat(place.file, &status) == 0 else {
        throw FileBytes.problem(path, "cannot be examined: \(FileBytes.reason())")
      }
      guard status.st_size > 0 else { throw FileBytes.problem(path, "the file is empty") }
      let array = try column == 0 ? place.packedImage(form) : place.packedMask()
      sizes[3 * index + column] = array.map { Int64($0.bytes) } ?? Int64(status.st_size)
      latest = max(latest, Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))
    }
    sizes[3 * index + 2] = latest
  }

  /// Three numbers for each image, how far apart slices, rows and columns are in mm, 0 where its file does not say; nil where
  /// no file does.
  var spacing: [Double]? {
    let all = entries.map { ImagePlace($0.image).spacing }
    guard all.contains(where: { $0 != nil }) else { return nil }
    return all.flatMap { $0.map { [$0.slice, $0.row, $0.column] } ?? [0, 0, 0] }
  }

  /// Tells a half-written file of this plan from one of another: names, masks' meaning, lists, sizes and times.
  var fingerprint: String {
    var digest = Digest()
    for entry in entries {
      digest.add(entry.name)
      digest.add(UInt64(entry.coding))
    }
    for coding in codings { for value in coding.table { digest.add(UInt64(bitPattern: Int64(value))) } }
    for list in lists {
      digest.add(list.name)
      for image in list.images { digest.add(image) }
    }
    for size in sizes { digest.add(UInt64(bitPattern: size)) }
    return digest.text
  }

  private mutating func position(of coding: LabelCoding) -> Int {
    if let known = codings.firstIndex(of: coding) { return known }
    codings.append(coding)
    return codings.count - 1
  }

  /// Gives an entry the mask that it has in another list.
  private mutating func add(_ other: Entry, to index: Int) throws {
    let known = entries[index]
    guard known.image == other.image, known.mask == nil || other.mask == nil || known.mask == other.mask else {
      throw DatasetError(
        description:
          "\(other.origin): \(other.name) is \(other.image) \(other.mask ?? ""), but in \(known.origin) it is "
          + "\(known.image) \(known.mask ?? ""); one name must mean the same files in all lists")
    }
    if let mask = other.mask { (entries[index].mask, entries[index].coding) = (mask, other.coding) }
  }
}
