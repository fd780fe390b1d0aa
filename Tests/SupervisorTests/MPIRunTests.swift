import RunLogs
import Supervisor
import XCTest

/// The command line of mpirun, and what it says in the end. The texts are those of Open MPI 4.1.4.
final class MPIRunTests: XCTestCase {
  private let rule = String(repeating: "-", count: 74)

  private func line(
    _ shares: [(String, Int)], threads: Int = 2, facts: [String: HostFacts], environment: [String: String] = [:],
    passed: [String] = [], oversubscribe: Bool = false
  ) -> MPIRunLine {
    MPIRunLine(
      plan: RankPlan(shares: shares.map { .init(host: $0.0, ranks: $0.1) }, threads: threads), facts: facts,
      binding: .core,
      oversubscribe: oversubscribe, mark: "u2plrun1", instructions: facts.values.map(\.instructions).min(),
      hostfilePath: "runs/x/logs/launch.hosts", program: ["/bin/u2pl", "train", "--config", "a b.yaml"],
      environment: environment, passed: passed)
  }

  func testALine() {
    let facts = HostFacts(cores: 4, instructions: .avx512)
    let text = line(
      [("a", 2), ("b", 1)], facts: ["a": facts, "b": facts], environment: ["OMP_PROC_BIND": "true", "HOME": "/root"]
    )
    .text
    XCTAssertTrue(text.contains(" -n 3 --host a:2,b:1 --map-by slot:PE=2 --bind-to core "), text)
    XCTAssertTrue(
      text.contains(" -x U2PL_LAUNCH=u2plrun1 -x OPENBLAS_CORETYPE=SkylakeX -x OMP_PROC_BIND /bin/u2pl train"), text)
    XCTAssertTrue(text.hasSuffix(" --config 'a b.yaml'"), text)
    XCTAssertFalse(text.contains("oversubscribe"), text)
    XCTAssertFalse(text.contains("yield"), text)
    XCTAssertEqual(text.contains("--allow-run-as-root"), geteuid() == 0)
  }

  func testHostsThatDiffer() {
    let facts = ["a": HostFacts(cores: 4, instructions: .avx512), "b": HostFacts(cores: 4, instructions: .avx2)]
    let text = line([("a", 1), ("b", 1)], facts: facts).text
    XCTAssertTrue(text.contains("-x OPENBLAS_CORETYPE=Haswell -x DNNL_MAX_CPU_ISA=AVX2"), text)
    // The host with less is lost: what is left goes on with what the run began with.
    let left = line([("a", 1)], facts: facts).text
    XCTAssertTrue(left.contains("-x OPENBLAS_CORETYPE=Haswell -x DNNL_MAX_CPU_ISA=AVX2"), left)
    // Whoever says so knows better.
    let given = line(
      [("a", 1), ("b", 1)], facts: facts, environment: ["OPENBLAS_CORETYPE": "Zen"], passed: ["DNNL_MAX_CPU_ISA=SSE41"]
    )
    .text
    XCTAssertTrue(given.contains("-x OPENBLAS_CORETYPE -x DNNL_MAX_CPU_ISA=SSE41 "), given)
  }

  /// Ranks are told where to tell what happens; what a rank of another launch was told does not reach them.
  func testTheChannelOfAnAttempt() {
    let facts = ["a": HostFacts(cores: 2, instructions: .avx512)]
    let environment = ["U2PL_ATTEMPT": "old-1", "U2PL_EVENTS": "old", "U2PL_TESTING": "1"]
    var line = line([("a", 1)], facts: facts, environment: environment)
    XCTAssertFalse(line.text.contains("U2PL_ATTEMPT"), line.text)
    XCTAssertFalse(line.text.contains("U2PL_EVENTS"), line.text)
    line.channel = EventChannel(attempt: "5f0c-2", directory: "a run/logs")
    XCTAssertTrue(
      line.text.contains(
        " -x U2PL_LAUNCH=u2plrun1 -x U2PL_ATTEMPT=5f0c-2 -x 'U2PL_EVENTS=a run/logs/events.jsonl' -x OPENBLAS_"),
      line.text)
    XCTAssertTrue(line.text.contains(" -x U2PL_TESTING /bin/u2pl"), line.text)
  }

