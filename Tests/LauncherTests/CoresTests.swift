// Alone: other tests would take the cores it looks at.
import Foundation
import XCTest

/// Ranks that have too few cores, and ranks of two runs on the same ones.
final class CoresTests: LaunchTestCase {
  private var cores: Int { ProcessInfo.processInfo.activeProcessorCount }

  private func log(_ run: String) -> String { (try? text("\(run)/logs/rank-0000.log")) ?? "" }

  /// Runs of this program on the machine that this test has not started.
  private var othersOfThisProgram: Int {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).count { name in
      Int(name) != nil && (try? String(contentsOfFile: "/proc/\(name)/comm", encoding: .utf8)) == "u2pl\n"
        && (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(name)/cwd")) != directory
    }
  }

  private func allowedCores(_ process: pid_t) -> String? {
    let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    return status.firstMatch(of: /Cpus_allowed_list:\s*(\S+)/).map { String($0.1) }
  }

  /// Without `mpi_yield_when_idle` from the tests' environment.
  private func start(_ ranks: Int, _ name: String, _ settings: [String], options: [String] = []) throws -> Command {
    let line = ["env", "-u", "OMPI_MCA_mpi_yield_when_idle", "mpirun", "-n", "\(ranks)"] + options
    return try Command(
      line: line + [try Command.program()] + training(name, ["batch={labeled: 4, unlabeled: 4}"] + settings),
      in: directory)
  }

  /// The library itself says whether it yields.
  func testRanksYieldWhereThereAreMoreThreadsThanCores() throws {
    try write("hosts", "localhost slots=4\n")
    let yields = "ranks that wait let go of their cores (mpi_yield_when_idle)"
    for (ranks, threads, isCrowded) in [(2, cores, true), (4, cores / 2 + 1, true), (1, 1, false)] {
      let name = "on\(ranks)"
      let outcome = try start(
        ranks, name, ["compute.threads=\(threads)", "schedule.epochs=1"],
        options: ["--hostfile", "hosts", "--bind-to", "none"]
      ).wait(limit: 60)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertEqual(log(name).contains(yields), isCrowded, "\(ranks) × \(threads): \(log(name))")
    }
    // What the user says goes before.
    let outcome = try start(
      2, "given", ["compute.threads=\(cores)", "schedule.epochs=1"],
      options: ["--bind-to", "none", "--oversubscribe", "--mca", "mpi_yield_when_idle", "0"]
    ).wait(limit: 120)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertFalse(log("given").contains(yields), log("given"))
  }

  func testTwoRunsThatMPIRunBindsToTheSameCore() throws {
    guard cores > 1 else { throw XCTSkip("SKIPPED: there is one core, nothing is tested") }
    let first = try start(1, "first", ["schedule.epochs=4000"], options: ["--bind-to", "core"])
    wait(for: first, "first", lines: 4)
    XCTAssertFalse(first.outputSoFar.contains("taken by another run"), first.outputSoFar)
    let second = try start(1, "second", ["schedule.epochs=1"], options: ["--bind-to", "core"]).wait(limit: 60)
    XCTAssertEqual(second.status, 0, second.summary)
    for text in [second.output, log("second")] {
      XCTAssertTrue(
        text.contains(#/warning: core \d+ of .*, to which rank 0 is bound, is taken by another run \(process \d+\)/#),
        text)
      XCTAssertTrue(text.contains("start mpirun with --bind-to none, or with --cpu-set "), text)
    }
    // A launch takes cores that are free; where there are none its ranks run anywhere.
    let third = try launch(["launch", "-n", "1", "--"] + training("third", ["schedule.epochs=4000"]))
    wait(for: third, "third", lines: 4)
    let moved = #/note: core (\d+) of .*, to which rank 0 is bound, is taken by another run \(process \d+\): (.*)/#
    let note = try XCTUnwrap(log("third").firstMatch(of: moved), log("third"))
    // Programs of other users may have the rest of the cores.
    if othersOfThisProgram == 0 {
      let now = try XCTUnwrap(
        note.2.firstMatch(of: /this rank is on core (\d+) instead, which no other run has/), log("third"))
      XCTAssertNotEqual(now.1, note.1)
      XCTAssertTrue(log("third").contains("this one may use 1 (\(now.1))"), log("third"))
      // No rank of the two is on a core of the other.
      let allowed = Set([first, third].flatMap { programs($0, named: "u2pl").compactMap(allowedCores) })
      XCTAssertTrue(allowed.isSuperset(of: ["\(note.1)", "\(now.1)"]), "\(allowed)")
    }
    if cores == 2 {
      let fourth = try launched(["launch", "-n", "1", "--"] + training("fourth", ["schedule.epochs=1"]))
      XCTAssertTrue(fourth.output.contains("the ranks of this run are not bound there"), fourth.summary)
      XCTAssertTrue(log("fourth").contains(#/share (\d+) of its \1 cores; this one may use \1 /#), log("fourth"))
    }
    third.send(SIGTERM)
    XCTAssertEqual(third.wait(limit: 60).status, 75)
    // One that is not bound in the first place is told nothing.
    let free = try start(1, "free", ["schedule.epochs=1"], options: ["--bind-to", "none"]).wait(limit: 60)
    XCTAssertFalse(free.output.contains("taken by another run"), free.summary)
    first.kill()
    _ = first.wait(limit: 10)
    let alone = try start(1, "alone", ["schedule.epochs=1"], options: ["--bind-to", "core"]).wait(limit: 60)
    XCTAssertFalse(alone.output.contains("taken by another run"), alone.summary)
  }

  /// An agent in place of ssh that knows hosts by their long names alone, as pods of Kubernetes are known.
  func testHostNamesWithDots() throws {
    try write(
      "agent",
      """
      #!/bin/sh
      host=$1; shift
      case $host in
      *.ring.lab) exec /bin/sh -c "$*" ;;
      *) echo "ssh: Could not resolve hostname $host: Temporary failure in name resolution" >&2; exit 255 ;;
      esac
      """)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path("agent"))
    for (name, hosts) in [("names", ["w-0.ring.lab", "w-1.ring.lab"]), ("parts", ["w.0.ring.lab", "w.1.ring.lab"])] {
      try write("hosts", hosts.map { "\($0) slots=1\n" }.joined())
      // Two daemons of Open MPI 4.1 on one machine now and then crash in hwloc: once more, then.
      let line = [
        "launch", "-n", "2", "--hostfile", "hosts", "--bind-to", "none", "--backoff", "0", "--max-restarts", "2", "--",
      ]
      let outcome = try launched(
        line + training(name), environment: ["OMPI_MCA_plm_rsh_agent": path("agent")])
      XCTAssertTrue(outcome.output.contains("2 ranks × 1 thread on \(hosts[0]) (1), \(hosts[1]) (1)"), outcome.summary)
      XCTAssertEqual(try metrics(name).count, 9)
      let log = log(name)
      XCTAssertTrue(log.contains("rank 0 of 2"), log)
    }
  }
}
