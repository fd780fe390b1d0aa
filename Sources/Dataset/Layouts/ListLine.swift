import Foundation

// Lines as other programs write them.

extension FileLayout {
  /// A line's image and mask: what it says as it stands, or else as Windows, spreadsheets and `find` write it: with
  /// backslashes, commas, quotes, or absolute paths below the root.
  ///
  /// - Throws: ``DatasetError`` that names what is missing and what may be meant, but not the line.
  func meaning(of line: ImageList.Line, labeled: Bool, _ files: inout FileNames) throws -> FileEntry {
    do {
      return try entry(line, labeled: labeled, &files)
    } catch let problem as DatasetError {
      if let outside = line.pathOutside(files) {
        throw DatasetError(
          description:
            "\(outside) is not below data.root, \(files.root): set data.root to a folder that all images and "
            + "masks are below, or link their folders into it")
      }
      var problem = problem
      for followsLinks in [false, true] {
        guard let other = line.rewritten(files, followsLinks: followsLinks) else { continue }
        do { return try entry(other, labeled: labeled, &files) } catch let second as DatasetError {
          // Of more words it would say only that they are too many.
          if other.words.count <= 2 { problem = second }
        }
      }
      throw DatasetError(description: ImageList.visible(problem.description + line.advice))
    }
  }
}

extension ImageList.Line {
  /// The parts between tabs, or else between white space.
  var words: [String] {
    let parts = text.contains("\t") ? text.split(separator: "\t") : text.split(whereSeparator: \.isWhitespace)
    return parts.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
  }

  /// The line with slashes for backslashes, tabs for commas and semicolons, and paths relative to the root; nil where
  /// that is the line itself.
  ///
  /// - Parameter followsLinks: whether a path is below the root that is so after following links.
  func rewritten(_ files: FileNames, followsLinks: Bool) -> ImageList.Line? {
    let separated = text.contains { $0 == "," || $0 == ";" }
    let fields = separated ? text.split { $0 == "," || $0 == ";" }.map(String.init) : [text]
    let parts = fields.flatMap { ImageList.Line(number: number, text: $0).pathsOrText }.map { field in
      let plain = field.trimmingCharacters(in: .whitespaces.union(["\"", "'"])).replacing("\\", with: "/")
      return files.belowRoot(plain, followsLinks: followsLinks) ?? plain
    }
    let other = parts.filter { !$0.isEmpty }.joined(separator: "\t")
    return other == text ? nil : ImageList.Line(number: number, text: other)
  }

  /// The words where they are absolute paths or one is in quotes; else the text as a whole, in which spaces may belong
  /// to a name.
  private var pathsOrText: [String] {
    let isPath = words.count == 2 && words.allSatisfy { $0.hasPrefix("/") || $0.hasPrefix("\"") }
    return isPath || text.contains("\t") ? words : [text]
  }

  /// An absolute path in the line that leads to a file elsewhere than below the root.
  fileprivate func pathOutside(_ files: FileNames) -> String? {
    ([text] + words).map { files.absolute($0) }.first { word in
      word.hasPrefix("/") && access(word, F_OK) == 0 && files.belowRoot(word, followsLinks: false) == nil
        && files.belowRoot(word, followsLinks: true) == nil
    }
  }

  /// The end of a message on a line that names no image: what may be wrong with it, or "".
  fileprivate var advice: String {
    let words = words
    let heading: Set<String> = [
      "image", "images", "mask", "masks", "label", "labels", "file", "filename", "path", "id",
    ]
    let parts = text.lowercased().split { !$0.isLetter }.map(String.init)
    if number == 1, !parts.isEmpty, heading.isSuperset(of: parts) {
      return "; if that is a heading, remove it: a list has none"
    }
    if text.hasPrefix("[") || text.hasPrefix("{") {
      return "; that is JSON: a list has an image a line, and no brackets"
    }
    if text.contains("://") {
      return "; that is a URL: write the path of a file below data.root"
    }
    if text.contains(where: { $0 == "," || $0 == ";" }) {
      return "; a list has no commas: a tab or a space is between an image and its mask"
    }
    if text.prefixMatch(of: /[A-Za-z]:[\\\/]/) != nil {
      return "; that is a path of Windows: write it relative to data.root, with slashes"
    }
    if text.contains("\\") { return "; the parts of a path are separated by slashes, not by backslashes" }
    if text.contains(" #") { return "; a comment has to be a line of its own, which begins with #" }
    if text.hasPrefix("~") || text.hasPrefix("$") { return "; \(text.prefix { $0 != "/" }) is not replaced in a list" }
    if let plain = text.removingPercentEncoding, plain != text {
      return "; names are written as they are, not percent-encoded as in URLs: \(plain)"
    }
    if text.contains("*") || text.contains("?") {
      return "; a list has no wildcards: a folder in the place of a list stands for its images"
    }
    if words.count == 2, ["-1", "0", "1"].contains(words[1]) {
      return
        "; numbers say which images show a class, as in ImageSets/Main; a list has images, or pairs of image and mask"
    }
    return text.hasPrefix("/") ? "; a slash at the beginning means data.root, unless the path is below it" : ""
  }
}

extension FileNames {
  /// A path that leads out of the root, such as `../other/a.jpg`, as an absolute one; others as they are.
  fileprivate func absolute(_ path: String) -> String {
    guard path.hasPrefix("../"), let root = absoluteRoots.first else { return path }
    return URL(fileURLWithPath: "\(root)/\(path)").standardizedFileURL.path
  }

  /// An absolute path, or one that begins with `../`, as one relative to the root; nil where it is neither, or not
  /// below the root.
  func belowRoot(_ path: String, followsLinks: Bool) -> String? {
    var path = absolute(path)
    guard path.hasPrefix("/") else { return nil }
    if followsLinks {
      let (folder, name) = FileNames.split(path)
      guard let followed = FileNames.linksFollowed(folder) else { return nil }
      path = FileNames.join(followed, name)
    }
    let root = absoluteRoots.first { path.hasPrefix($0 + "/") }
    return root.map { String(path.dropFirst($0.count + 1)) }
  }
}

extension ImageList {
  /// A message in which characters that show nothing, or change what a terminal shows, are written as `⟨U+200B⟩`.
  static func visible(_ message: String) -> String {
    let isHidden: (Unicode.Scalar) -> Bool = { scalar in
      [.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
    }
    guard message.unicodeScalars.contains(where: isHidden) else { return message }
    return message.unicodeScalars.map { scalar in
      isHidden(scalar) ? "⟨U+\(String(format: "%04X", scalar.value))⟩" : String(scalar)
    }.joined()
  }
}
