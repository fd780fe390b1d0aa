import Foundation
import XCTest

/// `u2pl launch` with a script in the place of mpirun, which fails, falls silent and talks as no run can be made to.
final class LaunchStandInTests: LaunchTestCase {
  /// Has launches find this script where they look for `mpirun`. It runs in the directory of the test, where `run` is the run
  /// directory, with the number of the attempt as `$attempt`.
  ///
  /// Returns the environment that does it.
  private func standIn(_ script: String) throws -> [String: String] {
    try program(
      "bin/mpirun",
      "attempt=$(($(cat attempts 2>/dev/null || echo 0) + 1)); echo $attempt > attempts\n"
        + "step() { echo \"{\\\"step\\\":$1}\" >> run/metrics.jsonl; }\n"
        + "start() { echo \"resuming from x at step $1\"; sleep 0.2; }\n" + script)
    return ["PATH": "\(path("bin")):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
  }

  private func program(_ name: String, _ script: String) throws {
    try write(name, "#!/bin/sh\n\(script)\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path(name))
  }

  private let fails = """
    fail() { r=$(printf %74s | tr ' ' -); echo "u2pl: error: $1" >&2
    printf '%s\n' $r "Process name: [[1,1],1]" "Exit code: $2" $r >&2; exit $2; }

    """

  /// A file that cannot be read after a step is a disk or a mount, not the user's input.
  func testExitCodeTwoAfterAStepIsTriedAgain() throws {
    let environment = try standIn(
      fails + """
        case $attempt in
        1) start 0; step 0; sleep 0.3; fail "x.png: Input/output error" 2;;
        2) fail "/data: does not exist" 2;;
        3) fail "no room in /dev/shm" 2;;
        esac
        """)
    let outcome = try launched(launching("run"), environment: environment)
    XCTAssertTrue(
      outcome.output.contains("rank 1 on localhost ended with exit code 2: x.png: Input/output error\n"),
      outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 4\n"), outcome.summary)
  }

  /// Hosts that are silent for a while cost no restart.
  func testHostsThatAreSilentForAWhile() throws {
    try write("hosts", "nosuch.invalid slots=2\n")
    try program(
      "agent",
      """
      left=$(cat silent 2>/dev/null || echo 0)
      if [ $left -gt 0 ]; then echo $((left - 1)) > silent; echo "no such host" >&2; exit 255; fi
      shift; exec /bin/sh -c "$*"
      """)
    var environment = try standIn(fails + "[ $attempt = 2 ] || { start 0; step 0; echo 5 > silent; fail lost 1; }")
    environment["OMPI_MCA_plm_rsh_agent"] = path("agent")
    let options = ["--hostfile", "hosts", "--max-restarts", "1"]
    let outcome = try launched(launching("run", options: options), environment: environment)
    XCTAssertTrue(
      outcome.output.contains("launch: no host can be used; they are asked again in 0.2 s\n"), outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 2\n"), outcome.summary)
  }

  /// A run that goes on from an older checkpoint, because newer ones are damaged, gets somewhere although their steps are
  /// higher; one that only does the same again does not.
  func testProgressIsACheckpointThatWasWritten() throws {
    try write("run/checkpoints/step-00000060.h5", "damaged")
    let environment = try standIn(
      fails + """
        [ $attempt -lt 5 ] || exit 0
        start 40; echo $attempt > run/checkpoints/step-0000004$attempt.h5; step 40; sleep 0.2; fail "$attempt" 1
        """)
    let options = ["--max-restarts", "1"]
    let outcome = try launched(launching("run", options: options), environment: environment)
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 5\n"), outcome.summary)

    let same = try standIn(
      fails + """
        start 40; rm run/checkpoints/step-00000050.h5; echo $attempt > run/checkpoints/step-00000050.h5
        step 50; sleep 0.2; fail "$attempt" 1
        """)
    try FileManager.default.removeItem(atPath: path("attempts"))
    let given = try launched(
      launching("run", options: options, train: ["--resume", "latest"]), status: 1, environment: same)
    XCTAssertTrue(given.output.contains("attempts in a row without a new checkpoint"), given.summary)
  }

  /// Two silences are no loss, and hosts that answer are left in peace when steps are slow.
  func testHostsAreAskedSeldomAndMoreThanTwice() throws {
    try write("hosts", "nosuch.invalid slots=2\n")
    try program(
      "agent",
      """
      echo >> asked
      left=$(cat silent 2>/dev/null || echo 0)
      if [ $left -gt 0 ]; then echo $((left - 1)) > silent; exit 255; fi
      shift; exec /bin/sh -c "$*"
      """)
    var environment = try standIn(
      "start 0; step 0; echo 2 > silent; for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.4; step $n; done")
    environment["OMPI_MCA_plm_rsh_agent"] = path("agent")
    let options = ["--hostfile", "hosts", "--probe-seconds", "0.2"]
    let outcome = try launched(launching("run", options: options), environment: environment)
    XCTAssertFalse(outcome.output.contains("no longer answers"), outcome.summary)
    XCTAssertEqual(try text("silent"), "0\n")
    // Before the attempt, twice without an answer, and then after 0.2, 0.4, 0.8 … s; a step each 0.4 s.
    let asked = try text("asked").count
    XCTAssertTrue((4...9).contains(asked), "\(asked) times")
  }

  /// Nobody reads what it shows, as with `| less` or Ctrl-S: the run is supervised all the same.
  func testAReaderThatHasStopped() throws {
    let environment = try standIn("start 0; head -c 300000 /dev/zero | tr '\\0' x | fold -w 100; echo the end")
    let line = ["bash", "-c", "mkfifo pipe; exec 3<>pipe; exec \"$0\" \"$@\" > pipe", try Command.program()]
    let outcome = try Command(line: line + launching("run"), in: directory, environment: environment).wait(limit: 30)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(try text("run/logs/launch.log").hasSuffix("the end\n"))
  }

  /// Another launch goes on with the instructions that the run began with, though its hosts have more.
  func testInstructionsStayForTheNextLaunch() throws {
    try write("run/logs/launch.jsonl", "{\"event\":\"attempt\",\"instructions\":\"avx2\"}\n")
    let environment = try standIn("start 0")
    let line = launching("run", train: ["--resume", "latest"])
    for number in 1...2 {
      let outcome = try launched(line, environment: environment)
      XCTAssertTrue(
        outcome.output.contains("-x OPENBLAS_CORETYPE=Haswell -x DNNL_MAX_CPU_ISA=AVX2 "),
        "\(number): \(outcome.summary)")
    }
  }

  /// After an attempt that has brought something, as many restarts as are allowed may bring nothing, and no more.
  func testRestartsAreCounted() throws {
    let environment = try standIn(
      fails + """
        start 0; [ $attempt != 1 ] || echo > run/checkpoints/step-00000010.h5; step $attempt; sleep 0.2; fail $attempt 1
        """)
    try write("run/checkpoints/none", "")
    for (restarts, attempts) in [(2, 3), (0, 1)] {
      try? FileManager.default.removeItem(atPath: path("attempts"))
      try? FileManager.default.removeItem(atPath: path("run/checkpoints/step-00000010.h5"))
      let outcome = try launched(
        launching("run", options: ["--max-restarts", "\(restarts)"], train: ["--resume", "latest"]), status: 1,
        environment: environment)
      XCTAssertEqual(try text("attempts"), "\(attempts)\n", outcome.summary)
      XCTAssertTrue(outcome.output.contains("(--max-restarts \(restarts))"), outcome.summary)
    }
  }

  /// What keeps a later attempt from being started does not end the launch without a summary.
  func testAnAttemptThatCannotBeStarted() throws {
    try write("hosts", "::1 slots=2\n")
    try program("agent", "shift; exec /bin/sh -c \"$*\"")
    // The hosts of the next attempt cannot be written down.
    var environment = try standIn(
      fails + "start 0; step 0; rm run/logs/launch.hosts; mkdir run/logs/launch.hosts; sleep 0.2; fail lost 1")
    environment["OMPI_MCA_plm_rsh_agent"] = path("agent")
    let options = ["--hostfile", "hosts", "--max-restarts", "2"]
    let outcome = try launched(launching("run", options: options), status: 1, environment: environment)
    XCTAssertTrue(
      outcome.output.contains(#/launch:   attempt 3, 2 ranks, .*: it cannot be started: .*launch.hosts/#),
      outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: given up: 3 attempts in a row"), outcome.summary)
  }
}
