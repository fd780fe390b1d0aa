import Foundation

/// Keeps a second launch from supervising the same run. The system releases the lock when the process ends.
final class RunLock {
  private let descriptor: Int32

  /// - Throws: ``SupervisorError`` naming who holds it.
  init(path: String) throws {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw SupervisorError("\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      let holder = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
      close(descriptor)
      throw SupervisorError(
        "another launch supervises this run (\(holder.trimmingCharacters(in: .whitespacesAndNewlines))); stop that one "
          + "first, or give another --run")
    }
    // Some network file systems have no locks; there the file only tells who supervised the run last.
    let holder = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)\n"
    ftruncate(descriptor, 0)
    _ = holder.utf8CString.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count - 1) }
  }

  deinit { close(descriptor) }
}
