import Foundation

/// A folder for the results of one command, which holds nothing else: what people have changed in the results of an earlier one is
/// not replaced.
enum OwnFolder {
  /// Finds out, before long work, whether results can be written there. One rank calls this.
  ///
  /// - Throws: ``ConfigurationFailure``.
  static func requireFree(_ path: String) throws {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      guard isFolder.boolValue else {
        throw ConfigurationFailure(description: "-o \(path) is a file; give the name of a new folder")
      }
      let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      guard names.isEmpty else {
        throw ConfigurationFailure(
          description: "-o \(path) is there already and holds \(names.sorted().prefix(3).joined(separator: ", "))"
            + "\(names.count > 3 ? ", …" : ""): masks that somebody may have corrected are not replaced; give another -o, or "
            + "remove it")
      }
    }
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw ConfigurationFailure(description: "-o \(path) cannot be made: \(error.localizedDescription)")
    }
    guard access(path, W_OK | X_OK) == 0 else {
      throw ConfigurationFailure(description: "-o \(path) cannot be written to: \(String(cString: strerror(errno)))")
    }
  }

  /// Names for files, one for each text: the text without its extension, as far as it can be a path below a folder, and with a
  /// number where another has the same.
  static func names(for texts: [String], droppingExtension: Bool = true) -> [String] {
    var taken: Set<String> = []
    return texts.map { text in
      let first = text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? text
      var parts = first.split(separator: "/").map(String.init).filter { $0 != "." && $0 != ".." }
      if droppingExtension, let last = parts.popLast() {
        let suffix = URL(fileURLWithPath: last).pathExtension.lowercased()
        parts.append(["jpg", "jpeg", "png"].contains(suffix) ? String(last.dropLast(suffix.count + 1)) : last)
      }
      let stem = parts.isEmpty || parts == [""] ? "image" : parts.joined(separator: "/")
      var name = stem
      var number = 2
      // Some file systems do not tell capitals from small letters.
      while !taken.insert(name.lowercased()).inserted {
        name = "\(stem)-\(number)"
        number += 1
      }
      return name
    }
  }
}
