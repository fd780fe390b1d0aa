import Foundation
import Volumes

/// The files below a root.
///
/// A file is found under the name that a list writes, under another Unicode form of the same name (`ä` in one character
/// or in two), and under an ending in other case. Each folder is listed once: asking the file system for every file of a
/// long list takes minutes on a network file system.
struct FileNames {
  let root: String
  /// The root as absolute paths write it: without and with links followed.
  let absoluteRoots: [String]
  private var folders: [[UInt8]: Folder?] = [:]
  /// How many misses ``nearlyIt(_:)`` has looked through whole folders for.
  var searches = 0

  /// A folder that is there.
  struct Folder {
    /// As the file system writes it, relative to the root.
    let path: String
    /// All forms of each name.
    let names: [String: [String]]
    let subfolders: Set<String>
    let foreign: [[UInt8]]
    /// Images by their names without extension, made when first asked for.
    var stems: [String: [String]]?
    /// Names by what ``FileNames/folded(_:)`` makes of them, made when first asked for.
    var folded: [String: [String]]?
  }

  init(root: String) {
    self.root = root
    absoluteRoots = [URL(fileURLWithPath: root).standardizedFileURL.path, FileNames.linksFollowed(root)].compactMap {
      $0
    }
  }

  /// The path of the file that a path means, both relative to the root; nil where there is none, or it is hidden.
  mutating func find(_ path: String) -> String? {
    let (folder, name) = FileNames.split(path)
    guard !name.hasPrefix("."), let entry = listed(folder) else { return nil }
    if let forms = entry.names[name] {
      return FileNames.join(entry.path, FileNames.form(name, of: forms))
    }
    guard FileNames.isImage(name) else { return nil }
    let ending = FileNames.ending(name)
    return images(path: FileNames.join(folder, FileNames.stem(name))).first { FileNames.ending($0) == ending }
  }

  /// The first of these paths that means a file.
  mutating func findFirst(_ paths: [String]) -> String? {
    for path in paths {
      if let file = find(path) { return file }
    }
    return nil
  }

  /// The images whose paths without extension are `path`, sorted. Hidden files are none; nor are volumes beside a JPEG or PNG.
  mutating func images(path: String) -> [String] {
    let (folder, stem) = FileNames.split(path)
    guard var entry = listed(folder) else { return [] }
    if entry.stems == nil {
      let images = FileNames.preferred(entry.names.values.joined().filter(FileNames.isImage))
      entry.stems = Dictionary(grouping: images, by: FileNames.stem)
      keep(entry, as: folder)
    }
    let found = entry.stems?[stem] ?? []
    let exact = found.filter { FileNames.stem($0).utf8.elementsEqual(stem.utf8) }
    let place = entry.path
    return (exact.isEmpty ? found : exact).sorted().map { FileNames.join(place, $0) }
  }

  /// A folder, or another Unicode form of its path; nil where there is none.
  mutating func listed(_ folder: String) -> Folder? {
    let key = Array(folder.utf8)
    if let known = folders[key] { return known }
    var path = folder
    var listing = FolderListing("\(root)/\(path)")
    if listing == nil, !folder.isEmpty {
      let (above, name) = FileNames.split(folder)
      if let parent = listed(above), let forms = parent.names[name] {
        path = FileNames.join(parent.path, FileNames.form(name, of: forms))
        listing = FolderListing("\(root)/\(path)")
      }
    }
    let entry = listing.map { listing in
      Folder(
        path: path, names: Dictionary(grouping: listing.names) { $0 }, subfolders: listing.folders,
        foreign: listing.foreign)
    }
    folders[key] = .some(entry)
    return entry
  }

  /// Keeps what was made when it was first asked for.
  mutating func keep(_ entry: Folder, as folder: String) { folders[Array(folder.utf8)] = .some(entry) }

  /// Of several forms of a name the one with the same bytes, else the first.
  private static func form(_ name: String, of forms: [String]) -> String {
    forms.first { $0.utf8.elementsEqual(name.utf8) }
      ?? forms.min { $0.utf8.lexicographicallyPrecedes($1.utf8) } ?? name
  }

  // MARK: Names

  /// The images in a folder, sorted, without hidden files and folders.
  ///
  /// - Throws: ``DatasetError`` where the folder cannot be listed, or an image's name is not UTF-8.
  static func listImages(_ path: String) throws -> [String] {
    guard let listing = FolderListing(path) else {
      throw FileBytes.problem(path, "cannot be listed: \(FileBytes.reason())")
    }
    if let name = listing.foreign.first(where: { isImage(String(decoding: $0, as: UTF8.self)) }) {
      throw FileBytes.problem(
        "\(path)/\(FolderListing.escaped(name))", "the name is not UTF-8; \(FolderListing.renaming(path))")
    }
    return preferred(listing.names.filter { isImage($0) && !listing.folders.contains($0) }).sorted()
  }

  /// The path as the file system writes it, where it has another Unicode form; nil where there is nothing.
  static func existing(_ path: String) -> String? {
    if access(path, F_OK) == 0 || path.isEmpty { return path.isEmpty ? nil : path }
    let (above, name) = split(path)
    guard !name.isEmpty else { return existing(above) }
    let folder = path.hasPrefix("/") && above.isEmpty ? "/" : above.isEmpty ? "." : above
    guard let parent = existing(folder), let forms = FolderListing(parent)?.names.filter({ $0 == name }), !forms.isEmpty
    else { return nil }
    return above.isEmpty && !path.hasPrefix("/") ? form(name, of: forms) : join(parent, form(name, of: forms))
  }

  /// The absolute path with all links followed, nil where there is nothing.
  static func linksFollowed(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// A relative path without slashes at its beginning (published lists write them and mean the root), doubled slashes,
  /// and `.`.
  static func normalized(_ path: String) -> String {
    path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
  }

  /// The path before the last slash, "" where there is none, and what comes after it.
  static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return ("", path) }
    return (String(path[..<slash]), String(path[path.index(after: slash)...]))
  }

  static func join(_ folder: String, _ name: String) -> String {
    folder.isEmpty || folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  /// Whether a name is that of an image: it ends in .jpg, .jpeg or .png, or as files of volumes do, in any case, and does not
  /// begin with a dot, as hidden files do, such as those that macOS puts beside others (`._a.jpg`).
  static func isImage(_ name: String) -> Bool { ending(ofImage: name) != nil }

  /// Whether it is that of a JPEG or PNG.
  static func isPicture(_ name: String) -> Bool { ending(ofImage: name).map(pictureEndings.contains) ?? false }

  private static let pictureEndings = [".jpg", ".jpeg", ".png"]
  /// None ends as another does.
  private static let imageEndings = pictureEndings + VolumeFile.endings

  /// Such as `.nii.gz`.
  private static func ending(ofImage name: String) -> String? {
    let lower = name.lowercased()
    guard !split(name).name.hasPrefix(".") else { return nil }
    return imageEndings.first { lower.hasSuffix($0) }
  }

  /// A name without the extension of an image, if it has one.
  static func stem(_ name: String) -> String { ending(ofImage: name).map { String(name.dropLast($0.count)) } ?? name }

  /// Of names that differ only in their endings, volumes are left out where there is a JPEG or PNG.
  static func preferred(_ names: [String]) -> [String] {
    let pictures = Set(names.filter(isPicture).map(stem))
    return names.filter { isPicture($0) || !pictures.contains(stem($0)) }
  }

  /// What follows the last dot, in lower case.
  static func ending(_ name: String) -> String {
    name.lastIndex(of: ".").map { name[name.index(after: $0)...].lowercased() } ?? ""
  }
}
