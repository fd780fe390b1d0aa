import RunLogs
import Supervisor
import XCTest

/// The command line of mpirun, and what it says in the end. The texts are those of Open MPI
/// 4.1.4 and 5.0.7, and of MPICH 4.0.2.
final class MPIRunTests: XCTestCase {
  private let rule = String(repeating: "-", count: 74)

  private func line(
    _ shares: [(String, Int)], threads: Int = 2, facts: [String: HostFacts], environment: [String: String] = [:],
    passed: [String] = [], oversubscribe: Bool = false, dialect: MPIDialect = .orte
  ) -> MPIRunLine {
    MPIRunLine(
      dialect: dialect, plan: RankPlan(shares: shares.map { .init(host: $0.0, ranks: $0.1) }, threads: threads),
      facts: facts,
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

  // MARK: Other dialects

  func testALineForOpenMPI5() {
    let facts = HostFacts(cores: 4, instructions: .avx512)
    let hosts = ["a": facts, "b.lab": facts]
    let text = line([("a", 2), ("b.lab", 1)], facts: hosts, dialect: .prrte).text
    XCTAssertTrue(text.contains(" -n 3 --host a:2,b.lab:1 --map-by slot:PE=2 --bind-to core "), text)
    XCTAssertTrue(text.contains("--prtemca prte_keep_fqdn_hostnames 1"), text)
    XCTAssertTrue(text.contains("--prtemca u2pl_launch u2plrun1 --report-uri - -x U2PL_LAUNCH=u2plrun1"), text)
    let crowded = line([("a", 8)], facts: ["a": facts], oversubscribe: true, dialect: .prrte).text
    XCTAssertTrue(
      crowded.contains("--map-by slot:OVERSUBSCRIBE --bind-to none --mca mpi_yield_when_idle 1 --prtemca oob"), crowded)
    // The agent that Open MPI 4 would take.
    let agent = line(
      [("a", 1)], facts: hosts, environment: ["OMPI_MCA_plm_rsh_agent": "/bin/bash /run/agent"], dialect: .prrte
    ).text
    XCTAssertTrue(agent.contains("--prtemca plm_ssh_agent '/bin/bash /run/agent'"), agent)
  }

  func testALineForHydra() {
    let facts = HostFacts(cores: 4, instructions: .avx512)
    let text = line(
      [("a", 2), ("b.lab", 1)], facts: ["a": facts, "b.lab": facts], environment: ["OMP_PROC_BIND": "true"],
      passed: ["A=b=c"], dialect: .hydra
    ).text
    XCTAssertTrue(text.hasPrefix("mpirun -n 3 -hosts a:2,b.lab:1 -bind-to core:2 -genv U2PL_LAUNCH u2plrun1 "), text)
    XCTAssertTrue(
      text.contains(" -genv OPENBLAS_CORETYPE SkylakeX -genv OMP_PROC_BIND true -genv A b=c /bin/u2pl train"), text)
    XCTAssertFalse(text.contains("mca"), text)
    let crowded = line([("a", 8)], facts: ["a": facts], oversubscribe: true, dialect: .hydra).text
    XCTAssertTrue(crowded.contains(" -n 8 -hosts a:8 -bind-to none "), crowded)
    XCTAssertNotNil(MPIDialect.hydra.objection(to: ["a", "fe80::1"]))
    XCTAssertNil(MPIDialect.prrte.objection(to: ["a", "fe80::1"]))
  }

  func testVersions() throws {
    func dialect(_ text: String) throws -> MPIDialect { try MPIDialect(version: [text, "", "Report bugs to x"]) }
    XCTAssertEqual(try dialect("mpirun (Open MPI) 4.1.4"), .orte)
    XCTAssertEqual(try dialect("mpirun (Open MPI) 5.0.7"), .prrte)
    XCTAssertEqual(try dialect("HYDRA build details:"), .hydra)
    XCTAssertEqual(try dialect("Intel(R) MPI Library for Linux* OS, Version 2021.11 Build 20231005"), .hydra)
    for text in ["mpirun (Open MPI) 1.10.2", "LAM 7.1", ""] {
      XCTAssertThrowsError(try dialect(text)) {
        XCTAssertTrue("\($0)".contains("mpirun is of no kind that launch knows (mpirun --version says ‘"), "\($0)")
      }
    }
  }

  func testOpenMPI5SaysWhatHasEnded() {
    let killed = report(
      """
      \(rule)
      prterun noticed that process rank 1 with PID 13507 on node vm exited on
      signal 9 (Killed).
      \(rule)
      """)
    XCTAssertEqual(killed.0.killed?.rank, 1)
    XCTAssertEqual(killed.0.killed?.host, "vm")
    XCTAssertEqual(killed.0.killed?.signal, 9)
    let exited = report(
      """
      \(rule)
      prterun detected that one or more processes exited with non-zero status,
      thus causing the job to be terminated. The first process to do so was:

         Process name: [prterun-vm-13493@1,1]
         Exit code:    2
      \(rule)
      """)
    XCTAssertEqual(exited.0.exited?.rank, 1)
    XCTAssertEqual(exited.0.exited?.code, 2)
    let lost = report(
      """
      \(rule)
      PRTE has lost communication with a remote daemon.

        HNP daemon   : [prterun-node01-712@0,0] on node node01
        Remote daemon: [prterun-node01-712@0,1] on node node02

      This is usually due to either a failure of the TCP network
      \(rule)
      """)
    XCTAssertEqual(lost.0.lostHost, "node02")
    XCTAssertEqual(killed.shown + exited.shown + lost.shown, [])
  }

  func testHydraSaysWhatHasEnded() {
    let killed = report(
      """
      u2pl: a line of a rank
      \(String(repeating: "=", count: 83))
      =   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
      =   PID 13374 RUNNING AT node02
      =   EXIT CODE: 9
      =   CLEANING UP REMAINING PROCESSES
      =   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES
      \(String(repeating: "=", count: 83))
      YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)
      This typically refers to a problem with your application.
      Please see the FAQ page for debugging suggestions
      """)
    XCTAssertNil(killed.0.killed?.rank)
    XCTAssertEqual(killed.0.killed?.host, "node02")
    XCTAssertEqual(killed.0.killed?.signal, 9)
    XCTAssertEqual(killed.shown, ["u2pl: a line of a rank"])
    // It prints that box among the ranks' output.
    var output = MPIRunReport()
    XCTAssertTrue(output.takes(output: "=   PID 13374 RUNNING AT node02"))
    XCTAssertTrue(output.takes(output: "YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)"))
    XCTAssertFalse(output.takes(output: "epoch 1/2  step 2/12  loss 4.0  = 1"))
    XCTAssertEqual(output.killed?.host, "node02")
    let exited = report(
      "u2pl: error: x.png\nAbort(2) on node 1 (rank 1 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 2) - process 1"
    )
    XCTAssertEqual(exited.0.exited?.rank, 1)
    XCTAssertEqual(exited.0.exited?.code, 2)
    XCTAssertEqual(exited.0.lastLine, "u2pl: error: x.png")
    let words = "[proxy:0:0@vm] HYDU_create_process (utils/launch/launch.c:73): execvp error on file /x (No such file)"
    XCTAssertEqual(report(words).0.complaint, words)
  }
}
