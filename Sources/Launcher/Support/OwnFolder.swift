import Files
import Foundation

/// A folder for the results of one command, which has to be empty before: results of an earlier command, which people
/// may have changed, are not replaced.
enum OwnFolder {
  /// Finds out, before long work, whether results can be written there. One rank calls this.
  ///
  /// - Throws: ``ConfigurationFailure`` or `FileError`.
  static func requireFree(_ path: String) throws {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      guard isFolder.boolValue else {
        throw ConfigurationFailure(description: "-o \(path) is a file; give the name of a new folder")
      }
      let names = try FileSystem.entries(of: path)
      guard names.isEmpty else {
        throw ConfigurationFailure(
          description: "-o \(path) is there already and holds \(names.prefix(3).joined(separator: ", "))"
            + "\(names.count > 3 ? ", …" : ""); somebody may have corrected these results, so they are not replaced: "
            + "give another -o, or remove the folder")
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

  /// Names for files, one for each image: what its list calls the image, without extension, and with a number if
  /// another image has the same name.
  ///
  /// - Parameters:
  ///   - lines: the images' lines in lists; of two paths in a line the first counts.
  ///   - paths: the images' paths, which tell whether a space in a line is part of a name.
  static func names(for lines: [String], at paths: [String]) -> [String] {
    var taken: Set<String> = []
    return zip(lines, paths).map { line, path in
      let isName = stem(path).hasSuffix(stem(line))
      let text = isName ? line : line.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? line
      let parts = stem(text).split(separator: "/").map(String.init).filter { $0 != "." }
      // The folders of a path outside the data set are not made again below the folder of results.
      let isElsewhere = text.hasPrefix("/") || parts.contains("..")
      let wanted = isElsewhere ? parts.last ?? "" : parts.joined(separator: "/")
      let name = wanted.isEmpty || wanted == ".." ? "image" : wanted
      var free = name
      var number = 2
      // Some file systems do not tell capitals from small letters.
      while !taken.insert(free.lowercased()).inserted {
        free = "\(name)-\(number)"
        number += 1
      }
      return free
    }
  }

  /// A path without the extension of an image file.
  private static func stem(_ path: String) -> String {
    let suffix = URL(fileURLWithPath: path).pathExtension
    return ["jpg", "jpeg", "png"].contains(suffix.lowercased()) ? String(path.dropLast(suffix.count + 1)) : path
  }
}
