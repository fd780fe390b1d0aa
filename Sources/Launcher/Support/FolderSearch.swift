import Dataset
import Foundation

/// The files in a folder and the folders below it. Links to folders are followed, each folder once, so that a circle of links
/// ends; where a folder is there itself and behind a link, it goes by its own path.
struct FolderSearch {
  /// Paths from the folder on, without hidden ones. Links to files are files.
  private(set) var files: [String] = []
  /// Links that lead nowhere.
  private(set) var broken: [(name: String, path: String, problem: String)] = []
  /// Canonical path of a folder that is left out.
  private let output: String
  /// Folders that have been listed, by device and number.
  private var seen: Set<[UInt64]> = []
  /// Links to folders, which are followed after all folders that are there themselves.
  private var links: [String] = []

  init(output: String) { self.output = output }

  /// - Throws: ``ConfigurationFailure`` naming a folder that cannot be listed.
  mutating func run(_ folder: String) throws {
    try list(folder, below: "")
    var next = 0
    while next < links.count {
      let link = links[next]
      next += 1
      try list(folder, below: link)
    }
  }

  /// - Parameter below: the path from `folder` to the folder that is listed; empty for itself.
  private mutating func list(_ folder: String, below: String) throws {
    func full(_ name: String) -> String {
      name.isEmpty ? folder : folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
    }
    let path = full(below)
    var status = stat()
    guard stat(path, &status) == 0, seen.insert([UInt64(status.st_dev), UInt64(status.st_ino)]).inserted,
      !(PredictInputs.canonical(path) + "/").hasPrefix(output + "/")
    else { return }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    } catch {
      throw ConfigurationFailure(description: "\(path): the folder cannot be listed: \(error.localizedDescription)")
    }
    for name in names where !name.hasPrefix(".") {
      let entry = below.isEmpty ? name : "\(below)/\(name)"
      var status = stat()
      guard stat(full(entry), &status) == 0 else {
        if let problem = FileBytes.brokenLink(full(entry)) {
          broken.append((entry, full(entry), problem))
          files.append(entry)
        }
        continue
      }
      guard status.st_mode & S_IFMT == S_IFDIR else {
        files.append(entry)
        continue
      }
      var itself = stat()
      if lstat(full(entry), &itself) == 0, itself.st_mode & S_IFMT == S_IFLNK {
        links.append(entry)
      } else {
        try list(folder, below: entry)
      }
    }
  }
}
