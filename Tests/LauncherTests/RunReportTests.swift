import Foundation
import TestSupport
import XCTest

/// The report, the status and TensorBoard's events that a run writes by itself, and what `u2pl report` makes of runs.
final class RunReportTests: CommandTestCase {
  private let settings = [
    "batch.labeled=4", "batch.unlabeled=4", "schedule.epochs=4", "schedule.steps_per_epoch=4",
    "checkpoint.every_steps=3",
  ]

  private func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

  /// What the report's script reads.
  private func data(_ report: String, line: UInt = #line) throws -> [String: Any] {
    let html = try text(report)
    XCTAssertTrue(html.hasPrefix("<!DOCTYPE html>") && html.hasSuffix("</html>\n"), "is not whole", line: line)
    let start = try XCTUnwrap(html.range(of: "id=\"data\">")).upperBound
    let end = try XCTUnwrap(html.range(of: "</script>", range: start..<html.endIndex)).lowerBound
    return try json(String(html[start..<end]))
  }

  private func run(of report: String) throws -> [String: Any] {
    try XCTUnwrap((data(report)["runs"] as? [[String: Any]])?.first)
  }

  private func pictures(_ name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path("\(name)/pictures")).sorted()
  }

  func testARunLeavesAReport() throws {
    try train("run", settings)
    let run = try run(of: "run/report.html")
    XCTAssertEqual(run["stepsDone"] as? Int, 16)
    XCTAssertEqual(run["totalSteps"] as? Int, 16)
    XCTAssertEqual(run["evaluationCount"] as? Int, 4)
    XCTAssertEqual(run["damaged"] as? Int, 0)
    let confusion = try XCTUnwrap(run["confusion"] as? [Int])
    XCTAssertGreaterThan(confusion.reduce(0, +), 0)
    XCTAssertEqual((run["ranks"] as? [[String: Any]])?.first?["steps"] as? Int, 16)
    XCTAssertFalse((run["checkpoints"] as? [[String: Any]] ?? []).isEmpty)
    XCTAssertTrue((run["command"] as? String ?? "").contains("train --config"))
    let facts = (run["facts"] as? [[String: String]] ?? []).compactMap { $0["name"] }
    for name in ["program", "threads a rank", "labeled list (entries, digest)", "digest of config.yaml"] {
      XCTAssertTrue(facts.contains(name), "\(name) is not among \(facts)")
    }
    let changed = (run["settings"] as? [[String: Any]] ?? []).filter { $0["differs"] as? Int == 1 }
    XCTAssertTrue(changed.contains { $0["key"] as? String == "schedule.epochs" })
    XCTAssertFalse(changed.contains { $0["key"] as? String == "u2pl.temperature" }, "\(changed)")

    // The last evaluation always has pictures: of the worst images with a mask, and of unlabeled ones.
    let shown = try XCTUnwrap(run["pictures"] as? [[String: Any]])
    XCTAssertEqual(run["pictureSteps"] as? Int, 16)
    let kinds = shown.map { ($0["files"] as? [[String: String]] ?? []).compactMap { $0["kind"] } }
    XCTAssertEqual(kinds.first, ["image", "truth", "student", "teacher", "entropy", "reliable", "errors"])
    XCTAssertEqual(kinds.last, ["image", "student", "teacher", "entropy", "reliable"])
    let shares = shown.compactMap { picture -> Double? in
      guard let errors = picture["errors"] as? Double, let labeled = picture["labeled"] as? Double else { return nil }
      return errors / labeled
    }
    XCTAssertEqual(shares, shares.sorted(by: >), "the worst come first")
    let files = try pictures("run")
    XCTAssertEqual(files.count, kinds.reduce(0) { $0 + $1.count })
    XCTAssertTrue(files.allSatisfy { $0.hasPrefix("step-16-") && $0.hasSuffix(".png") }, "\(files)")
    let html = try text("run/report.html")
    for load in ["src=\"http", "href=\"http", "url(", "@import", "fetch(", "XMLHttpRequest"] {
      XCTAssertFalse(html.contains(load), "the report loads something: \(load)")
    }

    let status = try text("run/metrics.prom")
    XCTAssertTrue(status.contains("\nu2pl_step{run=\"run\"} 16.0\n"), status)
    XCTAssertTrue(status.contains("\nu2pl_finished{run=\"run\"} 1.0\n"), status)
    XCTAssertTrue(status.contains("\nu2pl_checkpoint_age_seconds{"), status)
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("run/tensorboard")), "it is off unless asked for")
  }

  /// Nothing that is computed depends on what is shown, and a resume may show more or less than before.
  func testShowingChangesNoBit() throws {
    let off = settings + ["report=off", "logs.openmetrics=off"]
    try train("with", settings + ["logs.tensorboard=on"])
    try train("without", off)
    XCTAssertEqual(try metrics("with"), try metrics("without"))
    for name in ["report.html", "metrics.prom", "pictures", "evaluation.json", "tensorboard"] {
      XCTAssertFalse(FileManager.default.fileExists(atPath: path("without/\(name)")), name)
      XCTAssertTrue(FileManager.default.fileExists(atPath: path("with/\(name)")), name)
    }
    let outcome = try train("without", settings + ["logs.tensorboard=on"], options: ["--resume", "latest"])
    XCTAssertFalse(outcome.output.contains("changed since the checkpoint"), outcome.output)
  }

  /// On two ranks each makes the pictures of its own images; there are as many, of the same images.
  func testTwoRanks() throws {
    try train("one", settings)
    try train("two", settings, ranks: 2)
    XCTAssertEqual(try pictures("two"), try pictures("one"))
    let names = try ["one", "two"].map { name in
      (try run(of: "\(name)/report.html")["pictures"] as? [[String: Any]] ?? []).map { $0["name"] as? String }
    }
    XCTAssertEqual(names[0], names[1])
    for file in try pictures("one") {
      XCTAssertTrue(
        FileManager.default.contentsEqual(atPath: path("one/pictures/\(file)"), andPath: path("two/pictures/\(file)")),
        file)
    }
    let ranks = try XCTUnwrap(try run(of: "two/report.html")["ranks"] as? [[String: Any]])
    XCTAssertEqual(ranks.map { $0["rank"] as? Int }, [0, 1])
    XCTAssertEqual(ranks.compactMap { $0["slowest"] as? Int }.reduce(0, +), 16)
  }

  /// Whenever a run is killed, its report opens, and tells of a resume afterwards.
  func testAKilledRunLeavesAReport() throws {
    for lines in [1, 7, 12] {
      let name = "killed-\(lines)"
      let command = try Command(training(name, settings + ["schedule.epochs=12"]), ranks: nil, in: directory)
      while command.isRunning, ((try? metrics(name).count) ?? 0) < lines { usleep(2000) }
      command.kill()
      _ = command.wait(limit: 10)
      XCTAssertEqual(try run(of: "\(name)/report.html")["name"] as? String, name)
      let made = try run(["report", name])
      XCTAssertEqual(made.status, 0, made.summary)
      XCTAssertGreaterThanOrEqual(try run(of: "\(name)/report.html")["stepsDone"] as? Int ?? 0, lines - 3)
    }
    try train("killed-12", settings + ["schedule.epochs=12"], options: ["--resume", "latest"])
    let run = try run(of: "killed-12/report.html")
    XCTAssertEqual(run["startCount"] as? Int, 2)
    XCTAssertEqual(run["stepsDone"] as? Int, 48)
    XCTAssertTrue(try text("killed-12/metrics.prom").contains("u2pl_restarts{run=\"killed-12\"} 1.0\n"))
  }

  /// A report that cannot be written is a warning, and the run goes on to its end.
  func testWhatCannotBeWrittenEndsNoRun() throws {
    for name in ["report.html", "metrics.prom", "evaluation.json"] {
      try FileManager.default.createDirectory(atPath: path("run/\(name)/in the way"), withIntermediateDirectories: true)
    }
    try write("run/pictures", "in the way")
    try write("run/tensorboard", "in the way")
    let outcome = try train("run", settings + ["logs.tensorboard=on"])
    for name in ["report.html", "metrics.prom", "evaluation.json", "pictures", "tensorboard"] {
      let log = try text("run/logs/rank-0000.log")
      XCTAssertTrue(log.contains(try Regex("warning: [^\n]*run/\(name)")), "\(name): \(log)")
    }
    XCTAssertEqual(try metrics("run").count, 20)
    let warnings = outcome.output.split(separator: "\n").filter {
      $0.hasPrefix("warning:") && $0.contains("report.html")
    }
    XCTAssertEqual(warnings.count, 1, "it is said once")
  }

  // MARK: Commands

  func testSeveralRuns() throws {
    for seed in 0...1 {
      try train("sup-\(seed)", settings + ["run.seed=\(seed)", "u2pl.enabled=off"])
      try train("u2pl-\(seed)", settings + ["run.seed=\(seed)"])
    }
    let names = ["sup-0", "sup-1", "u2pl-0", "u2pl-1"]
    let made = try run(["report"] + names + ["-o", "all.html"])
    XCTAssertEqual(made.status, 0, made.summary)
    XCTAssertEqual(made.output, "all.html\n")
    let data = try data("all.html")
    XCTAssertEqual((data["runs"] as? [[String: Any]])?.compactMap { $0["name"] as? String }, names)
    let comparison = try XCTUnwrap((data["comparisons"] as? [[String: Any]])?.first)
    XCTAssertEqual(comparison["seeds"] as? [String], ["0", "1"])

    let compared = try run(["compare", "sup-0", "sup-1", "--", "u2pl-1", "u2pl-0"])
    XCTAssertEqual(compared.status, 0, compared.summary)
    XCTAssertTrue(compared.output.contains("seeds of both: 0, 1\n"), compared.output)
    XCTAssertTrue(compared.output.contains(/\nmIoU, last +\d+\.\d\d/), compared.output)
  }

  func testBadInput() throws {
    try train("run", settings + ["report=off"])
    try write("other.html", "mine")
    try write("empty/note", "")
    try assertRefused(["report", "rum"], at: [nil], saying: "rum", "no such run")
    try assertRefused(["report", "empty"], at: [nil], saying: "empty", "no metrics.jsonl")
    try assertRefused(["report", "run", "run"], at: [nil], saying: "-o FILE.html")
    try assertRefused(["report", "run", "-o", "other.html"], at: [nil], saying: "other.html", "no report")
    for taken in ["run/metrics.jsonl", "run", "/dev/null"] {
      try assertRefused(["report", "run", "-o", taken], at: [nil], saying: taken, "no report")
    }
    try assertRefused(
      ["report", "run", "-o", "no/where.html"], at: [nil], saying: "no/where.html", "create the directory")
    try assertRefused(["compare", "run", "--", "rum"], at: [nil], saying: "rum", "no such run")
    try assertRefused(["compare", "run", "run", "--", "run"], at: [nil], saying: "same seed")
    XCTAssertEqual(try run(["compare", "run"]).status, 64)
  }
}
