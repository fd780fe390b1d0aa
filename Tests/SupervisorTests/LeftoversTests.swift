import XCTest

import Supervisor

/// What an attempt has left on a host is found by the run's mark, and ended; nothing else is.
final class LeftoversTests: XCTestCase {
  private let mark = "u2plruntest\(UInt64.random(in: 0...UInt64.max))"

  private func isRunning(_ child: ChildProcess) -> Bool {
    child.poll { _, _ in }
    return child.end == nil
  }

  private func run(_ script: String) -> HostTask.Answer? {
    let allocation = Allocation(hosts: [HostSlots(name: "localhost", slots: 1)], source: "")
    let environment = ["PATH": "/usr/bin:/bin"]
    let shell = RemoteShell(allocation, dialect: .orte, environment: environment)
    return HostTask(script, on: ["localhost"], shell: shell, seconds: 10, environment: environment).finish()[
      "localhost"]
  }

  func testOnlyMarkedProcessesAreEnded() throws {
    let path = ["PATH": "/usr/bin:/bin"]
    let rank = try ChildProcess(["sleep", "60"], environment: path.merging([Leftovers.variable: mark]) { $1 })
    let daemon = try ChildProcess(["sh", "-c", "sleep 60; : $0", mark], environment: path)
    let other = try ChildProcess(
      ["sleep", "60"], environment: path.merging([Leftovers.variable: "u2plrunother"]) { $1 })
    let answer = run(HostFacts.script + "; " + Leftovers.script(mark: mark, jobs: []))
    XCTAssertEqual(Leftovers.parse(answer?.output ?? []), [], "\(answer?.output ?? []) \(answer?.reason ?? "")")
    XCTAssertGreaterThan(HostFacts(answer?.output ?? [])?.cores ?? 0, 0)
    XCTAssertFalse(isRunning(rank))
    XCTAssertFalse(isRunning(daemon))
    XCTAssertTrue(isRunning(other))
  }

  /// Files in shared memory and session folders, by the number of the attempt's job and `mpirun`'s process.
  func testOnlyFilesOfTheAttemptThatNobodyUsesAreRemoved() throws {
    let fileSystem = FileManager.default
    let temporary = fileSystem.temporaryDirectory.appendingPathComponent("leftovers-\(UUID().uuidString)").path
    defer { try? fileSystem.removeItem(atPath: temporary) }
    // Beyond the numbers that Open MPI hands out, so that nobody else's are touched.
    let job = MPIJob(family: 0x1F0001, process: 999_999_999, host: "vm")
    let shared = "/dev/shm/vader_segment.vm.\(getuid())."
    let (left, used, other) = (shared + "1f00010001.0", shared + "1f00010001.1", shared + "1f00020001.0")
    let window = "/dev/shm/osc_sm.vm.1f00010001.0.3"
    let sessions = "\(temporary)/ompi.vm.\(getuid())"
    for path in [left, used, other, window] {
      try XCTSkipUnless(fileSystem.createFile(atPath: path, contents: Data(count: 4096)), "\(path) cannot be written")
    }
    defer { for path in [left, used, other, window] { unlink(path) } }
    for name in ["pid.999999999/0", "jf.2031617/1", "pid.\(getpid())", "jf.7"] {
      try fileSystem.createDirectory(atPath: "\(sessions)/\(name)", withIntermediateDirectories: true)
    }
    let descriptor = open(used, O_RDWR)
    let pages = mmap(nil, 4096, PROT_READ, MAP_SHARED, descriptor, 0)
    close(descriptor)
    defer { munmap(pages, 4096) }

    let own = MPIJob(family: 8, process: getpid(), host: "vm")
    let answer = run(
      "OMPI_MCA_orte_tmpdir_base= TMPDIR=\(temporary); " + Leftovers.script(mark: mark, jobs: [job, own]))
    XCTAssertEqual(Leftovers.parse(answer?.output ?? []), [], answer?.reason ?? "")
    XCTAssertEqual(
      [left, used, other, window].map { fileSystem.fileExists(atPath: $0) }, [false, true, true, false])
    XCTAssertEqual(try fileSystem.contentsOfDirectory(atPath: sessions).sorted(), ["jf.7", "pid.\(getpid())"])
  }

  func testTheNumberOfAJob() {
    XCTAssertEqual(
      MPIJob(uri: "1923481600.0;tcp://192.0.2.2:59839;tcp6://[fd00::2]:46685", process: 7, host: "vm.cluster.org"),
      MPIJob(family: 0x72A6, process: 7, host: "vm"))
    for line in ["", "1923481600.1;tcp://a:1", "5.0;tcp://a:1", "99999999999999.0;tcp://a:1", "epoch 1/2"] {
      XCTAssertNil(MPIJob(uri: line, process: 7, host: "vm"), line)
    }
  }

