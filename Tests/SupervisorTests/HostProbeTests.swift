import Supervisor
import TestSupport
import XCTest

/// The shell script that asks a host for its cores sees the quotas of control groups.
final class HostProbeTests: DirectoryTestCase {
  /// The texts are those of OpenSSH 9.2.
  func testWhatSSHSaysHasARemedy() {
    func explain(_ lines: String...) -> String { HostTrouble.explain(lines, host: "node02") ?? "nothing" }
    let changed = "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @"
    XCTAssertTrue(
      explain(changed, "Host key verification failed.").hasSuffix("ssh-keygen -R node02, then ssh node02 once"))
    let unknown = explain(
      "No ED25519 host key is known for node02 and you have requested strict checking.", "",
      "Host key verification failed.")
    XCTAssertTrue(unknown.hasPrefix("Host key verification failed: its host key is not known here; ssh node02 once"))
    XCTAssertTrue(explain("root@node02: Permission denied (publickey,password).").contains("ssh-copy-id node02"))
    XCTAssertTrue(
      explain("ssh: Could not resolve hostname node02: Name or service not known").contains("getent hosts node02"))
    XCTAssertTrue(explain("ssh: connect to host node02 port 22: Connection refused").hasSuffix("no sshd listens there"))
    XCTAssertEqual(explain("bash: no such thing", " "), "bash: no such thing")
    XCTAssertEqual(explain(" "), "nothing")
  }

  private func write(_ name: String, _ text: String) throws {
    let url = URL(fileURLWithPath: path(name))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data((text + "\n").utf8).write(to: url)
  }

  /// The words that the script prints.
  private func words() throws -> [String] {
    let script = HostFacts.script(root: directory)
    XCTAssertFalse(script.contains("'") || script.contains("\n"), "it would not pass through an agent")
    let child = try ChildProcess(["/bin/sh", "-c", script], environment: ["PATH": "/usr/bin:/bin"])
    var output: [String] = []
    let limit = ProcessInfo.processInfo.systemUptime + 20
    while child.end == nil, ProcessInfo.processInfo.systemUptime < limit {
      child.poll { _, text in output.append(text) }
      usleep(2000)
    }
    child.poll { _, text in output.append(text) }
    let line = try XCTUnwrap(output.last { $0.hasPrefix("u2pl-host ") }, "\(output)")
    XCTAssertEqual(output, [line], "it complains")
    return line.split(separator: " ").map(String.init)
  }

  func testQuotasOfEveryLevel() throws {
    try write("proc/self/cgroup", "0::/slice/job")
    try write("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw")
    XCTAssertEqual(try words()[4], "0")
    try write("sys/fs/cgroup/slice/job/cpu.max", "max 100000")
    XCTAssertEqual(try words()[4], "0")
    try write("sys/fs/cgroup/slice/cpu.max", "150000 100000")
    XCTAssertEqual(try words()[4], "1500")
    try write("sys/fs/cgroup/slice/job/cpu.max", "50000 100000")
    let found = try words()
    XCTAssertEqual(found[4], "500")
    XCTAssertEqual(HostFacts([found.joined(separator: " ")])?.cores, 1)

    try write("proc/self/cgroup", "4:memory:/m\n2:cpuacct,cpu:/docker/ab\n0::/")
    try write(
      "proc/self/mountinfo",
      "32 31 0:29 /docker/ab /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        + "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset")
    try write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1")
    try write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000")
    XCTAssertEqual(try words()[4], "0")
    try write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000")
    XCTAssertEqual(try words()[4], "2000")
  }

  func testCoresUnderAQuota() {
    for (line, cores) in [
      ("u2pl-host 64 64 32 0 avx512", 32), ("u2pl-host 64 64 32 4000 avx512", 4), ("u2pl-host 64 64 32 2100 avx2", 3),
      ("u2pl-host 64 64 32 99000 avx2", 32), ("u2pl-host 2 64 32 500 base", 1),
    ] {
      XCTAssertEqual(HostFacts([line])?.cores, cores, line)
    }
  }
}
