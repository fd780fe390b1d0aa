import Foundation
import XCTest

/// `u2pl evaluate` gives again what the run has measured.
final class EvaluateTests: CommandTestCase {
  private func evaluations(_ run: String) throws -> [[String: Any]] {
    try metrics(run).compactMap { try json($0)["evaluation"] as? [String: Any] }
  }

  /// The numbers of an evaluation as `u2pl evaluate` shows them: per class, their mean, pixel accuracy.
  private func shown(_ evaluation: [String: Any]) throws -> [String] {
    func percent(_ value: Any?) -> String { (value as? Double).map { String(format: "%.2f", $0 * 100) } ?? "–" }
    let classes = try XCTUnwrap(evaluation["iou"] as? [Any])
    return (classes + [evaluation["mean_iou"], evaluation["pixel_accuracy"]]).map(percent)
  }

  /// The same numbers from the output.
  private func shown(_ output: String) throws -> [String] {
    let lines = output.split(separator: "\n")
    let first = try XCTUnwrap(lines.firstIndex { $0.hasPrefix("class") }, output)
    let classes = lines[(first + 1)...].prefix { !$0.hasPrefix("per ") }
      .compactMap { $0.split(separator: " ").dropLast(4).last.map(String.init) }
    let last = try XCTUnwrap(output.firstMatch(of: /mIoU ([\d.]+) %  pixel accuracy ([\d.]+) %/), output)
    return classes + [String(last.1), String(last.2)]
  }

  private func evaluate(
    _ checkpoint: String, _ more: [String] = [], ranks: Int? = nil, file: StaticString = #filePath, line: UInt = #line
  ) throws -> String {
    let outcome = try run(["evaluate", "--checkpoint", checkpoint] + more, ranks: ranks, file: file, line: line)
    XCTAssertEqual(outcome.status, 0, outcome.summary, file: file, line: line)
    return outcome.output
  }

  func testTheLastEvaluationAgain() throws {
    try train("run", ["data.validation=7"], ranks: 2)
    let last = try XCTUnwrap(evaluations("run").last)
    XCTAssertEqual(last["network"] as? String, "teacher")
    for ranks in [nil, 2, 4] {
      let output = try evaluate("run/checkpoints/latest", ranks: ranks)
      XCTAssertEqual(try shown(output), try shown(last), "\(ranks ?? 1) ranks")
      XCTAssertTrue(output.contains("(teacher, whole, 7 images"), output)
    }
    let student = try evaluate("run/checkpoints/latest", ["--network", "student"])
    XCTAssertTrue(student.contains("(student, "), student)
    XCTAssertNotEqual(try shown(student), try shown(last))
    let fewer = try evaluate("run/checkpoints/latest", ["--set", "data.validation=3"], ranks: 2)
    XCTAssertTrue(fewer.contains(", 3 images"), fewer)
  }

  func testTheStudentBeforeSemiSupervisedTraining() throws {
    try train("run", ["u2pl.enabled=off"])
    let output = try evaluate("run/checkpoints/latest")
    XCTAssertTrue(output.contains("(student, "), output)
    XCTAssertEqual(try shown(output), try shown(XCTUnwrap(evaluations("run").last)))
  }

  func testOtherModes() throws {
    for mode in ["center_crop", "sliding"] {
      try train(mode, ["evaluate.mode=\(mode)", "augment.crop=25"])
      let last = try XCTUnwrap(evaluations(mode).last)
      for ranks in [nil, 2] {
        let output = try evaluate("\(mode)/checkpoints/latest", ranks: ranks)
        XCTAssertEqual(try shown(output), try shown(last), mode)
        XCTAssertTrue(output.contains(", \(mode), "), output)
      }
    }
  }

  /// `best` leads to the checkpoint of the best evaluation, at whatever steps checkpoints are written.
  func testBest() throws {
    func best(_ name: String) throws -> (step: Int, evaluation: [String: Any]) {
      let all = try evaluations(name)
      let means = all.map { $0["mean_iou"] as? Double ?? 0 }
      let best = try XCTUnwrap(means.indices.max { means[$0] < means[$1] || means[$0] == means[$1] && $0 > $1 })
      return (2 * best + 2, all[best])
    }
    try train("every-epoch")
    XCTAssertEqual(
      try shown(evaluate("every-epoch/checkpoints/best")), try shown(best("every-epoch").evaluation))

    // Which evaluation is the best is a matter of luck; here it has to be one between checkpoints.
    let settings = ["schedule.epochs=4", "checkpoint.every_steps=5"]
    let seed = try (1...10).first { seed in
      try train("between-\(seed)", settings + ["run.seed=\(seed)"])
      return try best("between-\(seed)").step != 8
    }
    let name = try "between-\(XCTUnwrap(seed))"
    XCTAssertEqual(try shown(evaluate("\(name)/checkpoints/best")), try shown(best(name).evaluation))
  }

  /// The number of classes is the network's, whatever lists of the run's configuration would fit another.
  func testAnotherNumberOfClasses() throws {
    try train("run", ["loss.class_weights=[1, 2, 1, 1]", "data.palette=[[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, 3]]"])
    try write("images/a.png", [])
    for (setting, count) in [("5", 5), ("2", 2), ("[a, b, c]", 3), ("voc", 21)] {
      for command in [["evaluate"], ["predict", "images/a.png", "-o", "out"]] {
        try assertRefused(
          command + ["--checkpoint", "run/checkpoints/latest", "--set", "data.classes=\(setting)"], at: [nil],
          saying: "the network has 4 classes", "data.classes is set to \(count)", "data.label_map")
      }
    }
    try assertRefused(
      ["evaluate", "--checkpoint", "run/checkpoints/latest", "--set", "data.classes=5"], at: [2],
      saying: "the network has 4 classes")
    _ = try evaluate("run/checkpoints/latest", ["--set", "data.classes=[a, b, c, d]"])
  }

  /// A table of cases, the same on any number of ranks; images of one group are a volume.
  func testCasesAndDistances() throws {
    try train("run", ["data.validation=7"])
    var tables: [String] = []
    for ranks in [nil, 2] {
      let table = "cases-\(ranks ?? 1).csv"
      let output = try evaluate("run/checkpoints/latest", ["--hausdorff", "--cases", table], ranks: ranks)
      XCTAssertTrue(output.contains(/HD95 .* ± .* pixels/), output)
      tables.append(try String(contentsOfFile: path(table), encoding: .utf8))
    }
    XCTAssertEqual(tables[0], tables[1])
    let lines = tables[0].split(separator: "\n")
    XCTAssertEqual(lines.first, "case,class,iou,dice,hd95")
    XCTAssertEqual(lines.count, 1 + 7 * 4)
    let volume = try evaluate(
      "run/checkpoints/latest", ["--hausdorff", "--cases", "volume.csv", "--group", "^."], ranks: 2)
    XCTAssertTrue(volume.contains("(1 groups)"), volume)
    XCTAssertEqual(try String(contentsOfFile: path("volume.csv"), encoding: .utf8).split(separator: "\n").count, 1 + 4)
    try write("taken.csv", "a,b\n")
    try assertRefused(
      ["evaluate", "--checkpoint", "run/checkpoints/latest", "--cases", "taken.csv"], saying: "holds no table of cases")
  }

  func testARunWithoutValidation() throws {
    try train("run", ["data.validation=null"])
    try assertRefused(
      ["evaluate", "--checkpoint", "run/checkpoints/latest"], saying: "data.validation", "--set data.validation=")
  }
}
