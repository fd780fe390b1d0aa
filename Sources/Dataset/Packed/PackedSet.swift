import Foundation
import Transforms

/// One list of the images in a ``PackedFile``.
public struct PackedSet: ImageSet {
  public let problems: [DatasetError]
  private let file: PackedFile
  private let list: ImageList
  private let entries: [Entry]

  private struct Entry {
    let name: String
    let line: ImageList.Line
    let image: PackedFile.Item
    let mask: PackedFile.Item?
    let coding: LabelCoding
  }

  /// Looks up the images of a list.
  ///
  /// - Parameters:
  ///   - list: a list's path, relative to the folder that the file is in, or to the working directory; or else a list
  ///     that was packed, by the name it had then. Lines are names in the file, or paths and pairs of paths whose last
  ///     part without extension belongs to exactly one name.
  ///   - coding: what masks store where the file does not say; nil for the class itself.
  ///   - labeled: whether every image needs a mask.
  /// - Throws: ``DatasetError`` when there is no such list. Errors of single lines are in ``problems``.
  public init(_ file: PackedFile, list: String, classes: Int, coding: LabelCoding? = nil, labeled: Bool) throws {
    let folder = FileNames.split(file.path).folder
    let folders = [file.path.hasPrefix("/") && folder.isEmpty ? "/" : folder, ""]
    if let packed = ImageList.locate(list, in: folders) == nil ? try file.list(list) : nil {
      self.list = packed
    } else {
      do {
        self.list = try ImageList(list, in: folders)
      } catch let problem as DatasetError where ImageList.locate(list, in: folders) == nil {
        throw DatasetError(description: "\(problem.description), and \(file.path)")
      }
    }
    var found: [(name: String, line: ImageList.Line)] = []
    var problems: [DatasetError] = []
    for line in self.list.lines {
      if let name = file.name(for: line.text) ?? line.words.first.flatMap(file.name(for:)) {
        found.append((name, line))
      } else {
        problems.append(
          DatasetError(description: "\(self.list.place(line)): there is no image \(line.text) in \(file.path)"))
      }
    }
    var entries: [Entry] = []
    for (item, (name, line)) in zip(try file.items(found.map(\.name), masks: labeled), found) {
      guard !labeled || item.mask != nil else {
        problems.append(
          DatasetError(
            description: "\(self.list.place(line)): image \(name) has no mask in \(file.path): pack it with a list of "
              + "labeled images that it is in"))
        continue
      }
      entries.append(
        Entry(
          name: name, line: line, image: item.image, mask: item.mask,
          coding: (file.coding(name) ?? coding ?? .direct(classes: classes)).restricted(to: classes)))
    }
    self.file = file
    self.entries = entries
    self.problems = problems
  }

  public var count: Int { entries.count }

  public func identifier(_ index: Int) -> String { entries[index].name }

  public func origin(_ index: Int) -> String? { list.place(entries[index].line) }

  public func line(_ index: Int) -> String { entries[index].line.text }

  public func source(_ index: Int) -> (image: String, mask: String?) {
    (file.place(entries[index].image), entries[index].mask.map(file.place))
  }

  public func image(_ index: Int) throws -> RGBImage { try decoded(index).image }

  public func decoded(_ index: Int) throws -> (image: RGBImage, facts: ImageFacts?) {
    let item = entries[index].image
    let bytes = try file.bytes(item)
    guard item.shape.count == 1 else {
      return (RGBImage(height: item.shape[0], width: item.shape[1], pixels: bytes), nil)
    }
    let (image, facts) = try ImageFile.decode(bytes, file.place(item))
    return (image, facts)
  }

  public func stamp(_ index: Int) -> UInt64? { FileBytes.stamp(file.path, part: entries[index].image.dataset) }

  public func labels(_ index: Int) throws -> LabelMap {
    guard let item = entries[index].mask else {
      throw DatasetError(description: "\(source(index).image): has no mask; its list was read as unlabeled")
    }
    let bytes = try file.bytes(item)
    let stored =
      item.shape.count == 1
      ? try ImageFile.decodeLabels(bytes, file.place(item))
      : LabelMap(height: item.shape[0], width: item.shape[1], values: bytes)
    return try entries[index].coding.decode(stored, mask: file.place(item))
  }

  @discardableResult
  public func check(_ index: Int) throws -> (height: Int, width: Int) {
    let item = entries[index].image
    let bytes = try file.bytes(item)
    var size = (height: item.shape[0], width: item.shape.count == 1 ? 0 : item.shape[1])
    if item.shape.count == 1 {
      let header = try ImageFile.checkImage(bytes, file.place(item))
      size = (header.height, header.width)
    }
    if entries[index].mask != nil { try requireSameSize(index, image: size, try labels(index)) }
    return size
  }
}
