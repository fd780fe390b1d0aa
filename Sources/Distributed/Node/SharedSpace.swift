import Foundation

/// A node without room for the memory its ranks are to share.
public struct NodeMemoryError: Error, CustomStringConvertible, Sendable {
  public let description: String
}

/// Where large memory comes from, for the ranks of a node or one process.
enum SharedSpace {
  /// Zeroed pages of this process, mapped but not yet there.
  static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let pages = mmap(nil, max(byteCount, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let pages, pages != MAP_FAILED else { fatalError("\(byteCount) bytes cannot be mapped") }
    return pages
  }

  static func free(_ base: UnsafeMutableRawPointer, _ byteCount: Int) { munmap(base, max(byteCount, 1)) }

  /// Open MPI keeps shared windows in files there (its parameter `osc_sm_backing_directory`).
  static var directory: String {
    ProcessInfo.processInfo.environment["OMPI_MCA_osc_sm_backing_directory"] ?? "/dev/shm"
  }

  /// - Throws: ``NodeMemoryError`` where the file system has less than this left, and a twentieth that Open MPI keeps free.
  static func require(_ byteCount: Int) throws {
    var status = statvfs()
    guard statvfs(directory, &status) == 0 else { return }
    let free = Int(status.f_bavail) * Int(status.f_frsize)
    guard free < byteCount + byteCount / 20 else { return }
    let mebibytes = { (bytes: Int) in (bytes + (1 << 20) - 1) >> 20 }
    throw NodeMemoryError(
      description: "the ranks of \(MPIEnvironment.host) are to share \(mebibytes(byteCount)) MiB, but \(directory) has "
        + "\(mebibytes(free)) MiB left; enlarge it (mount -o remount,size=…, or docker run --shm-size), or name another "
        + "directory: mpirun --mca osc_sm_backing_directory DIR")
  }
}
