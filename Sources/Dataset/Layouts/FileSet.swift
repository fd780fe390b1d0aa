import Foundation
import Transforms

/// Images and masks in files of their own, one list of them.
public struct FileSet: ImageSet {
  public let problems: [DatasetError]
  /// Of its images.
  public let form: ImageForm
  private let list: ImageList
  private let entries: [Entry]

  private struct Entry {
    let identifier: String
    let line: ImageList.Line
    let image: ImagePlace
    let mask: ImagePlace?
    let coding: LabelCoding
  }

  /// Whether a root exists only under another Unicode form of its path.
  public static func hasOtherForm(_ root: String) -> Bool {
    !FileManager.default.fileExists(atPath: root) && FileNames.existing(root) != nil
  }

  /// Reads the list and checks that the files it names exist.
  ///
  /// - Parameters:
  ///   - root: the folder that paths of the layout start from.
  ///   - list: a list's path relative to the root, to the working directory, or to the folder that the root is in.
  ///   - classes: the number of classes.
  ///   - coding: what masks store; nil for the class itself. Masks that hold Cityscapes' `labelIds` have their own.
  ///   - form: of the images.
  ///   - labeled: whether every image needs a mask; masks of an unlabeled list are not looked for.
  /// - Throws: ``DatasetError`` when there is no such list. Errors of single lines are in ``problems``.
  public init(
    root: String, list: String, layout: FileLayout, classes: Int, coding: LabelCoding? = nil,
    form: ImageForm = .color, labeled: Bool
  ) throws {
    var isDirectory: ObjCBool = false
    let root = FileNames.existing(root) ?? root
    guard FileManager.default.fileExists(atPath: root, isDirectory: &isDirectory) else {
      throw FileBytes.problem(root, "the root of the data set does not exist")
    }
    guard isDirectory.boolValue else {
      throw FileBytes.problem(
        root, "the root of the data set is not a directory; for a packed file set data.kind to hdf5")
    }
    let list = try ImageList(list, in: [root, "", "\(root)/.."])
    let plain = (coding ?? .direct(classes: classes)).restricted(to: classes)
    let labelIds = LabelCoding.cityscapes.restricted(to: classes)
    var files = FileNames(root: root)
    var entries: [Entry] = []
    var problems: [DatasetError] = []
    for line in list.lines {
      do {
        for entry in try layout.items(of: line, labeled: labeled, root: root, &files) {
          let holdsLabelIds = layout == .cityscapes && FileLayout.holdsLabelIds(entry.mask ?? "")
          entries.append(
            Entry(
              identifier: entry.identifier, line: line, image: ImagePlace("\(root)/\(entry.image)"),
              mask: entry.mask.map { ImagePlace("\(root)/\($0)") }, coding: holdsLabelIds ? labelIds : plain))
        }
      } catch let problem as DatasetError {
        problems.append(DatasetError(description: "\(list.place(line)): \(problem.description)"))
      }
    }
    for line in list.comments where (try? layout.entry(line, labeled: false, &files)) != nil {
      problems.append(
        DatasetError(
          description:
            "\(list.place(line)): a line that begins with # is a comment, but there is an image of that name; "
            + "write ./\(line.text)"))
    }
    self.list = list
    self.form = form
    self.entries = entries
    self.problems = problems
  }

  public var count: Int { entries.count }

  public func identifier(_ index: Int) -> String { entries[index].identifier }

  public func origin(_ index: Int) -> String? { list.place(entries[index].line) }

  public func line(_ index: Int) -> String {
    let entry = entries[index]
    // A line that names a volume stands for its slices, each of which has a line of its own.
    guard let name = SliceName(entry.image.path), entry.image.volume != nil, SliceName.split(entry.line) == nil else {
      return entry.line.text
    }
    let words = entry.line.words
    return words.count == 2 && entry.mask != nil && !entry.identifier.hasPrefix(entry.line.text)
      ? words.map { "\($0)#\(name.slice)" }.joined(separator: "\t") : "\(entry.line.text)#\(name.slice)"
  }

  public func source(_ index: Int) -> (image: String, mask: String?) {
    (entries[index].image.path, entries[index].mask?.path)
  }

  /// The meaning of the mask's stored values.
  func coding(_ index: Int) -> LabelCoding { entries[index].coding }

  public func image(_ index: Int) throws -> Raster { try decoded(index).image }

  public func decoded(_ index: Int) throws -> (image: Raster, facts: ImageFacts?) {
    let (image, facts) = try entries[index].image.read(form)
    return (image, facts)
  }

  public func volume(_ index: Int) -> VolumePlace? { entries[index].image.volume }

  public func stamp(_ index: Int) -> UInt64? { entries[index].image.stamp }

  public func labels(_ index: Int) throws -> LabelMap {
    let entry = entries[index]
    guard let mask = entry.mask else {
      throw DatasetError(description: "\(entry.image.path): has no mask; its list was read as unlabeled")
    }
    return try entry.coding.decode(mask.labels(), mask: mask.path)
  }

  @discardableResult
  public func check(_ index: Int, seeing: (LabelMap) -> Void) throws -> (height: Int, width: Int) {
    let entry = entries[index]
    let image = try entry.image.check(form)
    if entry.mask != nil {
      let labels = try labels(index)
      try requireSameSize(index, image: image, labels)
      seeing(labels)
    }
    return image
  }
}
