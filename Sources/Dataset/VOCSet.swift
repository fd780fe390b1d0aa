import Foundation

/// Images and masks on disk in the layout of PASCAL VOC.
///
/// A line of the list is either an ID, for `JPEGImages/ID.jpg` (or `.jpeg`, `.png`) with the mask
/// `SegmentationClassAug/ID.png` if there is one, else `SegmentationClass/ID.png`; or two paths relative to the root,
/// image and mask. Blank lines are skipped.
public struct VOCSet: ImageSet {
  /// Classes the masks may hold: `0..<classes` and ``LabelMap/ignore``.
  public let classes: Int
  private let labeled: Bool
  private let entries: [Entry]

  private struct Entry {
    let identifier: String
    let image: String
    let mask: String?
  }

  /// Reads the list and makes sure that the files it names exist.
  ///
  /// - Parameters:
  ///   - root: the directory that holds `JPEGImages`.
  ///   - list: a path relative to the root, or else to the working directory.
  ///   - labeled: whether every image needs a mask.
  /// - Throws: ``DatasetError`` naming the list, the line and the missing file.
  public init(root: String, list: String, classes: Int, labeled: Bool) throws {
    self.classes = classes
    self.labeled = labeled
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: root, isDirectory: &isDirectory) else {
      throw FileBytes.problem(root, "the root of the data set does not exist")
    }
    guard isDirectory.boolValue else { throw FileBytes.problem(root, "the root of the data set is not a directory") }
    let path = try VOCSet.locate(list, root: root)
    guard let text = String(validating: try FileBytes.read(path), as: UTF8.self) else {
      throw FileBytes.problem(path, "the list is not UTF-8 text")
    }
    var directories = Directories(root: root)
    var entries: [Entry] = []
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let words = line.split(whereSeparator: { $0.isWhitespace || $0 == "\u{FEFF}" }).map(String.init)
      if words.isEmpty { continue }
      do {
        entries.append(try VOCSet.entry(words, labeled: labeled, &directories))
      } catch let problem as DatasetError {
        throw DatasetError(description: "\(path), line \(number + 1): \(problem.description)")
      }
    }
    guard !entries.isEmpty else { throw FileBytes.problem(path, "the list is empty; it needs one image a line") }
    self.entries = entries
  }

  public var count: Int { entries.count }

  public func identifier(_ index: Int) -> String { entries[index].identifier }

  public func image(_ index: Int) throws -> RGBImage { try ImageFile.readRGB(entries[index].image) }

  public func labels(_ index: Int) throws -> LabelMap {
    guard let mask = entries[index].mask else {
      throw DatasetError(description: "\(entries[index].image): has no mask; its list was read as unlabeled")
    }
    let labels = try ImageFile.readLabels(mask)
    if let at = labels.values.firstIndex(where: { Int($0) >= classes && $0 != LabelMap.ignore }) {
      throw FileBytes.problem(
        mask,
        "value \(labels.values[at]) at pixel (x \(at % labels.width), y \(at / labels.width)) is no class: with "
          + "\(classes) classes values are 0 to \(classes - 1), or \(LabelMap.ignore) for ignore")
    }
    return labels
  }

  public func labeledImage(_ index: Int) throws -> (image: RGBImage, labels: LabelMap) {
    let image = try image(index)
    let labels = try labels(index)
    try requireSameSize(entries[index], image: (image.height, image.width), labels)
    return (image, labels)
  }

  @discardableResult
  public func check(_ index: Int) throws -> (height: Int, width: Int) {
    let entry = entries[index]
    let image = try ImageFile.checkImage(entry.image)
    if entry.mask != nil { try requireSameSize(entry, image: (image.height, image.width), try labels(index)) }
    return (image.height, image.width)
  }

  private func requireSameSize(_ entry: Entry, image: (height: Int, width: Int), _ labels: LabelMap) throws {
    try DatasetError.requireSameSize(
      "\(entry.image) and \(entry.mask ?? "")", image: image, mask: (labels.height, labels.width))
  }

  private static func locate(_ list: String, root: String) throws -> String {
    let candidates = list.hasPrefix("/") ? [list] : ["\(root)/\(list)", list]
    for path in candidates where FileManager.default.fileExists(atPath: path) { return path }
    throw DatasetError(
      description: "\(list): no such list of images; tried \(candidates.joined(separator: " and "))")
  }

  private static func entry(
    _ words: [String], labeled: Bool, _ directories: inout Directories
  ) throws -> Entry {
    switch words.count {
    case 1:
      let id = words[0]
      let images = ["jpg", "jpeg", "png"].map { "JPEGImages/\(id).\($0)" }
      guard let image = images.first(where: { directories.contains($0) }) else {
        throw DatasetError(
          description: "image \(id) does not exist: there is no \(images[0]) (nor .jpeg, .png) in \(directories.root)")
      }
      let masks = ["SegmentationClassAug/\(id).png", "SegmentationClass/\(id).png"]
      let mask = labeled ? masks.first(where: { directories.contains($0) }) : nil
      if labeled, mask == nil {
        throw DatasetError(
          description: "image \(id) has no mask: there is neither \(masks[1]) nor \(masks[0]) in \(directories.root)")
      }
      return Entry(
        identifier: id, image: "\(directories.root)/\(image)", mask: mask.map { "\(directories.root)/\($0)" })
    case 2:
      // Published lists begin their paths with a slash, which means the root.
      let paths = words.map { String($0.drop(while: { $0 == "/" })) }
      for path in labeled ? paths : [paths[0]] where !directories.contains(path) {
        throw DatasetError(description: "there is no \(path) in \(directories.root)")
      }
      return Entry(
        identifier: paths[0], image: "\(directories.root)/\(paths[0])",
        mask: labeled ? "\(directories.root)/\(paths[1])" : nil)
    default:
      throw DatasetError(
        description: "\(words.count) words; a line is an image's ID, or the paths of an image and its mask")
    }
  }
}

/// Which files exist. Each directory is listed once: asking the file system for every file of a long list takes minutes
/// on a network file system.
private struct Directories {
  let root: String
  private var names: [String: Set<String>] = [:]

  init(root: String) { self.root = root }

  mutating func contains(_ path: String) -> Bool {
    let slash = path.lastIndex(of: "/")
    let directory = slash.map { String(path[..<$0]) } ?? ""
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    if names[directory] == nil {
      let listed = try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(directory)")
      names[directory] = Set(listed ?? [])
    }
    return names[directory]?.contains(name) ?? false
  }
}
