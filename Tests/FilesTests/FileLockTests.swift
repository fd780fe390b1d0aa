import Files
import TestSupport
import XCTest

final class FileLockTests: DirectoryTestCase {
  func testALockKeepsOthersOutUntilItIsGone() throws {
    var lock: FileLock? = try FileLock(path: path("lock"))
    XCTAssertThrowsError(try FileLock(path: path("lock"))) { error in
      let held = error as? FileLock.Held
      XCTAssertEqual(held?.holder, "process \(getpid()) on \(ProcessInfo.processInfo.hostName)")
      XCTAssertEqual(held?.host, ProcessInfo.processInfo.hostName)
    }
    _ = lock
    lock = nil
    XCTAssertNil(try FileLock(path: path("lock")).weakness)
    XCTAssertEqual(
      message { _ = try FileLock(path: path("none/lock")) }.prefix(path("none/lock").count + 1), path("none/lock") + ":"
    )
  }

  func testMountsWhoseLocksOtherHostsDoNotSee() {
    let table = MountTable(
      """
      1 0 8:1 / / rw - ext4 /dev/sda1 rw
      2 1 0:40 / \(directory) rw - nfs4 server:/home rw,vers=4.2,local_lock=none
      3 2 0:41 / \(directory)/my\\040runs rw - nfs server:/runs rw,vers=3,nolock,local_lock=all
      """)
    XCTAssertEqual(table.mounts.last?.point, "\(directory)/my runs")
    XCTAssertNil(FileLock.weakness(of: directory, table))
    XCTAssertNoThrow(
      try FileManager.default.createDirectory(atPath: path("my runs"), withIntermediateDirectories: true))
    XCTAssertEqual(
      FileLock.weakness(of: path("my runs"), table),
      "at \(directory)/my runs (nfs, nolock) has locks within one host only")
    XCTAssertEqual(table.mount(of: "/etc/passwd")?.kind, "ext4")
  }
}
