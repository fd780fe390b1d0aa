extension FileLayout {
  /// A line is a name with or without extension or the folder before it (`a`, `a.jpg`, `images/a.jpg`, `labels/a.png`),
  /// which may hold spaces; or two paths.
  func folder(_ line: ImageList.Line, labeled: Bool, _ files: inout FileNames) throws -> FileEntry {
    let (folder, stem) = FileLayout.folderAndStem(line.text)
    let name = FileNames.join(folder, stem)
    let images = files.images(path: "images/\(name)")
    guard images.count <= 1 else {
      throw DatasetError(
        description: "\(name) is the name of several images, "
          + "\(images.map { FileNames.split($0).name }.joined(separator: ", ")), in "
          + "\(files.root)/\(FileNames.split("images/\(name)").folder); rename all but one")
    }
    guard let image = images.first else {
      let words = line.words
      if words.count == 2 { return try pair(words, labeled: labeled, &files) }
      throw DatasetError(
        description: "image \(name) does not exist: there is no images/\(name).jpg (nor .jpeg, .png) in \(files.root)"
          + files.nearlyIt("images/\(name).jpg"))
    }
    var mask: String?
    if labeled {
      // A JPEG is taken where there is nothing else, so that the message on it says why it cannot be a mask.
      let masks = files.images(path: "labels/\(name)")
      mask = masks.first { FileNames.ending($0) == "png" } ?? masks.first
      if mask == nil {
        throw DatasetError(
          description: "image \(name) has no mask: there is no labels/\(name).png in \(files.root)"
            + files.nearlyIt("labels/\(name).png"))
      }
    }
    return FileEntry(identifier: name, image: image, mask: mask)
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
}
