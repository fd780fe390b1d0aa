import Foundation
import XCTest

/// Processes that would train in one directory at once: those of a launcher that MPI does not see, and a second
/// `train`.
final class SeveralRunsTests: CommandTestCase {
  private let long = ["schedule.epochs=400"]

  private func alone(
    _ arguments: [String], _ environment: [String: String], limit: Double = 60
  ) throws -> Command.Outcome {
    try Command(line: [try Command.program()] + arguments, in: directory, environment: environment).wait(limit: limit)
  }

  func testRanksThatMPIDoesNotSee() throws {
    for (environment, words) in [
      (["SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_JOB_ID": "7"], "Slurm has started 2 tasks (SLURM_NTASKS)"),
      (["SLURM_PROCID": "1", "SLURM_NTASKS": "2"], "srun --mpi=pmix"),
      (["SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "8"], "Slurm has started 4 tasks (SLURM_STEP_NUM_TASKS)"),
      (["MPI_LOCALNRANKS": "2"], "a launcher has started 2 ranks (MPI_LOCALNRANKS)"),
      (["PMI_SIZE": "2"], "start them by Open MPI's mpirun"), (["FLUX_JOB_SIZE": "3"], "has started 3 ranks"),
    ] {
      let outcome = try alone(training("run"), environment, limit: patience)
      XCTAssertEqual(outcome.status, 2, "\(environment): \(outcome.summary)")
      XCTAssertTrue(outcome.errors.contains(words), outcome.summary)
      XCTAssertTrue(outcome.errors.contains("but MPI sees 1: each would be a run of its own"), outcome.summary)
      XCTAssertFalse(FileManager.default.fileExists(atPath: path("run")), "it has begun")
    }
  }

  /// A shell of `salloc` has the number of tasks too, and one process that `mpirun` or `srun` has started is one.
  func testOneRankIsOneRank() throws {
    for (number, environment) in [
      ["SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"],
      ["SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"],
      ["PMI_SIZE": "1"], [:],
    ].enumerated() {
      let outcome = try alone(training("run\(number)", ["schedule.epochs=1"]), environment)
      XCTAssertEqual(outcome.status, 0, "\(environment): \(outcome.summary)")
    }
    let line = ["mpirun", "-n", "1", try Command.program()] + training("run")
    let outcome = try Command(
      line: line, in: directory, environment: ["SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"]
    ).wait(limit: 60)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
  }

  /// A start that comes to nothing, as where ranks have no way to each other: one of the two ranks is another program here.
  func testAStartOfMPIThatDoesNotEnd() throws {
    let both = "[ $OMPI_COMM_WORLD_RANK = 0 ] || exec sleep 60; exec \"$0\" \"$@\""
    let line = [
      "mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", "sh", "-c", both, try Command.program(),
    ]
    let outcome = try Command(
      line: line + training("run"), in: directory, environment: ["U2PL_START_SECONDS": "5"]
    ).wait(limit: 30)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    let said = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: ") }
    guard said.count == 2 else { return XCTFail(outcome.summary) }
    XCTAssertTrue(said[0].contains(#/note: rank 0 on \S+ has waited 0.5 s in the start of MPI: /#), outcome.summary)
    XCTAssertTrue(said[0].contains("OMPI_MCA_btl_tcp_if_include"), outcome.summary)
    XCTAssertTrue(
      said[1].contains(#/error: rank 0 on \S+ has not got through the start of MPI in 5 s \(U2PL_START_SECONDS\)/#),
      outcome.summary)
    XCTAssertTrue((5..<20).contains(outcome.seconds), outcome.summary)
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("run")))
    // A start that takes its time, but ends; and what is no number is the default.
    let late = "[ $OMPI_COMM_WORLD_RANK = 0 ] || sleep 2; exec \"$0\" \"$@\""
    for (seconds, words) in [
      ("15", "has waited 1.5 s"), ("soon", "U2PL_START_SECONDS=soon is no number of seconds; it is 600 s"),
    ] {
      let outcome = try Command(
        line: line.map { $0 == both ? late : $0 } + training("run-\(seconds)", ["schedule.epochs=1"]), in: directory,
        environment: ["U2PL_START_SECONDS": seconds]
      ).wait(limit: 60)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertTrue(outcome.errors.contains(words), outcome.summary)
    }
  }

  /// A requeued job that overlaps with its predecessor.
  func testASecondTrainInTheDirectory() throws {
    let command = try Command(training("run", long), ranks: nil, in: directory)
    wait(for: command, "run", lines: 4)
    for ranks in [nil, 2] where ranks == nil || !Command.isWithoutMPIRun {
      let outcome = try run(training("run", long) + ["--resume", "latest"], ranks: ranks, limit: patience)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      XCTAssertTrue(
        outcome.errors.contains(#/another process trains in run \(process \d+ on .*\); wait for/#), outcome.summary)
    }
    XCTAssertTrue(command.isRunning)
    command.kill()
    _ = command.wait(limit: 10)
    // The lock has gone with the process.
    let again = try Command(training("run", long) + ["--resume", "latest"], ranks: nil, in: directory)
    let done = try metrics("run").count
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while again.isRunning, try metrics("run").count < done + 4, ProcessInfo.processInfo.systemUptime < limit {
      usleep(10_000)
    }
    XCTAssertTrue(again.isRunning, again.wait(limit: 0).summary)
    again.kill()
  }

  /// Each would begin in the empty directory; one does.
  func testTwoThatBeginAtOnce() throws {
    let commands = try (0..<3).map { _ in
      try Command(training("run", ["schedule.epochs=8"]), ranks: nil, in: directory)
    }
    let outcomes = commands.map { $0.wait(limit: 120) }
    XCTAssertEqual(outcomes.map(\.status).sorted(), [0, 2, 2], outcomes.map(\.summary).joined(separator: "\n"))
    XCTAssertEqual(try metrics("run").count, 8 * 3)
  }
}
