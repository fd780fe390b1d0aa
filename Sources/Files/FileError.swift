import Foundation

/// What went wrong with a file, in one sentence that names the file, the place in it and what to do.
public struct FileError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(description: String) {
    self.description = description
  }

  /// A system call's failure: `what` says what was attempted, the text of `code` says why it failed.
  package static func system(_ what: String, _ path: String, code: Int32 = errno) -> FileError {
    let hint =
      switch code {
      case ENOENT: "; create the directory or correct the path"
      case ENOTDIR: "; a part of the path is a file, correct the path"
      case EACCES, EPERM, EROFS: "; choose a place this user may use, or change its permissions"
      case ENOSPC, EDQUOT, EFBIG: "; free some space or choose another place"
      default: ""
      }
    return FileError(description: "\(path): \(what): \(String(cString: strerror(code)))\(hint)")
  }
}
