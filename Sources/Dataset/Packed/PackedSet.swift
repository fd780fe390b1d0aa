import Foundation
import Transforms

/// One list of the images in a ``PackedFile``.
public struct PackedSet: ImageSet {
  public let problems: [DatasetError]
  private let file: PackedFile
  private let form: ImageForm
  private let list: ImageList
  private let entries: [Entry]

  private struct Entry {
    let name: String
    let line: ImageList.Line
    let image: PackedItem
    let mask: PackedItem?
    let coding: LabelCoding
  }

  /// Looks up the images of a list.
  ///
  /// - Parameters:
  ///   - list: a list's path, relative to the folder that the file is in, or to the working directory; or else a list
  ///     that was packed, by the name it had then. Lines are names in the file, or paths and pairs of paths whose last
  ///     part without extension belongs to exactly one name.
  ///   - coding: what masks store where the file does not say; nil for the class itself.
  ///   - form: of the images.
  ///   - labeled: whether every image needs a mask.
  /// - Throws: ``DatasetError`` when there is no such list. Errors of single lines are in ``problems``.
  public init(
    _ file: PackedFile, list: String, classes: Int, coding: LabelCoding? = nil, form: ImageForm = .color,
    labeled: Bool
  ) throws {
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
    // A line that names a volume stands for its slices.
    let items = self.list.lines.flatMap { line in PackedSet.names(line, file).map { (line, $0) } }
    let names = items.map(\.1)
    var found = try file.items(names.compactMap { $0 }, form, masks: labeled).makeIterator()
    var entries: [Entry] = []
    var problems: [DatasetError] = []
    for (line, name) in items {
      do {
        guard let name, let item = try found.next()?.get() else {
          throw DatasetError(description: "there is no image \(line.text) in \(file.path)\(file.naming)")
        }
        guard !labeled || item.mask != nil else {
          throw DatasetError(
            description:
              "image \(name) has no mask in \(file.path): \(file.withoutMask)")
        }
        entries.append(
          Entry(
            name: name, line: line, image: item.image, mask: item.mask,
            coding: (file.coding(name) ?? coding ?? .direct(classes: classes)).restricted(to: classes)))
      } catch let problem as DatasetError {
        let text = ImageList.visible(problem.description)
        problems.append(DatasetError(description: "\(self.list.place(line)): \(text)"))
      }
    }
    self.file = file
    self.form = form
    self.entries = entries
    self.problems = problems
  }

  /// The names in the file that a line means; one that is nil where there is none.
  private static func names(_ line: ImageList.Line, _ file: PackedFile) -> [String?] {
    if let name = name(line, file) { return [name] }
    var slices: [String] = []
    while let name = name(ImageList.Line(number: line.number, text: "\(line.text)#\(slices.count)"), file) {
      slices.append(name)
    }
    return slices.isEmpty ? [nil] : slices
  }

  /// The name in the file that a line means. Windows and spreadsheets write lists with backslashes and commas.
  private static func name(_ line: ImageList.Line, _ file: PackedFile) -> String? {
    let first = (line.text.split(separator: ",").first.map(String.init) ?? line.text).replacing("\\", with: "/")
    return file.name(for: line.text) ?? line.words.first.flatMap(file.name(for:))
      ?? file.name(for: first.trimmingCharacters(in: .whitespaces))
  }

  public var count: Int { entries.count }

  public func identifier(_ index: Int) -> String { entries[index].name }

  /// An image that was packed from a volume is an array of pixels, and has the name of the slice.
  public func volume(_ index: Int) -> VolumePlace? {
    guard case .pixels = entries[index].image.form, let name = SliceName(entries[index].name) else { return nil }
    return VolumePlace(file: name.file, slice: name.slice, spacing: file.spacing(entries[index].name))
  }

  public func origin(_ index: Int) -> String? { list.place(entries[index].line) }

  public func line(_ index: Int) -> String { entries[index].line.text }

  public func source(_ index: Int) -> (image: String, mask: String?) {
    (file.place(entries[index].image), entries[index].mask.map(file.place))
  }

  public func image(_ index: Int) throws -> Raster { try decoded(index).image }

  public func decoded(_ index: Int) throws -> (image: Raster, facts: ImageFacts?) {
    try file.decoded(entries[index].image, form)
  }

  public func sizeByRows(_ index: Int) -> (height: Int, width: Int)? {
    entries[index].image.rowwise.map { ($0.height, $0.width) }
  }

  public func image(_ index: Int, rows: Range<Int>) throws -> Raster {
    let item = entries[index].image
    guard let array = item.rowwise else {
      let image = try image(index)
      return image.part(rows: rows, columns: 0..<image.width)
    }
    return try file.rows(rows, of: item, array, form)
  }

  public func stamp(_ index: Int) -> UInt64? { FileBytes.stamp(file.path, part: entries[index].image.name) }

  public func labels(_ index: Int) throws -> LabelMap {
    guard let item = entries[index].mask else {
      throw DatasetError(description: "\(source(index).image): has no mask; its list was read as unlabeled")
    }
    return try entries[index].coding.decode(file.labels(item), mask: file.place(item))
  }

  @discardableResult
  public func check(_ index: Int, seeing: (LabelMap) -> Void) throws -> (height: Int, width: Int) {
    let size = try file.checkImage(entries[index].image, form)
    if entries[index].mask != nil {
      let labels = try labels(index)
      try requireSameSize(index, image: size, labels)
      seeing(labels)
    }
    return size
  }
}
