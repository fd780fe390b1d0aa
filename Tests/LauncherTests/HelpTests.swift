import Foundation
import XCTest

final class HelpTests: CommandTestCase {
  func testEveryCommandExplainsItself() throws {
    let commands: [(command: [String], says: [String])] = [
      (
        [],
        [
          "train", "launch", "evaluate", "predict", "inspect", "weights", "data", "bench", "report", "compare",
          "mpirun", "Exit codes",
        ]
      ),
      (["train"], ["--config <file>", "--set <key=value>", "--resume <latest|path>", "--run <dir>", "mpirun"]),
      (
        ["launch"],
        [
          "-n <ranks>", "--hostfile <file>", "--max-restarts <count>", "--oversubscribe", "--probe-seconds <seconds>",
          "-x",
          "--seeds <0,1,2|0-4>", "--dry-run", "-- train", "Exit codes: 0",
        ]
      ),
      (
        ["evaluate"],
        [
          "--checkpoint <path>", "--set <key=value>", "--network", "auto", "student", "teacher", "--mode", "sliding",
          "--scales <factors>", "--flip/--no-flip", "--confusion <file>", ".csv",
        ]
      ),
      (
        ["predict"],
        [
          "--checkpoint <path>", "-o, --output <dir>", "<images>", "--mode", "--probabilities", "--palette <file>",
          "--overwrite", "exit code is then 3",
        ]
      ),
      (
        ["suggest"],
        [
          "--checkpoint <path>", "<images> ...", "-n, --number <count>", "-o, --output <dir>", "--unreliable <share>",
          "255",
        ]
      ),
      (["review"], ["--checkpoint <path>", "-n, --number <count>", "-o, --output <dir>", "data.labeled"]),
      (["watch"], ["<run>", "--plain", "--once", "--interval <seconds>"]),
      (["report"], ["<run> ...", "-o, --output <file>", "docs/report.md"]),
      (["compare"], ["u2pl compare <a> … -- <b> …", "95 % interval"]),
      (["inspect"], ["<checkpoint>", "--datasets", "--config", "--verify"]),
      (["weights"], ["import", "export", "show", "docs/weights.md"]),
      (
        ["weights", "import"],
        [
          "<files> ...", "-o, --output <out.h5>", "--config <file>", "--set <key=value>", "--network", "--prefix",
          "--lenient",
          "--verbose",
        ]
      ),
      (["weights", "export"], ["<checkpoint>", "-o, --output <out.safetensors>", "--network", "auto", "teacher"]),
      (["weights", "show"], ["<file>"]),
      (["data"], ["shapes"]),
      (
        ["data", "shapes"],
        ["-o, --output <dir>", "--labeled", "--unlabeled", "--validation", "--size", "--classes", "--seed", "voc"]
      ),
      (["bench"], ["step"]),
      (
        ["bench", "step"],
        [
          "--config <file>", "--set <key=value>", "--encoder", "--crop", "--labeled", "--unlabeled", "--width",
          "--steps", "--threads",
        ]
      ),
    ]
    for (command, says) in commands {
      let outcome = try run(command + ["--help"], limit: patience)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertEqual(outcome.errors, "")
      for text in says where !outcome.output.contains(text) { XCTFail("no \(text) in \(outcome.output)") }
    }
  }

  /// Said by one rank.
  func testHelpUnderMpirun() throws {
    let outcome = try run(["train", "--help"], ranks: 2, limit: patience)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertEqual(outcome.output.components(separatedBy: "USAGE").count, 2, outcome.summary)
  }

  func testVersion() throws {
    let outcome = try run(["--version"], limit: patience)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertNotNil(outcome.output.firstMatch(of: /^\d+\.\d+\.\d+/), outcome.output)
  }
}
