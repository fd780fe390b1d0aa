extension FileLayout {
  /// A line is an ID, the path of an image in `JPEGImages`, or two paths.
  func voc(_ line: ImageList.Line, labeled: Bool, _ files: inout FileNames) throws -> FileEntry {
    let words = line.words
    guard words.count == 1 else {
      guard words.count == 2 else {
        throw DatasetError(
          description: "\(words.count) words; a line is an image's ID, or the paths of an image and its mask")
      }
      return try pair(words, labeled: labeled, &files)
    }
    var id = FileNames.normalized(words[0])
    let images: [String]
    if id.hasPrefix("JPEGImages/"), FileNames.isImage(id) {
      images = [id]
      id = FileNames.stem(String(id.dropFirst("JPEGImages/".count)))
    } else {
      images = ["jpg", "jpeg", "png"].map { "JPEGImages/\(id).\($0)" }
    }
    guard let image = images.first(where: { files.contains($0) }) else {
      throw DatasetError(
        description: "image \(id) does not exist: there is no \(images[0])"
          + "\(images.count > 1 ? " (nor .jpeg, .png)" : "") in \(files.root)")
    }
    let masks = ["SegmentationClassAug/\(id).png", "SegmentationClass/\(id).png"]
    let mask = labeled ? masks.first(where: { files.contains($0) }) : nil
    if labeled, mask == nil {
      throw DatasetError(
        description: "image \(id) has no mask: there is neither \(masks[1]) nor \(masks[0]) in \(files.root)")
    }
    return FileEntry(identifier: id, image: image, mask: mask)
  }
}
