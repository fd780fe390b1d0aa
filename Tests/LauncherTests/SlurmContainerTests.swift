import Foundation
import XCTest

/// `u2pl launch` in a container that has the variables of a Slurm job, but neither Slurm's programs nor its hosts' names.
final class SlurmContainerTests: LaunchTestCase {
  private var host: String {
    var name = utsname()
    uname(&name)
    return withUnsafeBytes(of: name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  private func job(_ hosts: String, tasks: String = "2", path: String? = nil) -> [String: String] {
    var environment = [
      "SLURM_JOB_ID": "77", "SLURM_NNODES": "1", "SLURM_TASKS_PER_NODE": tasks, "SLURM_JOB_NODELIST": hosts,
    ]
    if let path { environment["PATH"] = "\(path):\(ProcessInfo.processInfo.environment["PATH"] ?? "")" }
    return environment
  }

  private func program(_ name: String, _ script: String) throws {
    try write(name, "#!/bin/sh\n\(script)\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path(name))
  }

  func testAHostThatIsThisOne() throws {
    let outcome = try launched(
      ["launch", "--bind-to", "none", "--backoff", "0", "--"] + training("run"), environment: job(host))
    XCTAssertTrue(outcome.output.contains("2 ranks × 1 thread on \(host)"), outcome.summary)
    XCTAssertEqual(try metrics("run").count, 9)
  }

  /// The container has another name than its host.
  func testAHostThatIsKnownByAnotherName() throws {
    // Without a network there is no answer at all.
    try program("none/ssh", "echo \"ssh: Could not resolve hostname $1: Name or service not known\" >&2; exit 255")
    let start = ProcessInfo.processInfo.systemUptime
    let outcome = try launched(
      ["launch", "--backoff", "0", "--"] + training("run"), status: 2, limit: 60,
      environment: job("node07", path: path("none")))
    XCTAssertLessThan(ProcessInfo.processInfo.systemUptime - start, 2 * patience)
    for words in [
      "none of the hosts of Slurm job 77 answers", "a hostfile (--hostfile) goes before Slurm's list",
    ] {
      XCTAssertTrue((outcome.output + outcome.errors).contains(words), outcome.summary)
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("run/metrics.jsonl")))
    // The advice, followed.
    try write("hosts", "localhost slots=2\n")
    _ = try launched(
      ["launch", "-n", "2", "--hostfile", "hosts", "--bind-to", "none", "--backoff", "0", "--"] + training("given"),
      environment: job("node07", path: path("none")))
    XCTAssertEqual(try metrics("given").count, 9)
  }

  /// Slurm's programs are there, and its controller cannot be reached.
  func testAnSrunThatReachesNoController() throws {
    try program("fake/srun", "echo 'srun: error: Unable to contact slurm controller (connect failure)' >&2; exit 1")
    let line = ["launch", "-n", "2", "--max-restarts", "1", "--backoff", "0", "--"] + training("run")
    let outcome = try launched(
      line, status: 2, limit: 60, environment: job("\(host),node08", tasks: "1(x2)", path: path("fake")))
    let said = outcome.output + outcome.errors
    XCTAssertTrue(
      said.contains("node08 does not answer: srun: error: Unable to contact slurm controller"), outcome.summary)
    XCTAssertTrue(said.contains("1 slot on the hosts that answer"), outcome.summary)
  }
}
