// Alone: kills at certain steps of a run, and holds restarts to a time.
import Foundation
import XCTest

/// `u2pl launch`: a run that loses ranks, hosts or mpirun itself goes on by itself, and computes what it would have computed.
final class LaunchTests: LaunchTestCase {
  func testItGoesOnAfterAKilledRankAndAKilledMpirun() throws {
    try train("whole", settings)
    let command = try launch(launching("run"))
    strike(command, "run", "/u2pl", afterLines: 8)
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while try events("run").filter({ $0["event"] as? String == "first step" }).count < 2, command.isRunning,
      ProcessInfo.processInfo.systemUptime < limit
    { usleep(5000) }
    strike(command, "run", "mpirun", afterLines: 20)
    let outcome = command.wait(limit: 120)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    try assertSame("whole", "run", lastStep: steps)
    XCTAssertTrue(
      outcome.output.contains(/launch: attempt 1 has failed after .*: rank [01] on localhost was killed by SIGKILL/),
      outcome.summary)
    XCTAssertTrue(
      outcome.output.contains(/launch: attempt 2 has failed after .*: mpirun on \S+ was killed by SIGKILL/),
      outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 3\n"), outcome.summary)
    // What mpirun says of it is in the log, and the progress goes through once.
    XCTAssertFalse(outcome.errors.contains("mpirun noticed"), outcome.summary)
    XCTAssertTrue(try text("run/logs/launch.log").contains("mpirun noticed that process rank"))
    XCTAssertEqual(
      outcome.output.split(separator: "\n").filter { $0.contains("  step 32/32  ") }.count, 1, outcome.output)
    for text in [outcome.output, try text("run/logs/launch.log")] {
      XCTAssertFalse(text.contains("\u{1E}"), "the mark of progress is not for people")
    }
    try assertEventsOfThreeAttempts("run")
    assertNothingIsLeft()
    // Nor in shared memory, where a killed mpirun leaves its ranks' segments.
    let jobs = try text("run/logs/launch.log").matches(of: /(\d+)\.0;tcp/).compactMap { UInt32($0.output.1) }
    XCTAssertEqual(jobs.count, 3)
    for job in jobs {
      let files = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
      XCTAssertEqual(files.filter { $0.contains(".\(String(job + 1, radix: 16)).") }, [])
    }
  }

  /// What the ranks have told, of which the first two attempts were killed.
  private func assertEventsOfThreeAttempts(_ run: String, line: UInt = #line) throws {
    // A kill may tear a line.
    let told = try text("\(run)/logs/events.jsonl").split(separator: "\n").compactMap { try? json(String($0)) }
    let attempts = try events(run).filter { $0["event"] as? String == "attempt" }.compactMap { $0["id"] as? String }
    XCTAssertEqual(attempts.count, 3, line: line)
    for (number, attempt) in attempts.enumerated() {
      let own = told.filter { $0["attempt"] as? String == attempt }
      XCTAssertTrue(own.allSatisfy { $0["version"] as? Int == 1 && $0["rank"] as? Int == 0 }, "\(own)", line: line)
      let names = own.compactMap { $0["event"] as? String }
      XCTAssertEqual(Array(names.prefix(2)), ["connected", number == 0 ? "start" : "resumed"], line: line)
      let start = try XCTUnwrap(own.first { $0["event"] as? String == "start" }, line: line)
      XCTAssertEqual(start["total_steps"] as? Int, steps, line: line)
      XCTAssertEqual(start["ranks"] as? Int, 2, line: line)
      if number > 0 { XCTAssertEqual(own[1]["step"] as? Int, start["step"] as? Int, line: line) }
      let first = own.first { $0["event"] as? String == "first step" }
      XCTAssertEqual(first?["step"] as? Int, (start["step"] as? Int ?? 0) + 1, line: line)
      XCTAssertEqual(names.contains("finished"), number == 2, line: line)
    }
    XCTAssertEqual(told.last?["event"] as? String, "finished", line: line)
    XCTAssertEqual(told.last?["step"] as? Int, steps, line: line)
    let written = told.filter { $0["event"] as? String == "checkpoint" }.compactMap { $0["step"] as? Int }
    XCTAssertEqual(written.last, steps, line: line)
    XCTAssertTrue(written.contains(3), "\(written)", line: line)
  }

  /// The ranks of a launch that was killed end, and the next launch goes on.
  func testAKilledLaunch() throws {
    try train("whole", settings)
    let command = try launch(launching("run"))
    wait(for: command, "run", lines: 8)
    command.send(SIGKILL)
    assertNothingIsLeft()
    XCTAssertLessThan(try metrics("run").count, steps)
    _ = try launched(launching("run", train: ["--resume", "latest"]))
    try assertSame("whole", "run", lastStep: steps)
  }

  func testItGivesUpAndSaysWhatHappened() throws {
    // Nothing is ever written, so nothing is gained.
    let settings = settings + ["checkpoint.every_steps=1000", "schedule.epochs=1000", "evaluate.every_epochs=1000"]
    let command = try launch(launching("run", settings, options: ["--max-restarts", "1"]))
    for attempt in 1...2 {
      let limit = ProcessInfo.processInfo.systemUptime + 60
      while try events("run").filter({ $0["event"] as? String == "first step" }).count < attempt, command.isRunning,
        ProcessInfo.processInfo.systemUptime < limit
      { usleep(5000) }
      if let rank = programs(command, named: "/u2pl").last { kill(rank, SIGKILL) }
    }
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    XCTAssertTrue(
      outcome.output.contains("launch: given up: 2 attempts in a row without a new checkpoint (--max-restarts 1)\n"),
      outcome.summary)
    for attempt in 1...2 {
      XCTAssertTrue(
        outcome.output.contains(
          try Regex(
            "launch:   attempt \(attempt), 2 ranks, .* s, from the beginning, to step \\d+: rank 1 on localhost was killed by "
              + "SIGKILL \\(no new checkpoint\\)")), outcome.summary)
    }
    XCTAssertTrue(
      outcome.output.contains("launch: there is no checkpoint yet; when the cause is fixed"), outcome.summary)
    assertNothingIsLeft()
  }

  // MARK: Failures that repeat themselves

  /// What the run itself does wrong it would do wrong each time.
  func testAFailureThatRepeatsItselfIsGivenUp() throws {
    let settings = [
      "schedule={epochs: 2, steps_per_epoch: 6, supervised_epochs: 1}", "integrity.every_steps=4",
    ]
    let outcome = try launched(
      launching("run", settings, options: ["--max-restarts", "10"]), status: 1,
      environment: ["U2PL_TEST_FLIP_BIT": "1:7:optimizer/momentum/decoder.classifier.8.bias", "U2PL_TESTING": "1"])
    XCTAssertTrue(
      outcome.output.contains("launch: given up: it has failed twice in the same way at the same step"), outcome.summary
    )
    // The first has left a checkpoint that the other two went on from.
    XCTAssertTrue(
      outcome.output.contains(
        #/launch:   attempt 3, 2 ranks, .* s, from step 6, to step 8: rank [01] on localhost ended with exit code 1: .*copies of/#
      ),
      outcome.summary)
    XCTAssertFalse(outcome.output.contains("attempt 4"), outcome.summary)
  }

  func testSignalsEndItWithACheckpoint() throws {
    try train("whole", settings)
    for (number, name) in [(SIGTERM, "term"), (SIGINT, "int"), (SIGUSR1, "usr1")] {
      let command = try launch(launching(name))
      wait(for: command, name, lines: 8)
      command.send(number)
      let outcome = command.wait(limit: 60)
      XCTAssertEqual(outcome.status, 75, outcome.summary)
      XCTAssertTrue(outcome.output.contains("received SIGUSR1: stopped after step "), outcome.summary)
      XCTAssertEqual(outcome.errors, "", outcome.summary)
      let done = try metrics(name).filter { !$0.contains("evaluation") }.count
      XCTAssertTrue(
        FileManager.default.fileExists(atPath: checkpoint(name, step: done)), "no checkpoint of step \(done)")
      assertNothingIsLeft()
      _ = try launched(launching(name, train: ["--resume", "latest"]))
      try assertSame("whole", name, lastStep: steps)
    }
  }

  func testASecondInterruptEndsItAtOnce() throws {
    let long = ["data.size=513", "augment.crop=513", "batch={labeled: 8, unlabeled: 8}", "model.encoder_width=1"]
    let command = try launch(launching("long", long))
    let limit = ProcessInfo.processInfo.systemUptime + 30
    while !FileManager.default.fileExists(atPath: path("long/metrics.jsonl")), command.isRunning,
      ProcessInfo.processInfo.systemUptime < limit
    { usleep(10_000) }
    sleep(1)
    command.send(SIGINT)
    usleep(300_000)
    XCTAssertTrue(command.isRunning, "the first interrupt ends it at once: \(command.wait(limit: 0).summary)")
    command.send(SIGINT)
    let outcome = command.wait(limit: patience)
    XCTAssertEqual(outcome.status, 130, outcome.summary)
    assertNothingIsLeft()
  }

  /// Bad input is said once and not tried again.
  func testBadInputIsNotTriedAgain() throws {
    try assertRefused(
      ["launch", "-n", "2", "--", "train", "--config", "nosuch.yaml"], at: [nil], saying: "nosuch.yaml")
    try assertRefused(
      launching("run", ["batch.labeled=3"]), at: [nil],
      saying: "-n 2: the ranks must divide the batch, which has 3 labeled and 2 unlabeled images a step; -n 1 does")
    try write("hosts", "localhost slots=2\nnode02 slots=\n")
    try assertRefused(
      launching("run", options: ["--hostfile", "hosts"]), at: [nil], saying: "hosts:2: slots= is no number of ranks")
    try write("one", "localhost slots=1\n")
    try assertRefused(
      launching("run", options: ["--hostfile", "one"]), at: [nil], saying: "-n 2: one has 1 slot; -n 1")
    // What only the ranks find.
    try write(
      "bad.yaml", tinyConfiguration(data: "{kind: folder, root: nosuch, labeled: a.txt, unlabeled: b.txt, classes: 4}"))
    let outcome = try launched(["launch", "-n", "2", "--", "train", "--config", "bad.yaml", "--run", "bad"], status: 2)
    XCTAssertEqual(
      outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error: ") }.count, 1, outcome.summary)
    XCTAssertEqual(outcome.output.split(separator: "\n").filter { $0.contains("mpirun ") }.count, 1, outcome.summary)
  }

  func testARunIsNotStartedOver() throws {
    try train("run", settings)
    try assertRefused(launching("run"), at: [nil], saying: "run already holds a run; --resume latest continues it")
    // Finished: nothing is left to do.
    let outcome = try launched(launching("run", train: ["--resume", "latest"]))
    XCTAssertTrue(outcome.output.contains("step-00000032.h5 at step 32"), outcome.summary)
    // Another launch is at it.
    let long = settings + ["schedule.epochs=1000"]
    let command = try launch(launching("long", long))
    wait(for: command, "long", lines: 5)
    let second = try launch(launching("long", long, train: ["--resume", "latest"])).wait(limit: patience)
    XCTAssertEqual(second.status, 2, second.summary)
    XCTAssertTrue(second.errors.contains("another launch supervises this run (process "), second.summary)
    command.send(SIGTERM)
    XCTAssertEqual(command.wait(limit: 60).status, 75)
  }

  /// A checkpoint to begin with is begun with again until the run has one of its own.
  func testACheckpointToBeginWith() throws {
    let settings = settings + ["checkpoint.keep=100"]
    try train("whole", settings)
    let begin = ["--resume", checkpoint("whole", step: 21)]
    let command = try launch(launching("run", settings + ["checkpoint.every_steps=6"], train: begin))
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while programs(command, named: "/u2pl").count < 2, command.isRunning, ProcessInfo.processInfo.systemUptime < limit {
      usleep(2000)
    }
    if let rank = programs(command, named: "/u2pl").first { kill(rank, SIGKILL) }
    let outcome = command.wait(limit: 120)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: finished at attempt 2"), outcome.summary)
    XCTAssertEqual(try metrics("run"), try metrics("whole").suffix(try metrics("run").count))
    XCTAssertEqual(try metrics("run").first, try metrics("whole").first { $0.hasPrefix("{\"step\":21,") })
  }

  func testItSaysWhatItWouldDo() throws {
    let outcome = try launched(
      launching("run", ["compute.threads=null"], options: ["--dry-run", "-x", "A=b c"]),
      environment: ["OMP_PLACES": "cores"])
    XCTAssertTrue(outcome.output.contains(#/localhost: \d+ slots, \d+ cores, /#), outcome.summary)
    XCTAssertTrue(
      outcome.output.contains(#/ -n 2 --host localhost:2 .* -x OMP_PLACES .*-x 'A=b c' .*--set compute.threads=\d+\n/#),
      outcome.summary)
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("run")))
  }

  func testUsage() throws {
    for (arguments, part) in [
      (["launch", "-n", "2"], "command"), (["launch", "--", "evaluate"], "launch runs train"),
      (["launch", "-n", "0", "--", "train", "--config", "tiny.yaml"], "-n 0: it takes"),
      (["launch", "--max-restarts", "-1", "--", "train", "--config", "tiny.yaml"], "--max-restarts"),
      (["launch", "-x", "1A", "--", "train", "--config", "tiny.yaml"], "-x 1A: it takes NAME"),
      (["launch", "--probe-seconds", "0", "--", "train", "--config", "tiny.yaml"], "--probe-seconds"),
      (["launch", "--", "train"], "--config"),
      (["launch", "--", "train", "--config", "tiny.yaml", "--nosuch"], "--nosuch"),
    ] {
      let outcome = try launched(arguments, status: 64)
      XCTAssertTrue(outcome.errors.contains(part), outcome.summary)
    }
  }

  // MARK: Slurm, by its environment alone

  /// Hosts are reached by srun, of which there is none here: one that notes how it was called stands in.
  func testInsideASlurmJob() throws {
    try write(
      "bin/srun",
      "#!/bin/sh\necho \"$@\" >> \"$SRUN_CALLS\"\nwhile [ \"$1\" != /bin/sh ]; do shift; done\nexec \"$@\"\n")
    try write("bin/ssh", "#!/bin/sh\nexit 255\n")
    for name in ["srun", "ssh"] {
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path("bin/\(name)"))
    }
    var job = [
      "SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "u2plnode[01-02],u2plgpu5", "SLURM_TASKS_PER_NODE": "4(x2),2",
      "PATH": "\(path("bin")):\(ProcessInfo.processInfo.environment["PATH"] ?? "")", "SRUN_CALLS": path("calls"),
    ]
    let line = [
      "launch", "--dry-run", "--", "train", "--config", "tiny.yaml", "--run", "run", "--set",
      "batch={labeled: 8, unlabeled: 8}",
    ]
    let outcome = try launched(line, environment: job)
    XCTAssertTrue(
      outcome.output.contains("8 ranks × 1 thread on u2plnode01 (3), u2plnode02 (3), u2plgpu5 (2)"), outcome.summary)
    XCTAssertTrue(outcome.output.contains(" -n 8 --host u2plnode01:3,u2plnode02:3,u2plgpu5:2 "), outcome.summary)
    let calls = try text("calls")
    for host in ["u2plnode01", "u2plnode02", "u2plgpu5"] {
      XCTAssertTrue(
        calls.contains("--overlap --quiet --nodes=1 --ntasks=1 --input=none --nodelist=\(host) /bin/sh -c "), calls)
    }
    job["SLURM_TASKS_PER_NODE"] = "4(x3),2"
    let refused = try launched(line, status: 2, environment: job)
    XCTAssertTrue(refused.errors.contains("SLURM_TASKS_PER_NODE=4(x3),2 is for 4 nodes"), refused.summary)
  }

  /// Programs that stand in for u2pl and scontrol note what they are asked.
  /// It goes on after SIGUSR1; after SIGTERM, by which scancel ends a job, it does not.
  func testTheBatchScriptRequeuesAJobThatWasStopped() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
      .standardizedFileURL
    let script = root.appendingPathComponent("configs/slurm/u2pl.sbatch").path
    try tool("/bin/bash", ["-n", script], package: "bash")
    for option in ["--signal=B:USR1@120", "--requeue", "--open-mode=append"] {
      XCTAssertTrue(try String(contentsOfFile: script, encoding: .utf8).contains("#SBATCH \(option)\n"), option)
    }
    try write("bin/scontrol", "#!/bin/sh\necho \"$@\" > requeued\n")
    let task = ["SLURM_ARRAY_JOB_ID": "4709", "SLURM_ARRAY_TASK_ID": "3"]
    for (name, code, signal, more) in [
      ("signalled", 75, SIGUSR1, [:]), ("cancelled", 75, SIGTERM, [:]), ("done", 0, 0, [:]), ("refused", 2, 0, [:]),
      ("failed", 1, 0, [:]), ("a task of an array", 75, SIGUSR1, task),
    ] {
      let waiting = "trap 'exit \(code)' USR1 TERM; touch ready; while :; do sleep 0.05; done"
      try write("bin/u2pl", "#!/bin/sh\necho \"$@\" > asked\n\(signal > 0 ? waiting : "exit \(code)")\n")
      try? FileManager.default.removeItem(atPath: path("ready"))
      for program in ["scontrol", "u2pl"] {
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path("bin/\(program)"))
      }
      let command = try Command(
        line: ["bash", script, "a.yaml", "--set", "run.seed=1"], in: directory,
        environment: [
          "PATH": "\(path("bin")):\(ProcessInfo.processInfo.environment["PATH"] ?? "")", "U2PL": path("bin/u2pl"),
          "SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "u2pl",
        ].merging(more) { $1 })
      let limit = ProcessInfo.processInfo.systemUptime + patience
      while signal > 0, !FileManager.default.fileExists(atPath: path("ready")),
        ProcessInfo.processInfo.systemUptime < limit
      {
        usleep(5000)
      }
      if signal > 0 { command.send(signal) }
      let outcome = command.wait(limit: patience)
      XCTAssertEqual(outcome.status, Int32(code), "\(name): \(outcome.summary)")
      let job = more.isEmpty ? "4711" : "4709_3"
      XCTAssertEqual(
        try text("asked"),
        "launch -- train --config a.yaml --run runs/u2pl-\(job) --resume latest "
          + (more.isEmpty ? "" : "--set run.seed=3 ") + "--set run.seed=1\n")
      XCTAssertEqual(try? text("requeued"), signal == SIGUSR1 ? "requeue \(job)\n" : nil, name)
      try? FileManager.default.removeItem(atPath: path("requeued"))
    }
  }
}
