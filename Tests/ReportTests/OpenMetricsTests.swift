import Foundation
import TestSupport
import XCTest

import Report

final class OpenMetricsTests: DirectoryTestCase {
  private func status() -> RunStatus {
    var status = RunStatus(run: "a \"b\"\\c\nd é")
    (status.step, status.totalSteps, status.epoch, status.restarts) = (12, 100, 3, 2)
    status.losses = [("total", 1.5), ("supervised", 1e-300), ("contrastive", .nan)]
    (status.gamma, status.imagesPerSecond, status.meanIoU, status.bestMeanIoU) = (0.25, 12.5, 0.4, 0.45)
    status.checkpoint = Date(timeIntervalSince1970: 1_000)
    return status
  }

  /// Prometheus' own parsers, of OpenMetrics and of the older text format, read the numbers.
  func testPrometheusReadsIt() throws {
    let python = try PythonPeer(modules: "prometheus_client")
    let file = path("metrics.prom")
    try status().text(now: Date(timeIntervalSince1970: 1_060)).write(toFile: file, atomically: true, encoding: .utf8)
    let script = """
      import sys
      from prometheus_client import openmetrics, parser
      from prometheus_client.openmetrics import parser as strict
      text = open(sys.argv[1], encoding="utf-8").read()
      for read in (strict.text_string_to_metric_families, parser.text_string_to_metric_families):
          found = {}
          for family in read(text):
              assert family.type == "gauge" and family.documentation, family
              for sample in family.samples:
                  assert sample.labels["run"] == 'a "b"\\\\c\\nd é', sample
                  found[sample.name, sample.labels.get("term")] = sample.value
          assert found["u2pl_step", None] == 12 and found["u2pl_steps_planned", None] == 100, found
          assert found["u2pl_loss", "total"] == 1.5 and found["u2pl_loss", "supervised"] == 1e-300, found
          assert ("u2pl_loss", "contrastive") not in found
          assert found["u2pl_images_per_second", None] == 12.5 and found["u2pl_restarts", None] == 2, found
          assert found["u2pl_checkpoint_age_seconds", None] == 60, found
          assert found["u2pl_best_miou_ratio", None] == 0.45 and ("u2pl_learning_rate", None) not in found, found
      """
    let outcome = try python.run(["-c", script, file])
    XCTAssertEqual(outcome.status, 0, outcome.output)
  }

  func testIsReplacedAsAWhole() throws {
    try "old".write(toFile: path("metrics.prom"), atomically: true, encoding: .utf8)
    try status().write(to: path("metrics.prom"))
    let text = try String(contentsOfFile: path("metrics.prom"), encoding: .utf8)
    XCTAssertTrue(text.hasPrefix("# TYPE u2pl_step gauge\n"))
    XCTAssertTrue(text.hasSuffix("\n# EOF\n"))
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: path("")), ["metrics.prom"])
  }
}
