import Foundation

/// A list of images: the lines of a text file that are not empty, or the image files in a folder.
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
      let names = try FileNames.list(path).filter(FileNames.isImage).sorted()
      guard !names.isEmpty else { throw FileBytes.problem(path, "the folder holds no JPEG or PNG image") }
      let isBelow = !list.hasPrefix("/") && folders.first.map { !$0.isEmpty && path == "\($0)/\(list)" } ?? false
      let folder = isBelow ? FileNames.normalized(list) : FileNames.split(FileNames.normalized(list)).name
      self.init(path: path, lines: names.enumerated().map { Line(number: $0 + 1, text: "\(folder)/\($1)") })
    } else {
      try self.init(path: path, bytes: FileBytes.read(path))
    }
  }

  /// A list's text, one image a line; `path` is its name in messages.
  init(path: String, bytes: [UInt8]) throws {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw FileBytes.problem(path, "the list is not UTF-8 text")
    }
    var lines: [Line] = []
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      // Some editors put a byte order mark first.
      let trimmed = line.drop { $0 == "\u{FEFF}" }.trimmingCharacters(in: .whitespaces)
      if !trimmed.isEmpty { lines.append(Line(number: index + 1, text: trimmed)) }
    }
    guard !lines.isEmpty else { throw FileBytes.problem(path, "the list is empty; it needs one image a line") }
    self.init(path: path, lines: lines)
  }

  private init(path: String, lines: [Line]) {
    self.path = path
    self.lines = lines
  }

  /// The path of a list, nil when it is in none of the folders.
  static func locate(_ list: String, in folders: [String]) -> String? {
    candidates(list, in: folders).first { FileManager.default.fileExists(atPath: $0) }
  }

  static func candidates(_ list: String, in folders: [String]) -> [String] {
    list.hasPrefix("/") ? [list] : folders.map { $0.isEmpty ? list : "\($0)/\(list)" }
  }

  /// The name of a line in messages.
  func place(_ line: Line) -> String { "\(path), line \(line.number)" }
}

extension ImageList.Line {
  /// The parts between tabs, or else between white space.
  var words: [String] {
    let parts = text.contains("\t") ? text.split(separator: "\t") : text.split(whereSeparator: \.isWhitespace)
    return parts.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
  }
}
