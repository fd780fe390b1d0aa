import Files
import TestSupport
import XCTest

/// Limits of control groups, in trees of files as Linux shows them. `HostProbeTests` reads the same trees by a shell
/// script.
final class ControlGroupsTests: DirectoryTestCase {
  private func write(_ name: String, _ text: String) throws {
    let url = URL(fileURLWithPath: path(name))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data((text + "\n").utf8).write(to: url)
  }

  private func groups() -> ControlGroups { ControlGroups(root: directory) }

  /// As on a host with systemd, or in a job of Slurm: the process is in a group of a group.
  func testVersionTwoOnEveryLevel() throws {
    try write("proc/self/cgroup", "0::/system.slice/job_7/step_0")
    try write("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate")
    XCTAssertNil(groups().memoryAvailable)
    XCTAssertNil(groups().cores)
    let group = "sys/fs/cgroup/system.slice"
    try write("\(group)/job_7/step_0/memory.max", "max")
    try write("\(group)/job_7/step_0/memory.current", "100")
    try write("\(group)/job_7/step_0/cpu.max", "max 100000")
    XCTAssertNil(groups().memoryAvailable)
    XCTAssertNil(groups().cores)
    try write("\(group)/job_7/memory.max", "5000")
    try write("\(group)/job_7/memory.current", "1500")
    try write("\(group)/job_7/cpu.max", "250000 100000")
    XCTAssertEqual(groups().memoryAvailable?.value, 3500)
    XCTAssertEqual(groups().memoryAvailable?.folder, "/sys/fs/cgroup/system.slice/job_7")
    XCTAssertEqual(groups().cores?.value, 2.5)
    // Files that were not used lately make room.
    try write("\(group)/job_7/memory.stat", "anon 900\nfile 600\ninactive_file 400\nactive_file 200")
    XCTAssertEqual(groups().memoryAvailable?.value, 3900)
    // What others of the slice use counts too.
    try write("\(group)/memory.max", "9000")
    try write("\(group)/memory.current", "8000")
    try write("\(group)/cpu.max", "50000 100000")
    XCTAssertEqual(groups().memoryAvailable?.value, 1000)
    XCTAssertEqual(groups().cores?.value, 0.5)
    XCTAssertEqual(groups().cores?.folder, "/sys/fs/cgroup/system.slice")
    try write("\(group)/memory.current", "9500")
    XCTAssertEqual(groups().memoryAvailable?.value, 0)
  }

  func testVersionOne() throws {
    try write("proc/self/cgroup", "9:name=systemd:/\n4:memory:/slurm/uid_0/job_7\n2:cpu,cpuacct:/br\n0::/")
    try write(
      "proc/self/mountinfo",
      """
      32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
      34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
      35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
      """)
    let memory = "sys/fs/cgroup/memory/slurm/uid_0"
    try write("\(memory)/job_7/memory.limit_in_bytes", "9223372036854771712")
    try write("\(memory)/job_7/memory.usage_in_bytes", "100")
    XCTAssertNil(groups().memoryAvailable)
    try write("\(memory)/memory.limit_in_bytes", "4096")
    try write("\(memory)/memory.usage_in_bytes", "1096")
    try write("\(memory)/memory.stat", "inactive_file 9\ntotal_inactive_file 96")
    XCTAssertEqual(groups().memoryAvailable?.value, 3096)
    try write("sys/fs/cgroup/cpu,cpuacct/br/cpu.cfs_quota_us", "-1")
    try write("sys/fs/cgroup/cpu,cpuacct/br/cpu.cfs_period_us", "100000")
    XCTAssertNil(groups().cores)
    try write("sys/fs/cgroup/cpu,cpuacct/br/cpu.cfs_quota_us", "150000")
    XCTAssertEqual(groups().cores?.value, 1.5)
  }

  /// Without a name space of its own, a container sees its group at the mount's root and the host's path of it.
  func testAContainer() throws {
    try write("proc/self/cgroup", "4:memory:/docker/ab12\n0::/../../other")
    try write(
      "proc/self/mountinfo",
      "35 31 0:32 /docker/ab12 /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
        + "36 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw")
    try write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000")
    try write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1")
    XCTAssertEqual(groups().memoryAvailable?.value, 999)
    try write("sys/fs/cgroup/unified/cpu.max", "400000 100000")
    XCTAssertEqual(groups().cores?.value, 4)
  }

  func testFilesThatAreNoNumbersAreNoLimits() throws {
    try write("proc/self/cgroup", "0::/a\nnonsense\n5:")
    try write("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n- x\n\n1 2 3 4 5 6 7")
    for text in ["", "x", "-5", "1e9", "99999999999999999999999"] {
      for name in ["memory.max", "memory.current", "cpu.max"] { try write("sys/fs/cgroup/a/\(name)", text) }
      XCTAssertNil(groups().memoryAvailable.flatMap { $0.value >= 0 ? nil : $0 }, text)
      XCTAssertNil(groups().cores, text)
    }
    try write("sys/fs/cgroup/a/cpu.max", "100000 0")
    XCTAssertNil(groups().cores)
  }
}
