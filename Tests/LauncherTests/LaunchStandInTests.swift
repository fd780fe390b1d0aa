import Foundation
import XCTest

/// `u2pl launch` with a script in the place of mpirun, which fails, falls silent and talks as no run can be made to.
final class LaunchStandInTests: LaunchTestCase {
  /// Has launches find this script where they look for `mpirun`. It runs in the directory of the test, where `run` is the run
  /// directory, with the number of the attempt as `$attempt`, and tells the launch what ranks would.
  ///
  /// Returns the environment that does it.
  private func standIn(_ script: String) throws -> [String: String] {
    try program("bin/mpirun", Self.saysVersion + "\n" + Self.talk + script)
    return ["PATH": "\(path("bin")):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
  }

  /// `tell MEMBERS [RANK]`, `start STEP`, `step STEP` and `fail MESSAGE CODE`: events as ranks write them.
  private static let talk = #"""
    attempt=$(($(cat attempts 2>/dev/null || echo 0) + 1)); echo $attempt > attempts
    # Ranks get them by mpirun's -x.
    for word; do case $word in U2PL_ATTEMPT=*) id=${word#*=};; U2PL_EVENTS=*) events=${word#*=};; esac; done
    at=0
    tell() {
      rank=${2:-0}; file=$events; [ $rank = 0 ] || file=$(printf '%s-%04d.jsonl' "${events%.jsonl}" $rank)
      time=$(date '+%F %T.%3N')
      echo "{\"version\":1,\"time\":\"$time\",\"attempt\":\"$id\",\"rank\":$rank,\"event\":$1}" >> "$file"
    }
    start() {
      at=$1; tell "\"start\",\"step\":$1,\"total_steps\":99,\"ranks\":2,\"host\":\"h\",\"program\":\"p\""; sleep 0.2
    }
    step() { at=$(($1 + 1)); tell "\"step\",\"step\":$at"; }
    exits() {
      r=$(printf %74s | tr ' ' -); printf '%s\n' $r "Process name: [[1,1],1]" "Exit code: $1" $r >&2; exit $1
    }
    fail() {
      echo "u2pl: error: $1" >&2; tell "\"failed\",\"host\":\"h\",\"step\":$at,\"message\":\"$1\",\"code\":$2" 1; exits $2
    }

    """#

  private func program(_ name: String, _ script: String) throws {
    try write(name, "#!/bin/sh\n\(script)\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path(name))
  }

  /// Ranks that another MPI starts would each be a run of its own, and what is not known cannot be supervised.
  func testAnMPIRunOfAnotherMPI() throws {
    for (version, words) in [
      ("HYDRA build details:", "mpirun is MPICH's, and this program is built for Open MPI: "),
      ("Other MPI 3.1", "mpirun is of no kind that launch knows (mpirun --version says ‘Other MPI 3.1’): "),
    ] {
      try program("bin/mpirun", "[ \"$1\" = --version ] || touch started; echo '\(version)'")
      let environment = ["PATH": "\(path("bin")):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
      let outcome = try launched(launching("run"), status: 2, environment: environment)
      XCTAssertTrue(outcome.errors.contains(words), outcome.summary)
      XCTAssertEqual(outcome.errors.split(separator: "\n").count, 1, outcome.summary)
      XCTAssertFalse(FileManager.default.fileExists(atPath: path("started")), outcome.summary)
      XCTAssertFalse(FileManager.default.fileExists(atPath: path("run")), outcome.summary)
    }
  }

  /// A file that cannot be read after a step is a disk or a mount, not the user's input.
  func testExitCodeTwoAfterAStepIsTriedAgain() throws {
    let environment = try standIn(
      """
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

  /// What a rank tells and what mpirun passes on, where the rank's word is lost, is the same end: two in a row are input.
  func testTwoEndsByTheSameInput() throws {
    let environment = try standIn(
      """
      case $attempt in
      1) start 0; step 0; sleep 0.3; fail "step 7: l.txt, line 3: x.png: is damaged" 2;;
      2) start 4; step 4; sleep 0.3; echo "u2pl: error: rank 1 on node-7: step 7: l.txt, line 3: x.png: is damaged" >&2; exit 2;;
      esac
      """)
    let outcome = try launched(launching("run"), status: 2, environment: environment)
    XCTAssertEqual(try text("attempts"), "2\n", outcome.summary)
    XCTAssertTrue(
      outcome.output.contains("two attempts have been refused the same input (exit code 2)"), outcome.summary)

    // One that has another message, or another exit code, is none.
    try FileManager.default.removeItem(atPath: path("attempts"))
    let other = try standIn(
      """
      start 0; step 0; sleep 0.3
      case $attempt in 1) fail "x.png: is damaged" 2;; 2) fail "y.png: is damaged" 2;; 3) fail "z.png: is damaged" 2;; esac
      """)
    let last = try launched(launching("other"), environment: other)
    XCTAssertTrue(last.output.contains("launch: finished at attempt 4\n"), last.summary)
  }

  /// mpirun waits for ever for a daemon that was killed while it started: no rank is there, and none is coming.
  func testAnAttemptThatStartsNoRank() throws {
    let environment = try standIn("[ $attempt = 1 ] && exec sleep 600; start 0; step 0")
    let outcome = try launched(launching("run", options: ["--probe-seconds", "1"]), environment: environment)
    XCTAssertTrue(
      outcome.output.contains(#/launch: attempt 1 has failed after 2\d s: mpirun has started no rank/#), outcome.summary
    )
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 2\n"), outcome.summary)
  }

  /// Ranks that hang in MPI_Init: they are there, and nothing comes of them.
  func testRanksThatDoNotReachEachOther() throws {
    let environment = try standIn(
      """
      [ $attempt = 1 ] || { start 0; step 0; exit 0; }
      for word; do case $word in U2PL_LAUNCH=*) export "$word";; esac; done; exec sleep 600
      """)
    let outcome = try launched(launching("run", options: ["--start-seconds", "3"]), environment: environment)
    XCTAssertTrue(
      outcome.output.contains(
        #/launch: attempt 1 has failed after 3\.\d s: the ranks have not reached each other within 3\.0 s \(--start-seconds\): /#
      ),
      outcome.summary)
    XCTAssertTrue(outcome.output.contains("OMPI_MCA_btl_tcp_if_include"), outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 2\n"), outcome.summary)
  }

  /// Once they have, start-up takes the time it takes.
  func testRanksThatHaveReachedEachOther() throws {
    let environment = try standIn(#"tell '"connected","ranks":2'; sleep 5; start 0; step 0"#)
    let outcome = try launched(launching("run", options: ["--start-seconds", "2"]), environment: environment)
    XCTAssertFalse(outcome.output.contains("failed"), outcome.summary)
  }

  /// Ranks that hang in MPI_Finalize have said how they end.
  func testAnMPIRunThatDoesNotEnd() throws {
    let options = ["--start-seconds", "2", "--max-restarts", "0"]
    let done = try standIn(#"start 0; step 0; tell '"finished","step":1'; exec sleep 600"#)
    let finished = try launched(launching("run", options: options), limit: 30, environment: done)
    XCTAssertTrue(
      finished.output.contains("launch: the run is finished; mpirun did not end by itself"), finished.summary)
    let stopping = try standIn(
      #"start 0; step 0; tell '"stopped","step":1,"message":"rank 0 received SIGTERM"'; exec sleep 600"#)
    _ = try launched(launching("other", options: options), status: 75, limit: 30, environment: stopping)
    let failing = try standIn(
      #"start 0; step 0; tell '"failed","host":"h","step":1,"message":"no luck","code":1'; exec sleep 600"#)
    let failed = try launched(launching("third", options: options), status: 1, limit: 30, environment: failing)
    XCTAssertTrue(failed.output.contains("launch: attempt 1 has failed after "), failed.summary)
    XCTAssertTrue(failed.output.contains(" s: no luck\n"), failed.summary)
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
    var environment = try standIn("[ $attempt = 2 ] || { start 0; step 0; echo 5 > silent; fail lost 1; }")
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
      """
      [ $attempt -lt 5 ] || exit 0
      start 40; echo $attempt > run/checkpoints/step-0000004$attempt.h5; step 40; sleep 0.2; fail "$attempt" 1
      """)
    let options = ["--max-restarts", "1"]
    let outcome = try launched(launching("run", options: options), environment: environment)
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 5\n"), outcome.summary)

    let same = try standIn(
      """
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
      """
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
      "start 0; step 0; rm run/logs/launch.hosts; mkdir run/logs/launch.hosts; sleep 0.2; fail lost 1")
    environment["OMPI_MCA_plm_rsh_agent"] = path("agent")
    let options = ["--hostfile", "hosts", "--max-restarts", "2"]
    let outcome = try launched(launching("run", options: options), status: 1, environment: environment)
    XCTAssertTrue(
      outcome.output.contains(#/launch:   attempt 3, 2 ranks, .*: it cannot be started: .*launch.hosts/#),
      outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: given up: 3 attempts in a row"), outcome.summary)
  }

  // MARK: What ranks tell

  /// Files that are torn, cut, replaced, gone, and hold what is not of this attempt: what is whole counts.
  func testEventsInFilesThatAreDamaged() throws {
    let environment = try standIn(
      """
      case $attempt in
      1) printf '{"version":1,"ti' >> "$events"; echo >> "$events"; start 0; step 0; sleep 0.3
        : > "$events"; sleep 0.3; step 1; sleep 0.3; echo 5 > run/checkpoints/step-00000002.h5
        mine=$id; id=other; step 900; tell '"failed","host":"h","step":9,"message":"of another","code":1' 1
        id=$mine; sleep 0.3; exits 1;;
      2) start 2; rm "$events"; sleep 0.3; step 2; sleep 0.3; cp "$events" new; mv new "$events"; sleep 0.3
        step 3; sleep 0.3; fail "the end" 1;;
      esac
      """)
    let outcome = try launched(launching("run"), environment: environment)
    let records = try events("run")
    let ends = records.filter { $0["event"] as? String == "end" }
    XCTAssertEqual(ends.map { $0["step"] as? Int }, [2, 4, nil], outcome.summary)
    XCTAssertEqual(ends.map { $0["resumed_from"] as? Int }, [0, 2, nil], outcome.summary)
    XCTAssertEqual(
      ends.first?["how"] as? String, "rank 1 on localhost ended with exit code 1", "it has said nothing")
    XCTAssertEqual(ends[1]["how"] as? String, "rank 1 on localhost ended with exit code 1: the end")
    let firsts = records.filter { $0["event"] as? String == "first step" }
    XCTAssertEqual(firsts.map { $0["step"] as? Int }, [1, 3], outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: recovered to step "), outcome.summary)
  }

  /// A disk that takes no events: exit codes tell what they can.
  func testEventsThatAreLost() throws {
    try write("run/logs/events.jsonl/folder", "")
    let environment = try standIn(
      """
      [ $attempt = 1 ] || exit 75
      { start 0; step 0; } 2>/dev/null
      echo > run/checkpoints/step-00000010.h5; sleep 0.3; echo "u2pl: error: no room" >&2; exits 1
      """)
    let outcome = try launched(launching("run"), status: 75, environment: environment)
    XCTAssertTrue(
      outcome.output.contains(
        #/launch: attempt 1 has failed after .*: rank 1 on localhost ended with exit code 1: u2pl: error: no room\n/#),
      outcome.summary)
    let ends = try events("run").filter { $0["event"] as? String == "end" }
    XCTAssertEqual(ends.map { $0["step"] as? Int }, [nil, nil], outcome.summary)
  }

  /// An installation on another host is older or newer.
  func testEventsOfAnotherVersionAreNamed() throws {
    let environment = try standIn(
      """
      start 0; step 0
      for n in 1 2 3; do echo "{\\"version\\":2,\\"attempt\\":\\"$id\\",\\"event\\":\\"step\\"}" >> "$events"; sleep 0.2; done
      echo "{\\"version\\":3,\\"attempt\\":\\"other\\"}" >> "$events"; sleep 0.2
      """)
    let outcome = try launched(launching("run"), environment: environment)
    XCTAssertEqual(
      outcome.output.split(separator: "\n").filter { $0.contains(" in version ") }.map { $0.prefix(97) },
      ["launch: the ranks report events in version 2 of its format, and this program reads 1; is another "].map {
        $0.prefix(97)
      }, outcome.summary)
  }

  /// The same words at the same step twice are enough; at another step, or of another beginning, they are not.
  func testTheSameLastWordsTwice() throws {
    let environment = try standIn("start 0; step $((attempt / 2)); fail 'no luck' 1")
    let outcome = try launched(
      launching("run", options: ["--max-restarts", "9"]), status: 1, environment: environment)
    // Steps 0, 1, 1.
    XCTAssertEqual(try text("attempts"), "3\n", outcome.summary)
    XCTAssertTrue(
      outcome.output.contains("launch: given up: it has failed twice in the same way at the same step"), outcome.summary
    )
    let silent = try standIn("start 0; step 0; sleep 0.3; echo 'u2pl: error: no luck' >&2; exits 1")
    try FileManager.default.removeItem(atPath: path("attempts"))
    let other = try launched(
      launching("run", options: ["--max-restarts", "3"]), status: 1, environment: silent)
    XCTAssertTrue(other.output.contains("launch: given up: 4 attempts in a row"), other.summary)
  }

  /// On a terminal a marked line takes the place of the one before, whatever it says; the log has it without the mark.
  func testProgressOnATerminal() throws {
    let environment = try standIn(
      #"start 0; printf '\036at 1\n'; sleep 0.3; printf '\036at 2\n'; sleep 0.3; echo 'epoch 1/2  step 3/4'; exit 0"#)
    let words = ([try Command.program()] + launching("run")).joined(separator: " ")
    let script = "/usr/bin/script"
    guard FileManager.default.isExecutableFile(atPath: script) else {
      throw XCTSkip("\(script) is missing, nothing is tested; install bsdutils")
    }
    let outcome = try Command(
      line: [script, "--quiet", "--return", "--command", words, "/dev/null"], in: directory, environment: environment
    ).wait(limit: 30)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let shown = outcome.output.replacingOccurrences(of: "\r\n", with: "\n")
    XCTAssertTrue(
      shown.contains("\r\u{1B}[Kat 1\r\u{1B}[Kat 2\nepoch 1/2  step 3/4\n"), outcome.summary)
    XCTAssertFalse(shown.contains("\u{1E}"), outcome.summary)
    let kept = try text("run/logs/launch.log")
    XCTAssertTrue(kept.contains(" at 1\n"), kept)
    XCTAssertFalse(kept.contains("\u{1E}"), kept)
  }
}