  func testCrowdedHosts() {
    let text = line([("a", 4)], facts: ["a": HostFacts(cores: 2, instructions: .base)], oversubscribe: true).text
    XCTAssertTrue(text.contains("--oversubscribe --map-by slot --bind-to none --mca mpi_yield_when_idle 1"), text)
  }

  /// Open MPI keeps what comes before the first dot, by which two hosts may become one.
  func testNamesWithDots() {
    let facts = HostFacts(cores: 4, instructions: .base)
    func text(_ hosts: [String], _ environment: [String: String] = [:]) -> String {
      line(
        hosts.map { ($0, 1) }, facts: Dictionary(uniqueKeysWithValues: hosts.map { ($0, facts) }),
        environment: environment
      ).text
    }
    let option = "--mca orte_keep_fqdn_hostnames 1"
    XCTAssertTrue(text(["w.0.ring.lab", "w.1.ring.lab"]).contains(option))
    XCTAssertTrue(text(["a", "b.c"]).contains(option))
    XCTAssertFalse(text(["a", "10.0.0.7", "fe80::1"]).contains(option))
    XCTAssertFalse(text(["b.c"], ["OMPI_MCA_orte_keep_fqdn_hostnames": "0"]).contains(option))
  }

  func testAddressesWithColonsNeedAFile() {
    let line = line([("fe80::1", 2), ("b", 1)], facts: [:])
    XCTAssertEqual(line.hostfile, "fe80::1 slots=2\nb slots=1\n")
    XCTAssertTrue(line.text.contains(" --hostfile runs/x/logs/launch.hosts "), line.text)
  }

  private func report(_ text: String) -> (MPIRunReport, shown: [String]) {
    var report = MPIRunReport()
    var shown = text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { report.add(String($0)) }
    shown += report.finish()
    return (report, shown)
  }

  func testAKilledRank() {
    let (report, shown) = report(
      """
      \(rule)
      Primary job  terminated normally, but 1 process returned
      a non-zero exit code. Per user-direction, the job has been aborted.
      \(rule)
      \(rule)
      mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 9 (Killed).
      \(rule)
      """)
    XCTAssertEqual(report.killed?.rank, 1)
    XCTAssertEqual(report.killed?.host, "vm")
    XCTAssertEqual(report.killed?.signal, 9)
    XCTAssertEqual(shown, [])
  }

  func testARankThatGivesUp() {
    let (report, shown) = report(
      """
      u2pl: error: rank 1 on vm: /data/x.png cannot be read
      \(rule)
      MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD
      with errorcode 2.

      NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.
      You may or may not see output from other processes, depending on
      exactly when Open MPI kills them.
      \(rule)
      """)
    XCTAssertEqual(report.exited?.rank, 1)
    XCTAssertEqual(report.exited?.code, 2)
    XCTAssertEqual(report.lastLine, "u2pl: error: rank 1 on vm: /data/x.png cannot be read")
    XCTAssertEqual(shown, ["u2pl: error: rank 1 on vm: /data/x.png cannot be read"])
  }

  func testAnExitCode() {
    let (report, _) = report(
      """
      \(rule)
      mpirun detected that one or more processes exited with non-zero status, thus causing
      the job to be terminated. The first process to do so was:

        Process name: [[19670,1],1]
        Exit code:    2
      \(rule)
      """)
    XCTAssertEqual(report.exited?.rank, 1)
    XCTAssertEqual(report.exited?.code, 2)
  }

  func testALostDaemon() {
    let (report, shown) = report(
      """
      \(rule)
      ORTE has lost communication with a remote daemon.

        HNP daemon   : [[16102,0],0] on node node01
        Remote daemon: [[16102,0],1] on node node02

      This is usually due to either a failure of the TCP network
      connection to the node, or possibly an internal failure of
      the daemon itself. We cannot recover from this failure, and
      therefore will terminate the job.
      \(rule)
      """)
    XCTAssertEqual(report.lostHost, "node02")
    XCTAssertTrue(report.isFailure)
    XCTAssertEqual(shown, [])
  }

  func testWhatIsUnknownIsShown() {
    let (report, shown) = report(
      """
      \(rule)
      mpirun was unable to find the specified executable file
      \(rule)
      a line of a rank
      """)
    XCTAssertEqual(report.complaint, "mpirun was unable to find the specified executable file")
    XCTAssertEqual(shown, ["mpirun was unable to find the specified executable file", "a line of a rank"])
    XCTAssertFalse(report.isFailure)
  }
}
