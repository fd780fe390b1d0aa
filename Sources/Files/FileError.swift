import Foundation

/// An error of a file: one sentence that names the file, the place in it and the remedy.
public struct FileError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(description: String) {
    self.description = description
  }

  /// A system call's failure: `what` is the attempt, the text of `code` the reason for the failure.
  package static func system(_ what: String, _ path: String, code: Int32 = errno) -> FileError {
    let hint =
      switch code {
      case ENOENT: hint(missing: path)
      case ENOTDIR: "; a part of the path is a file, correct the path"
      case EACCES, EPERM, EROFS: "; choose a place this user may use, or change its permissions"
      case ENOSPC, EDQUOT: "; free some space or choose another place"
      case EFBIG: "; raise the limit on the size of files (ulimit -f) or choose another place"
      default: ""
      }
    return FileError(description: "\(path): \(what): \(String(cString: strerror(code)))\(hint)")
  }

  private static func hint(missing path: String) -> String {
    guard let target = FileSystem.linkTarget(path) else { return "; create the directory or correct the path" }
    let advice = StorePointer.advice(linkTo: target, path)
    return advice.isEmpty ? "; it is a link that leads nowhere: \(target) does not exist" : advice
  }
}
