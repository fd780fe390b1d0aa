extension FileLayout {
  /// Whether a mask of this name holds `labelIds`, which ``LabelCoding/cityscapes`` explains.
  static func holdsLabelIds(_ mask: String) -> Bool { mask.lowercased().hasSuffix("_labelids.png") }

  /// A line is the path of an image, as the published lists have it, two paths, or a name such as
  /// `aachen_000000_000019`, which is looked for in every split.
  func cityscapes(_ line: ImageList.Line, labeled: Bool, _ files: inout FileNames) throws -> FileEntry {
    let words = line.words
    guard words.count == 1 else {
      guard words.count == 2 else {
        throw DatasetError(
          description: "\(words.count) words; a line is the path of an image, such as \(FileLayout.cityscapesExample)")
      }
      return try pair(words, labeled: labeled, &files)
    }
    let (path, image) = try cityscapesImage(FileNames.normalized(words[0]), &files)
    guard labeled else { return FileEntry(identifier: path, image: image, mask: nil) }
    guard path.hasPrefix("leftImg8bit/"), FileNames.stem(path).hasSuffix("_leftImg8bit") else {
      throw DatasetError(
        description: "\(path) is not named as \(FileLayout.cityscapesExample): write the path of its mask after it")
    }
    let core = FileNames.stem(path).dropFirst("leftImg8bit/".count).dropLast("_leftImg8bit".count)
    let masks = ["labelTrainIds", "labelIds"].map { "gtFine/\(core)_gtFine_\($0).png" }
    guard let mask = files.findFirst(masks) else {
      throw DatasetError(
        description: "image \(path) has no mask: there is neither \(masks[0]) nor …_labelIds.png in \(files.root)"
          + files.nearlyIt(masks[1]))
    }
    return FileEntry(identifier: path, image: image, mask: mask)
  }

  private static let cityscapesExample = "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"

  /// An image's path as the list means it, and as the file system writes it.
  private func cityscapesImage(_ word: String, _ files: inout FileNames) throws -> (path: String, image: String) {
    if word.contains("/") || FileNames.isImage(word) {
      guard let image = files.find(word) else {
        throw DatasetError(description: "image \(word) does not exist in \(files.root)\(files.nearlyIt(word))")
      }
      return (word, image)
    }
    let city = word.prefix { $0 != "_" }
    let name = word.hasSuffix("_leftImg8bit") ? word : word + "_leftImg8bit"
    let paths = ["train", "val", "test", "train_extra"].map { "leftImg8bit/\($0)/\(city)/\(name).png" }
    for path in paths {
      if let image = files.find(path) { return (path, image) }
    }
    throw DatasetError(
      description: "image \(word) does not exist: there is no \(paths[0]) (nor in val, test, train_extra) in "
        + "\(files.root)\(files.nearlyIt(paths[0]))")
  }
}
