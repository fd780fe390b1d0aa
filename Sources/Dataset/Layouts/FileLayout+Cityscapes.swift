extension FileLayout {
  /// Whether a mask of this name holds `labelIds`, which ``LabelCoding/cityscapes`` explains.
  static func holdsLabelIds(_ mask: String) -> Bool { mask.hasSuffix("_labelIds.png") }

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
    let image = try cityscapesImage(FileNames.normalized(words[0]), &files)
    guard labeled else { return FileEntry(identifier: image, image: image, mask: nil) }
    guard image.hasPrefix("leftImg8bit/"), image.hasSuffix("_leftImg8bit.png") else {
      throw DatasetError(
        description: "\(image) is not named as \(FileLayout.cityscapesExample): write the path of its mask after it")
    }
    let core = image.dropFirst("leftImg8bit/".count).dropLast("_leftImg8bit.png".count)
    let masks = ["labelTrainIds", "labelIds"].map { "gtFine/\(core)_gtFine_\($0).png" }
    guard let mask = masks.first(where: { files.contains($0) }) else {
      throw DatasetError(
        description: "image \(image) has no mask: there is neither \(masks[0]) nor …_labelIds.png in \(files.root)")
    }
    return FileEntry(identifier: image, image: image, mask: mask)
  }

  private static let cityscapesExample = "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"

  private func cityscapesImage(_ word: String, _ files: inout FileNames) throws -> String {
    if word.contains("/") || FileNames.isImage(word) {
      guard files.contains(word) else {
        throw DatasetError(description: "image \(word) does not exist in \(files.root)")
      }
      return word
    }
    let city = word.prefix { $0 != "_" }
    let name = word.hasSuffix("_leftImg8bit") ? word : word + "_leftImg8bit"
    let paths = ["train", "val", "test", "train_extra"].map { "leftImg8bit/\($0)/\(city)/\(name).png" }
    guard let path = paths.first(where: { files.contains($0) }) else {
      throw DatasetError(
        description: "image \(word) does not exist: there is no \(paths[0]) (nor in val, test, train_extra) in "
          + "\(files.root)")
    }
    return path
  }
}
