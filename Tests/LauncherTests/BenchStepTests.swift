import Foundation
import XCTest

/// `u2pl bench step --config`: what is measured is a step of the configuration.
final class BenchStepTests: CommandTestCase {
  private func bench(_ settings: [String] = [], config: String = "tiny.yaml") -> [String] {
    ["bench", "step", "--config", config, "--steps", "1", "--warmup", "1", "--json"]
      + settings.flatMap { ["--set", $0] }
  }

  private func measured(_ settings: [String] = [], config: String = "tiny.yaml") throws -> [String: Any] {
    let outcome = try run(bench(settings, config: config))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    return try json(outcome.output)
  }

  func testAStepOfTheConfiguration() throws {
    let step = try measured(["u2pl.weight=evidence", "data.labeled=8", "data.balance=1"])
    let phases = try XCTUnwrap(step["phases"] as? [String: Double])
    for phase in ["weak view", "mix", "student forward", "contrastive loss", "update"] {
      XCTAssertGreaterThan(phases[phase] ?? 0, 0, phase)
    }
    XCTAssertEqual(step["threads"] as? Int, 1)
    XCTAssertGreaterThan(step["loading_seconds"] as? Double ?? 0, 0)
    XCTAssertGreaterThan(step["evidence_seconds"] as? Double ?? 0, 0)

    let supervised = try measured(["u2pl.enabled=off"])
    XCTAssertNil((supervised["phases"] as? [String: Double])?["weak view"])
    XCTAssertTrue(supervised["evidence_seconds"] is NSNull)
    // A wider network computes more.
    let operations = try [step, measured(["model.encoder_width=0.5"])].map {
      $0["convolution_operations"] as? Double ?? 0
    }
    XCTAssertGreaterThan(operations[1], 1.5 * operations[0])
  }

  /// Classes of the configuration stay, though generated images have fewer.
  func testWithoutTheData() throws {
    let data = "{kind: voc, root: nowhere, labeled: a.txt, unlabeled: b.txt}"
    try write("voc.yaml", tinyConfiguration(data: data))
    let outcome = try run(bench(config: "voc.yaml"))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertEqual(try json(outcome.output)["data"] as? String, "generated")
    XCTAssertTrue(
      outcome.errors.contains("data: images generated at 33×33; there is no data.root 'nowhere'"), outcome.errors)
    try write("voc.yaml", tinyConfiguration(data: "{kind: voc, labeled: a.txt, unlabeled: b.txt}"))
    XCTAssertEqual(try measured(config: "voc.yaml")["data"] as? String, "generated")
  }

  func testWhatCannotBeMeasured() throws {
    try write("voc.yaml", tinyConfiguration(data: "{kind: voc, root: ., labeled: a.txt, unlabeled: b.txt}"))
    try assertRefused(bench(config: "voc.yaml"), saying: "a.txt")
    try assertRefused(
      bench(["data.root=nowhere", "augment.crop=off", "augment.scale=off"], config: "voc.yaml"),
      saying: "there is no nowhere", "--set augment.crop=SIZE")
    for (arguments, message) in [
      (bench() + ["--crop", "33"], "--set augment.crop=VALUE"),
      (["bench", "step", "--set", "loss.dice=1"], "--config"),
    ] {
      let outcome = try run(arguments)
      XCTAssertEqual(outcome.status, 64, outcome.summary)
      XCTAssertTrue(outcome.errors.contains(message), outcome.errors)
    }
  }
}
