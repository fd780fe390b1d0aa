import Foundation

/// A list of images: the lines of a text file that are neither empty nor a comment, or the image files in a folder.
public struct ImageList: Sendable {
  public struct Line: Sendable, Equatable {
    /// Counted from 1; of a folder, the file's place among its images.
    public let number: Int
    /// Without white space around it.
    public let text: String
  }

  /// The file or folder, for messages.
  public let path: String
  public let lines: [Line]
  /// Lines that begin with `#`.
  let comments: [Line]

  /// Reads a list.
  ///
  /// A folder stands for its JPEG and PNG files, in the order of their names, without those in folders below. Where it
  /// is in the first of `folders`, their paths start from there, else from the folder that it is in.
  /// - Parameters:
  ///   - list: a path, absolute or relative to any of `folders`.
  ///   - folders: searched in this order; the first that has the list is taken.
  /// - Throws: ``DatasetError`` when there is no such list, it is empty, or it is not text.
  public init(_ list: String, in folders: [String]) throws {
    guard let path = ImageList.locate(list, in: folders) else {
      let tried = ImageList.candidates(list, in: folders)
      throw DatasetError(description: "\(list): no such list of images; tried \(tried.joined(separator: ", "))")
    }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      let names = try FileNames.listImages(path)
      guard !names.isEmpty else { throw FileBytes.problem(path, "the folder holds no JPEG or PNG image") }
      let isBelow =
        !list.hasPrefix("/")
        && folders.first.map { !$0.isEmpty && FileNames.existing("\($0)/\(list)") == path } ?? false
      let folder = isBelow ? FileNames.normalized(list) : FileNames.split(FileNames.normalized(list)).name
      let lines = names.enumerated().map { Line(number: $0 + 1, text: "\(folder)/\($1)") }
      self.init(path: path, lines: lines, comments: [])
    } else {
      try self.init(path: path, bytes: FileBytes.read(path))
    }
  }

  /// A list's text, one image a line; `path` is its name in messages.
  init(path: String, bytes: [UInt8]) throws {
    let text = try ListText.decode(bytes, path: path)
    var lines: [Line] = []
    var comments: [Line] = []
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let trimmed = line.trimmingCharacters(in: ImageList.blank)
      guard !trimmed.isEmpty else { continue }
      let line = Line(number: index + 1, text: trimmed)
      if trimmed.hasPrefix("#") { comments.append(line) } else { lines.append(line) }
    }
    guard !lines.isEmpty else { throw FileBytes.problem(path, "the list is empty; it needs one image a line") }
    self.init(path: path, lines: lines, comments: comments)
  }

  /// White space, the byte order mark that some editors put first, and Ctrl-Z, which DOS programs put last.
  private static let blank = CharacterSet.whitespaces.union(["\u{FEFF}", "\u{1A}"])

  private init(path: String, lines: [Line], comments: [Line]) {
    self.path = path
    self.lines = lines
    self.comments = comments
  }

  /// The path of a list, nil when it is in none of the folders.
  static func locate(_ list: String, in folders: [String]) -> String? {
    candidates(list, in: folders).lazy.compactMap(FileNames.existing).first
  }

  static func candidates(_ list: String, in folders: [String]) -> [String] {
    list.hasPrefix("/") ? [list] : folders.map { $0.isEmpty ? list : "\($0)/\(list)" }
  }

  /// The name of a line in messages.
  func place(_ line: Line) -> String { "\(path), line \(line.number)" }
}