  func testTheSessionOfOpenMPI5() {
    XCTAssertEqual(
      MPIJob(uri: "prterun-node-7.lab-4711@0.0;tcp4://192.0.2.2:42083", process: 7, host: "vm"),
      MPIJob(session: "prterun-node-7.lab-4711", process: 4711, host: "node-7.lab"))
  }

  /// Those of a process that runs, and of the last minute, are somebody's.
  func testTheFilesOfOpenMPI5AreRemoved() throws {
    // Not the mark, by which the script would find and end itself.
    let name = "u2pl-\(UUID().uuidString)"
    let (old, young) = ("/dev/shm/sm_segment.\(name).1.0", "/dev/shm/sm_segment.\(name).2.0")
    let sessions = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
    let host = ProcessInfo.processInfo.hostName
    let (dead, alive) = (
      "\(sessions)/prterun.\(host).999999999.\(getuid())", "\(sessions)/prte.\(host).\(getpid()).\(getuid())"
    )
    // The folder may be shared: a process of another host is none of this one's.
    let foreign = "\(sessions)/prterun.of-another-host.999999999.\(getuid())"
    for path in [dead, alive, foreign] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    defer { for path in [old, young, sessions] { try? FileManager.default.removeItem(atPath: path) } }
    for path in [old, young] { try Data("x".utf8).write(to: URL(fileURLWithPath: path)) }
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -300)], ofItemAtPath: old)
    let job = MPIJob(session: "prterun-h-999999999", process: 999_999_999, host: "h")
    _ = run("PRTE_MCA_prte_tmpdir_base=; TMPDIR=\(sessions); " + Leftovers.script(mark: mark, jobs: [job]))
    XCTAssertEqual(
      [old, young, dead, alive, foreign].map(FileManager.default.fileExists), [false, true, false, true, true])
  }

  func testARunHasOneMark() {
    XCTAssertEqual(Leftovers.mark(of: "/runs/a"), Leftovers.mark(of: "/runs/a"))
    XCTAssertNotEqual(Leftovers.mark(of: "/runs/a"), Leftovers.mark(of: "/runs/b"))
    XCTAssertTrue(Leftovers.mark(of: "/runs/ä b").allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) })
  }

  func testAHostThatHangsIsGivenUp() throws {
    let allocation = Allocation(hosts: [HostSlots(name: "nosuch.invalid", slots: 1)], source: "")
    // Takes what an agent is given, and sleeps.
    let environment = ["PATH": "/usr/bin:/bin", "OMPI_MCA_plm_rsh_agent": "/usr/bin/tail --pid=1 -f /dev/null"]
    let shell = RemoteShell(allocation, dialect: .orte, environment: environment)
    let start = Date()
    let answer = HostTask("true", on: ["nosuch.invalid"], shell: shell, seconds: 0.5, environment: environment).finish()
    XCTAssertLessThan(Date().timeIntervalSince(start), 5)
    XCTAssertNil(HostFacts(answer["nosuch.invalid"]?.output ?? []))
    XCTAssertNotNil(answer["nosuch.invalid"])
  }

  func testTheAgentOfTheEnvironmentIsUsed() {
    let allocation = Allocation(hosts: [HostSlots(name: "far", slots: 1)], source: "")
    func agent(_ value: String?, arguments: String? = nil) -> [String] {
      var environment = ["PATH": "/usr/bin:/bin"]
      environment["OMPI_MCA_plm_rsh_agent"] = value
      environment["OMPI_MCA_plm_rsh_args"] = arguments
      return RemoteShell(allocation, dialect: .orte, environment: environment).agent
    }
    XCTAssertEqual(agent("/bin/bash /run/agent"), ["/bin/bash", "/run/agent"])
    XCTAssertEqual(agent("/nonexistent : /bin/sh"), ["/bin/sh"])
    XCTAssertEqual(agent("/etc : /bin/sh"), ["/bin/sh"], "a folder is no program")
    XCTAssertEqual(agent("ssh -p 2222"), ["ssh", "-p", "2222"])
    XCTAssertEqual(agent("/bin/bash /run/agent", arguments: "-p 2222"), ["/bin/bash", "/run/agent", "-p", "2222"])
    XCTAssertEqual(agent("ssh", arguments: "-p 2222").prefix(4), ["ssh", "-p", "2222", "-x"])
  }
}
