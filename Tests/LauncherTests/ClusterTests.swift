// Alone: takes all network namespaces of a cluster, and holds its end to a time.
import Foundation
import XCTest

/// Ranks on several hosts, which are network namespaces made by `Scripts/cluster`: the same bits as one process, over
/// slow links and through a cut one too; and nothing of the hosts is left, however a run ends.
final class ClusterTests: CommandTestCase {
  /// Four supervised and eight semi-supervised steps.
  private let settings = ["batch.labeled=4", "batch.unlabeled=4", "schedule.steps_per_epoch=4"]
  private let steps = 12

  /// Of the clusters of this test; other clusters on the machine are none of its business.
  private let cluster = "test\(UUID().uuidString.prefix(8))"
  private let interfaces = ClusterTests.interfaces()

  override func tearDownWithError() throws {
    // What a failed test has left.
    if !traces().isEmpty { _ = try script("down", "--name", cluster).wait(limit: patience) }
    try super.tearDownWithError()
  }

  // MARK: Running

  private static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Scripts/cluster").standardizedFileURL.path

  private func script(_ arguments: [String]) throws -> Command {
    // A shell that has been told to ignore SIGINT cannot listen to it again.
    try Command(line: ["--default-signal=INT", Self.path] + arguments, in: directory)
  }

  private func script(_ arguments: String...) throws -> Command { try script(arguments) }

  private func start(_ options: [String], _ line: [String]) throws -> Command {
    try script(["run", "--name", cluster] + options + ["--"] + line)
  }

