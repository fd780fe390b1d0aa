extension FileLayout {
  /// A line is a name with or without extension or the folder before it (`a`, `a.jpg`, `images/a.jpg`, `labels/a.png`),
  /// which may hold spaces; or two paths.
  func folder(_ line: ImageList.Line, labeled: Bool, _ files: inout FileNames) throws -> FileEntry {
    let (folder, stem) = FileLayout.folderAndStem(line.text)
    let prefix = folder.isEmpty ? "" : "\(folder)/"
    let images = files.images(stem, in: FileLayout.below("images", folder))
    guard images.count <= 1 else {
      throw DatasetError(
        description: "\(prefix)\(stem) is the name of several images, \(images.joined(separator: ", ")), in "
          + "\(files.root)/\(FileLayout.below("images", folder)); rename all but one")
    }
    guard let image = images.first else {
      let words = line.words
      if words.count == 2 { return try pair(words, labeled: labeled, &files) }
      throw DatasetError(
        description: "image \(prefix)\(stem) does not exist: there is no images/\(prefix)\(stem).jpg (nor .jpeg, .png) "
          + "in \(files.root)")
    }
    var mask: String?
    if labeled {
      // A JPEG is taken where there is no PNG, so that the message on it says why it cannot be a mask.
      let names = files.images(stem, in: FileLayout.below("labels", folder))
      guard let name = names.first(where: { $0.lowercased().hasSuffix(".png") }) ?? names.first else {
        throw DatasetError(
          description: "image \(prefix)\(stem) has no mask: there is no labels/\(prefix)\(stem).png in \(files.root)")
      }
      mask = "labels/\(prefix)\(name)"
    }
    return FileEntry(identifier: prefix + stem, image: "images/\(prefix)\(image)", mask: mask)
  }

  private static func folderAndStem(_ text: String) -> (folder: String, stem: String) {
    var path = FileNames.normalized(text)
    for top in ["images/", "labels/"] where path.hasPrefix(top) {
      path = String(path.dropFirst(top.count))
      break
    }
    let (folder, name) = FileNames.split(path)
    return (folder, FileNames.stem(name))
  }

  private static func below(_ top: String, _ folder: String) -> String { folder.isEmpty ? top : "\(top)/\(folder)" }
}
