extension FileLayout {
  /// A line is an ID, the path of an image in `JPEGImages` or of a mask, or two paths.
  func voc(_ line: ImageList.Line, labeled: Bool, _ files: inout FileNames) throws -> FileEntry {
    let words = line.words
    guard words.count == 1 else {
      guard words.count == 2 else {
        throw DatasetError(
          description: "\(words.count) words; a line is an image's ID, or the paths of an image and its mask")
      }
      return try pair(words, labeled: labeled, &files)
    }
    let (id, image) = try vocImage(FileNames.normalized(words[0]), &files)
    let masks = ["SegmentationClassAug/\(id).png", "SegmentationClass/\(id).png"]
    let mask = labeled ? files.findFirst(masks) : nil
    if labeled, mask == nil {
      throw DatasetError(
        description: "image \(id) has no mask: there is neither \(masks[1]) nor \(masks[0]) in \(files.root)"
          + files.nearlyIt(masks[1]))
    }
    return FileEntry(identifier: id, image: image, mask: mask)
  }

  /// An image and its ID. An ID may itself end in .jpg; where there is no such image, the ending is that of a file.
  private func vocImage(_ word: String, _ files: inout FileNames) throws -> (id: String, image: String) {
    var id = word
    var exact: [String] = []
    for folder in ["JPEGImages/", "SegmentationClassAug/", "SegmentationClass/"]
    where word.hasPrefix(folder) && FileNames.isImage(word) {
      id = FileNames.stem(String(word.dropFirst(folder.count)))
      if folder == "JPEGImages/" { exact = [word] }
      break
    }
    for id in id == word && FileNames.isImage(id) ? [id, FileNames.stem(id)] : [id] {
      let paths = exact + ["jpg", "jpeg", "png"].map { "JPEGImages/\(id).\($0)" }
      if let image = files.findFirst(paths) { return (id, image) }
    }
    let (path, more) = exact.first.map { ($0, "") } ?? ("JPEGImages/\(id).jpg", " (nor .jpeg, .png)")
    throw DatasetError(
      description: "image \(id) does not exist: there is no \(path)\(more) in \(files.root)\(files.nearlyIt(path))")
  }
}
