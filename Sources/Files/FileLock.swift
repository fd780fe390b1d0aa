import Foundation

/// An advisory lock on a file, which the system releases when the process ends, however it ends.
///
/// The file says who holds it, and stays. On NFS the lock holds between hosts, unless it is mounted without.
package final class FileLock: Sendable {
  /// Another process has it.
  package struct Held: Error {
    /// Such as `process 4711 on node01`.
    package let holder: String
    /// nil where the file does not say.
    package let host: String?
  }

  private let descriptor: Int32
  /// Why it does not keep all others out, in words that go on after “the file system”; nil where it does.
  package let weakness: String?

  /// Takes the lock.
  ///
  /// - Throws: ``Held``, or ``FileError`` where the file cannot be written.
  package init(path: String) throws {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.system("cannot be written", path) }
    var result: Int32
    repeat { result = flock(descriptor, LOCK_EX | LOCK_NB) } while result != 0 && errno == EINTR
    let code = result == 0 ? 0 : errno
    if code == EWOULDBLOCK || code == EACCES {
      let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
      let holder = text.trimmingCharacters(in: .whitespacesAndNewlines)
      close(descriptor)
      throw Held(
        holder: holder.isEmpty ? "of unknown name" : holder,
        host: holder.range(of: " on ").map { String(holder[$0.upperBound...]) })
    }
    weakness =
      code == 0 ? Self.weakness(of: path, MountTable()) : "has no locks (\(String(cString: strerror(code))))"
    let holder = Array("process \(getpid()) on \(ProcessInfo.processInfo.hostName)\n".utf8)
    if ftruncate(descriptor, 0) == 0 { _ = holder.withUnsafeBytes { FileSystem.writeAll(descriptor, $0) } }
  }

  /// Mounts of network file systems whose locks other hosts do not see.
  package static func weakness(of path: String, _ mounts: MountTable) -> String? {
    var resolved = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    guard realpath(path, &resolved) != nil else { return nil }
    let place = String(decoding: resolved.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard let mount = mounts.mount(of: place) else { return nil }
    // nfs(5), mount.cifs(8), mount.lustre(8).
    let local = ["nolock", "local_lock=all", "local_lock=flock", "localflock", "nobrl"]
    return local.first(where: mount.options.contains).map {
      "at \(mount.point) (\(mount.kind), \($0)) has locks within one host only"
    }
  }

  deinit { close(descriptor) }
}
