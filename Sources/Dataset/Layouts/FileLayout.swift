/// How the files of a data set are named: it turns a line of a list into the paths of an image and its mask.
public enum FileLayout: Sendable {
  /// `JPEGImages/ID.jpg` (or `.jpeg`, `.png`), with the mask `SegmentationClassAug/ID.png` if there is one, else
  /// `SegmentationClass/ID.png`.
  case voc
  /// `leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png`, with the mask `gtFine/SPLIT/CITY/NAME_gtFine_labelTrainIds.png` if
  /// there is one, else `…_labelIds.png`.
  case cityscapes
  /// `images/NAME.jpg` (or `.jpeg`, `.png`), with the mask `labels/NAME.png`; both may have folders of their own.
  case folder

  /// A line's image, and its mask if it is to be `labeled`. In every layout a line may also be the paths of an image
  /// and its mask, relative to the root.
  ///
  /// - Throws: ``DatasetError`` that names what is missing, but not the line.
  func entry(_ line: ImageList.Line, labeled: Bool, _ files: inout FileNames) throws -> FileEntry {
    switch self {
    case .voc: try voc(line, labeled: labeled, &files)
    case .cityscapes: try cityscapes(line, labeled: labeled, &files)
    case .folder: try folder(line, labeled: labeled, &files)
    }
  }

  /// An entry of two paths.
  func pair(_ words: [String], labeled: Bool, _ files: inout FileNames) throws -> FileEntry {
    let paths = words.map(FileNames.normalized)
    var found: [String] = []
    for path in labeled ? paths : [paths[0]] {
      guard let file = files.find(path) else {
        throw DatasetError(description: "there is no \(path) in \(files.root)\(files.nearlyIt(path))")
      }
      found.append(file)
    }
    return FileEntry(identifier: paths[0], image: found[0], mask: labeled ? found[1] : nil)
  }
}

/// An image and its mask on disk; paths are relative to the root.
struct FileEntry: Equatable {
  let identifier: String
  let image: String
  let mask: String?
}
