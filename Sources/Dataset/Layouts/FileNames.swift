import Foundation

/// The files below a root.
///
/// Each folder is listed once: asking the file system for every file of a long list takes minutes on a network file
/// system.
struct FileNames {
  let root: String
  private var folders: [String: Folder] = [:]

  private struct Folder {
    var names: Set<String> = []
    /// Images by their names without extension, made when first asked for.
    var stems: [String: [String]]?
  }

  init(root: String) { self.root = root }

  /// Whether there is a file at this path, relative to the root.
  mutating func contains(_ path: String) -> Bool {
    let (folder, name) = FileNames.split(path)
    return listed(folder).names.contains(name)
  }

  /// The JPEG and PNG files of a folder whose names without extension are `stem`, sorted.
  mutating func images(_ stem: String, in folder: String) -> [String] {
    var entry = listed(folder)
    if entry.stems == nil {
      entry.stems = Dictionary(grouping: entry.names.filter(FileNames.isImage), by: FileNames.stem)
      folders[folder] = entry
    }
    return entry.stems?[stem]?.sorted() ?? []
  }

  private mutating func listed(_ folder: String) -> Folder {
    if let known = folders[folder] { return known }
    let entry = Folder(names: Set((try? FileNames.list("\(root)/\(folder)")) ?? []))
    folders[folder] = entry
    return entry
  }

  /// The names in a folder.
  static func list(_ path: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw FileBytes.problem(path, "cannot be listed: \(error.localizedDescription)")
    }
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

  static func isImage(_ name: String) -> Bool {
    let lower = name.lowercased()
    return [".jpg", ".jpeg", ".png"].contains { lower.hasSuffix($0) && lower.count > $0.count }
  }

  /// A name without the extension of an image, if it has one.
  static func stem(_ name: String) -> String {
    isImage(name) ? String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)]) : name
  }
}
