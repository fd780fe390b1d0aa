import Dataset
import Foundation

/// The images that a command line names, each once, and what their results are called.
struct PredictInputs {
  struct Image {
    let path: String
    /// Where the result goes below a folder of results, without extension: the file's name, or its path below the folder
    /// that was named.
    let name: String
  }

  private(set) var images: [Image] = []
  /// Folders that lists may mean.
  private let root: String
  /// Canonical path of the folder of results, whose files are no input.
  private let output: String
  private var paths: Set<String> = []

  private static let extensions = ["jpg", "jpeg", "png"]

  /// - Parameters:
  ///   - arguments: images, folders, and lists, whose names end in `.txt`.
  ///   - root: the data set's, where lists may lead.
  ///   - output: the folder of results.
  ///   - distinct: whether names have to be distinct, because files are named after them.
  /// - Throws: ``ConfigurationFailure``.
  init(_ arguments: [String], root: String, output: String, distinct: Bool = true) throws {
    self.root = root
    self.output = Self.canonical(output)
    for argument in arguments {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: argument, isDirectory: &isFolder) else {
        throw ConfigurationFailure(
          description: FileBytes.brokenLink(argument).map { "\(argument) \($0)" }
            ?? "\(argument): there is no such image, folder or list")
      }
      if isFolder.boolValue {
        try addFolder(argument)
      } else if argument.lowercased().hasSuffix(".txt") {
        try addList(argument)
      } else {
        add(argument, name: Self.stem(argument))
      }
    }
    if distinct { try requireDistinctNames() }
  }

  /// Each name in a folder once, by whatever path it is reached; a link to an image is an image of its own.
  private mutating func add(_ path: String, name: String) {
    let file = URL(fileURLWithPath: path)
    let place = Self.canonical(file.deletingLastPathComponent().path) + "/" + file.lastPathComponent
    if paths.insert(place).inserted { images.append(Image(path: path, name: name)) }
  }

  /// Every image at any depth, also behind links to folders, but for hidden files and the results of an earlier run.
  private mutating func addFolder(_ folder: String) throws {
    var search = FolderSearch(output: output)
    try search.run(folder)
    let found = search.files.filter { ImagePlace.stem($0) != nil }
    for link in search.broken where ImagePlace.stem(link.name) == nil {
      RankedProcess.show("warning: \(link.path) \(link.problem)", isError: true)
    }
    guard !found.isEmpty else {
      let suffixes = Dictionary(grouping: search.files.map(Self.suffix).filter { !$0.isEmpty }) { $0 }
        .sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }.prefix(3)
      let others = suffixes.map { "\($0.value.count) .\($0.key)" }.joined(separator: ", ")
      throw ConfigurationFailure(
        description:
          "\(folder): no image in this folder whose name ends in .\(Self.extensions.joined(separator: ", .")), .tif, .nii, .nii.gz, "
          + ".npy or .h5"
          + (others.isEmpty ? "" : "; it holds \(others)"))
    }
    for file in found.sorted() {
      let path = folder.hasSuffix("/") ? folder + file : "\(folder)/\(file)"
      add(path, name: ImagePlace.stem(file) ?? file)
    }
  }

  /// A line is the path of an image, whatever follows it, or an image's ID in VOC's layout.
  private mutating func addList(_ list: String) throws {
    for line in try ImageList(list, in: [""]).lines {
      var candidates = candidates(line.text, list: list)
      // Windows and spreadsheets write lists so.
      let first = line.text.split(separator: ",").first.map(String.init) ?? line.text
      let other = first.trimmingCharacters(in: .whitespaces).replacing("\\", with: "/")
      if other != line.text { candidates += self.candidates(other, list: list) }
      guard let path = candidates.first(where: Self.isFile) else {
        for path in candidates {
          if let problem = FileBytes.brokenLink(path) {
            throw ConfigurationFailure(description: "\(list), line \(line.number): \(path) \(problem)")
          }
        }
        let tried = candidates.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        throw ConfigurationFailure(
          description: "\(list), line \(line.number): no such image; tried \(tried.joined(separator: ", ")); "
            + "--set data.root=PATH says where the data set is")
      }
      add(path, name: Self.stem(path))
    }
  }

  private func candidates(_ entry: String, list: String) -> [String] {
    let folder = URL(fileURLWithPath: list).deletingLastPathComponent().path
    let first = entry.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? entry
    var paths = entry.hasPrefix("/") ? [entry, first] : [entry]
    for text in [entry, first] {
      // Published lists begin their paths with a slash, which means the root.
      let relative = text.drop { $0 == "/" }
      for base in [".", folder, root] where !base.isEmpty { paths.append("\(base)/\(relative)") }
    }
    if !root.isEmpty { paths += Self.extensions.map { "\(root)/JPEGImages/\(first).\($0)" } }
    return paths.map { $0.hasPrefix("./") ? String($0.dropFirst(2)) : $0 }
  }

  /// Two images of one name would be written over each other.
  private func requireDistinctNames() throws {
    var known: [String: String] = [:]
    for image in images {
      if let other = known.updateValue(image.path, forKey: image.name) {
        let folders = [other, image.path].map {
          Self.canonical(URL(fileURLWithPath: $0).deletingLastPathComponent().path)
        }
        let remedy =
          folders[0] == folders[1]
          ? "rename or move one of them, or name the images that are meant, by themselves or in a list (.txt)"
          : "name a folder that holds both folders, or predict them into two places"
        throw ConfigurationFailure(
          description:
            "\(other) and \(image.path) would have results of one name, \(image.name).png; \(remedy)")
      }
    }
  }

  private static func isFile(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: ImagePlace(path).file, isDirectory: &isFolder) && !isFolder.boolValue
  }

  private static func suffix(_ path: String) -> String {
    URL(fileURLWithPath: path).pathExtension.lowercased()
  }

  private static func stem(_ path: String) -> String {
    let url = URL(fileURLWithPath: path)
    return ImagePlace.stem(url.lastPathComponent) ?? url.deletingPathExtension().lastPathComponent
  }

  /// A path without links and dots, as far as it exists.
  static func canonical(_ path: String) -> String {
    if let resolved = realpath(path, nil) {
      defer { free(resolved) }
      return String(cString: resolved)
    }
    let url = URL(fileURLWithPath: path)
    let parent = url.deletingLastPathComponent().path
    return parent == path || url.path == "/" ? url.path : "\(canonical(parent))/\(url.lastPathComponent)"
  }
}