  /// Waits for the end of a command of the script; skips the test where the machine allows no cluster.
  private func finish(
    _ command: Command, limit: Double = 120, status: Int32 = 0, file: StaticString = #filePath, line: UInt = #line
  ) throws -> Command.Outcome {
    let outcome = command.wait(limit: limit)
    if outcome.status == 77 {
      let reasons = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("SKIPPED: ") }
      XCTAssertEqual(reasons.count, 1, outcome.summary, file: file, line: line)
      throw XCTSkip("\(reasons.joined().dropFirst("SKIPPED: ".count)); nothing is tested")
    }
    XCTAssertEqual(outcome.status, status, outcome.summary, file: file, line: line)
    return outcome
  }

  /// Trains on three hosts with 1, 1 and 2 ranks, in the run directory `run`.
  private func trainOnHosts(
    _ run: String, _ options: [String] = [], file: StaticString = #filePath, line: UInt = #line
  ) throws -> Command.Outcome {
    let command = try start(["--slots", "1,1,2"] + options, [Command.program()] + training(run, settings))
    let outcome = try finish(command, file: file, line: line)
    assertNothingIsLeft(file: file, line: line)
    return outcome
  }

  /// A training that takes minutes, with its first step done.
  private func startLongTraining(_ run: String, file: StaticString = #filePath, line: UInt = #line) throws -> Command {
    let command = try start(
      ["--slots", "1,1,2"], [Command.program()] + training(run, settings + ["schedule.epochs=1000"]))
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while command.isRunning, (try? metrics(run).count) ?? 0 < 1, ProcessInfo.processInfo.systemUptime < limit {
      usleep(10_000)
    }
    if !command.isRunning { _ = try finish(command, status: -1, file: file, line: line) }
    XCTAssertEqual(traces().filter { $0.hasPrefix("namespace") }.count, 4, "three hosts and a switch")
    return command
  }

  // MARK: What may not be left

  /// Of the machine itself.
  private static func interfaces() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/net")) ?? []).sorted()
  }

  private func traces() -> [String] {
    func list(_ path: String) -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
    let namespaces = list("/run/netns").filter { $0.hasPrefix("u2pl-\(cluster)-") }
    let files = list("/run/u2pl-cluster").filter { $0.hasPrefix(cluster) }
    // Of a process that has ended and that nobody has waited for, this cannot be read.
    let processes = list("/proc").filter {
      Int($0) != nil && (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == directory
    }
    return namespaces.map { "namespace \($0)" } + files.map { "file \($0)" } + processes.map { "process \($0)" }
  }

  private func assertNothingIsLeft(file: StaticString = #filePath, line: UInt = #line) {
    XCTAssertEqual(traces(), [], file: file, line: line)
    XCTAssertEqual(Self.interfaces(), interfaces, "the machine's own interfaces", file: file, line: line)
  }

  // MARK: Tests

  func testThreeHostsComputeTheSameBits() throws {
    let outcome = try trainOnHosts("hosts")
    try train("alone", settings)
    try assertSame("alone", "hosts", lastStep: steps)
    let last = try json(try metrics("hosts").dropLast().last ?? "")
    XCTAssertEqual(last["step"] as? Int, steps - 1)
    XCTAssertGreaterThan(last["contrastive"] as? Double ?? 0, 0, "pseudo-labels take no part")

    // Ranks that share memory, by MPI_Comm_split_type: one node a host.
    for (rank, host, ranks) in [(0, "node01", 1), (1, "node02", 1), (2, "node03", 2), (3, "node03", 2)] {
      let log = try String(contentsOfFile: path("hosts/logs/rank-000\(rank).log"), encoding: .utf8)
      XCTAssertTrue(log.contains("host \(host), "), log)
      XCTAssertTrue(log.contains("rank \(rank) of 4\n"), log)
      XCTAssertTrue(log.contains(" \(ranks) ranks on this node share "), log)
    }
    // The gradients went over the network.
    let weights = try XCTUnwrap(FileManager.default.attributesOfItem(atPath: checkpoint("hosts", step: steps))[.size])
    for host in ["node01", "node02", "node03"] {
      let sent = outcome.errors.firstMatch(of: try Regex("\(host) sent ([0-9.]+)MB, received ([0-9.]+)MB"))
      let megabytes = sent?[1].substring.flatMap { Double($0) } ?? 0
      XCTAssertGreaterThan(megabytes * 1e6, (weights as? Double ?? .infinity), "\(host): \(outcome.errors)")
    }
  }

  func testSlowLinksComputeTheSameBits() throws {
    _ = try trainOnHosts("slow", ["--rate", "400mbit"])
    try train("alone", settings)
    try assertSame("alone", "slow", lastStep: steps)
  }

  func testDelayedAndLossyLinksComputeTheSameBits() throws {
    _ = try trainOnHosts("delayed", ["--delay", "500us", "--loss", "0.1%", "--rate", "1gbit"])
    try train("alone", settings)
    try assertSame("alone", "delayed", lastStep: steps)
  }

  /// Rank 0 measures what the link to it carries, and how long a connection to rank 1's host takes to be refused.
  private let measurement = """
    import os, socket, time
    if os.environ["OMPI_COMM_WORLD_RANK"] == "0":
      with socket.create_server(("", 7000)) as server:
        link = server.accept()[0]
        start, count = time.monotonic(), 0
        while part := link.recv(1 << 16): count += len(part)
      print("megabits a second", count * 8e-6 / (time.monotonic() - start), flush=True)
      start = time.monotonic()
      assert socket.socket().connect_ex(("node02", 7001)) != 0
      print("milliseconds", (time.monotonic() - start) * 1e3)
    else:
      for attempt in range(100):
        try: link = socket.create_connection(("node01", 7000)); break
        except OSError: time.sleep(0.1)
      link.sendall(bytes(4000000))
    """

  private func measure(_ options: [String]) throws -> (rate: Double, roundTrip: Double) {
    let python = "/usr/bin/python3"
    guard FileManager.default.isExecutableFile(atPath: python) else {
      throw XCTSkip("\(python) is missing, nothing is tested; install python3")
    }
    let outcome = try finish(start(["--hosts", "2"] + options, [python, "-c", measurement]))
    func number(_ unit: String) throws -> Double {
      let line = outcome.output.split(separator: "\n").first { $0.hasPrefix(unit) }
      return try XCTUnwrap(line.flatMap { Double($0.dropFirst(unit.count + 1)) }, outcome.summary)
    }
    return (try number("megabits a second"), try number("milliseconds"))
  }

  func testRateIsKept() throws {
    let rates = (plain: try measure([]).rate, shaped: try measure(["--rate", "40mbit"]).rate)
    XCTAssertGreaterThan(rates.plain, 200)
    XCTAssertLessThan(rates.shaped, 42)
    XCTAssertGreaterThan(rates.shaped, 10)
  }

  func testDelayIsKept() throws {
    let roundTrips = (plain: try measure([]).roundTrip, delayed: try measure(["--delay", "20ms"]).roundTrip)
    XCTAssertGreaterThanOrEqual(roundTrips.delayed, 40)
    XCTAssertLessThan(roundTrips.plain, 40)
  }

  /// A cable that is plugged in again soon enough costs time only.
  func testACutAndHealedLinkComputesTheSameBits() throws {
    let settings = settings + ["schedule.epochs=4"]
    let command = try start(["--slots", "1,1,2"], [Command.program()] + training("cut", settings))
    wait(for: command, "cut", lines: 5)
    if !command.isRunning { _ = try finish(command) }
    _ = try finish(script("cut", "--name", cluster, "node02"))
    // What was on its way arrives.
    sleep(1)
    let before = try metrics("cut").count
    sleep(1)
    XCTAssertEqual(try metrics("cut").count, before, "the ranks went on without node02")
    let state = try finish(script("status")).output
    XCTAssertTrue(state.contains(/node02 .* cut off/), state)
    _ = try finish(script("heal", "--name", cluster, "node02"))
    _ = try finish(command)
    assertNothingIsLeft()
    try train("alone", settings)
    try assertSame("alone", "cut", lastStep: 16)
  }

  /// `u2pl launch` goes on with the two hosts that are left.
  /// docker0 has the same address on every host. Real hosts have no choice of interfaces made for them, as the
  /// rehearsal makes one.
  func testBridgesOfContainersOnEveryHost() throws {
    _ = try finish(script("up", "--slots", "1,1", "--name", cluster))
    for host in ["node01", "node02"] {
      for words in ["link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0", "link set docker0 up"] {
        let line = ["exec", "--name", cluster, host, "ip"] + words.split(separator: " ").map(String.init)
        _ = try finish(script(line))
      }
    }
    let free = ["env", "-u", "OMPI_MCA_btl_tcp_if_include", "-u", "OMPI_MCA_oob_tcp_if_include"]
    try train("whole", settings)
    for (run, starter) in [
      ("plain", ["mpirun", "-n", "2"]), ("launched", [try Command.program(), "launch", "-n", "2", "--"]),
    ] {
      let program = run == "plain" ? [try Command.program()] : []
      let line =
        ["exec", "--name", cluster, "node01"] + free + starter + program
        + training(path(run), settings, config: path("tiny.yaml"))
      _ = try finish(script(line), limit: 60)
      try assertSame("whole", run, lastStep: steps)
    }
    _ = try finish(script("down", "--name", cluster))
  }

  func testALostHostIsNoticedAndTheRunGoesOnWithoutIt() throws {
    let settings = settings + ["schedule.epochs=40", "checkpoint.every_steps=5", "evaluate.every_epochs=10"]
    _ = try finish(script("up", "--name", cluster, "--slots", "1,1,2"))
    let launch = [try Command.program(), "launch", "-n", "4", "--"] + training("lost", settings)
    let command = try script(["exec", "--name", cluster, "node01"] + launch)
    wait(for: command, "lost", lines: 12)
    _ = try finish(script("cut", "--name", cluster, "node02"))
    let cut = ProcessInfo.processInfo.systemUptime
    let log = path("lost/logs/launch.jsonl")
    func firstSteps() -> Int {
      let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      return text.components(separatedBy: "\"event\":\"first step\"").count - 1
    }
    while firstSteps() < 2, command.isRunning, ProcessInfo.processInfo.systemUptime < cut + 120 { usleep(10_000) }
    let seconds = ProcessInfo.processInfo.systemUptime - cut
    print(String(format: "a link was cut, and the next step done after %.1f s", seconds))
    XCTAssertLessThan(seconds, 60)
    let outcome = try finish(command)
    XCTAssertTrue(
      outcome.output.contains(/launch: attempt 1 has failed after .*node02/), "node02 is not named: \(outcome.summary)")
    XCTAssertTrue(outcome.output.contains("attempt 2: 2 ranks × 1 thread on node01 (1), node03 (1)"), outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: 2 ranks instead of 4: the same bits"), outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 2"), outcome.summary)
    _ = try finish(script("down", "--name", cluster))
    assertNothingIsLeft()
    try train("alone", settings)
    try assertSame("alone", "lost", lastStep: 160)
  }

  func testACrashedHostEndsItsProgramsAndCannotBeReached() throws {
    _ = try finish(script("up", "--name", cluster, "--hosts", "2"))
    let program = try script("exec", "--name", cluster, "node02", "sleep", "60")
    usleep(500_000)
    XCTAssertTrue(program.isRunning)
    _ = try finish(script("crash", "--name", cluster, "node02"))
    XCTAssertEqual(program.wait(limit: 5).status, -SIGKILL)
    let mpirun = ["exec", "--name", cluster, "node01", "mpirun", "-n", "2", "uname", "-n"]
    let outcome = try script(mpirun).wait(limit: 30)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    XCTAssertNotEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.errors.contains("connect to host node02: No route to host"), outcome.summary)
    _ = try finish(script("heal", "--name", cluster, "node02"))
    XCTAssertEqual(try finish(script(mpirun)).output.split(separator: "\n").sorted(), ["node01", "node02"])
    _ = try finish(script("down", "--name", cluster))
    assertNothingIsLeft()
  }

  func testNothingIsLeftOfARunThatFails() throws {
    let failed = try finish(start(["--once"], ["sh", "-c", "uname -n; exit 42"]), status: 42)
    XCTAssertEqual(failed.output, "node01\n")
    assertNothingIsLeft()
    // Bad input on all ranks, with the exit code of the program.
    let outcome = try finish(
      start([], [Command.program(), "train", "--config", "nosuch.yaml"]), limit: 30, status: 2)
    XCTAssertTrue(outcome.errors.contains("nosuch.yaml"), outcome.summary)
    assertNothingIsLeft()
  }

  func testNothingIsLeftOfARunThatIsInterrupted() throws {
    for signal in [SIGINT, SIGTERM] {
      let command = try startLongTraining("run\(signal)")
      command.send(signal)
      let outcome = command.wait(limit: 30)
      XCTAssertFalse(outcome.timedOut, outcome.summary)
      XCTAssertNotEqual(outcome.status, 0, outcome.summary)
      assertNothingIsLeft()
    }
  }

  func testWhatAKilledRunLeavesIsTakenDown() throws {
    // `Process` takes a command for running as long as anything that it has started does, so that is ended first.
    let first = try startLongTraining("first")
    first.send(SIGKILL)
    usleep(500_000)
    XCTAssertEqual(traces().filter { $0.hasPrefix("namespace") }.count, 4)
    _ = try finish(script("down", "--name", cluster))
    XCTAssertEqual(first.wait(limit: 10).status, -SIGKILL)
    assertNothingIsLeft()

    // By the next run, of any name, if nobody else does it.
    let second = try startLongTraining("second")
    second.send(SIGKILL)
    usleep(500_000)
    let outcome = try finish(script("run", "--hosts", "1", "--once", "--", "true"))
    XCTAssertTrue(outcome.errors.contains("taking down \(cluster)"), outcome.summary)
    XCTAssertEqual(second.wait(limit: 10).status, -SIGKILL)
    assertNothingIsLeft()
  }

  func testItSaysWhatIsWrong() throws {
    for (arguments, part) in [
      (["run", "--hosts", "0", "--", "true"], "--hosts 0: it takes"),
      (["run", "--slots", "1,,2", "--", "true"], "--slots 1,,2: it takes"),
      (["run", "--delay", "1", "--", "true"], "--delay 1: it takes"), (["run"], "run needs a command"),
      (["start"], "there is no command start"), (["up", "--host", "3"], "up takes no --host"),
      (["run", "--hosts", "2", "--slots", "1,1", "true"], "--hosts and --slots"), (["cut"], "cut needs a host"),
    ] {
      let outcome = try script(arguments).wait(limit: 10)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      XCTAssertTrue(outcome.errors.hasPrefix("cluster: error: \(part)"), outcome.summary)
    }
    XCTAssertTrue(try script("--help").wait(limit: 10).output.contains("Scripts/cluster run "))
  }

  /// As in a container that has not been given the rights to make namespaces.
  func testItSkipsWhereItIsNotPermitted() throws {
    if getuid() != 0 { throw XCTSkip("only root can give up rights, nothing is tested") }
    let line = [
      "setpriv", "--bounding-set", "-sys_admin,-net_admin", Self.path, "run", "--name", cluster, "--", "true",
    ]
    let outcome = try Command(line: line, in: directory).wait(limit: 10)
    XCTAssertEqual(outcome.status, 77, outcome.summary)
    XCTAssertTrue(outcome.errors.hasPrefix("SKIPPED: "), outcome.summary)
    assertNothingIsLeft()
  }
}
