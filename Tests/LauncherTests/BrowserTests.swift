import Foundation
import XCTest

/// Reports in headless Chromium, where that is installed (apt-get install chromium-headless-shell, or chromium): what the script draws,
/// and what the console says. `make test` does not install it, because that takes minutes.
final class BrowserTests: CommandTestCase {
  private func browser() throws -> String {
    let names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
    for name in names {
      for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
        return "\(folder)/\(name)"
      }
    }
    throw XCTSkip("no Chromium, so reports are opened by nothing; apt-get install chromium-headless-shell")
  }

  /// The page after its script has run, and what the console has said.
  private func opened(_ report: String, width: Int) throws -> (page: String, console: String) {
    let outcome = try Command(
      line: [
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=\(path("profile"))",
        "--window-size=\(width),900",
        "--enable-logging=stderr", "--dump-dom", "file://\(path(report))",
      ], in: directory
    ).wait(limit: 120)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let console = outcome.errors.split(separator: "\n").filter { $0.contains("CONSOLE") }.joined(separator: "\n")
    return (outcome.output, console)
  }

  private func count(_ text: String, _ part: String) -> Int { text.components(separatedBy: part).count - 1 }

  func testAReportHasItsCurves() throws {
    _ = try browser()
    let settings = ["batch.labeled=4", "batch.unlabeled=4", "schedule.epochs=4", "schedule.steps_per_epoch=4"]
    try train("run", settings)
    try train("sup", settings + ["u2pl.enabled=off"])
    XCTAssertEqual(try run(["report", "sup", "run", "-o", "both.html"]).status, 0)
    let broken = try Regex(##" (d|x|y|width|x1)="[^"]*(NaN|Infinity|undefined)"##)
    for (report, curves) in [("run/report.html", 20), ("both.html", 20)] {
      for width in [1280, 400] {
        let (page, console) = try opened(report, width: width)
        XCTAssertEqual(console, "", report)
        let charts = page.firstMatch(of: /data-charts="(\d+)"/).flatMap { Int($0.1) } ?? 0
        XCTAssertGreaterThan(charts, 15, report)
        XCTAssertGreaterThanOrEqual(count(page, "class=\"line\" d=\"M"), curves, "\(report): lines with points")
        XCTAssertEqual(count(page, "class=\"line\" d=\"\""), 0, "\(report): a line without a point")
        XCTAssertFalse(page.contains(broken), report)
        XCTAssertGreaterThan(count(page, "<img src=\"data:image/png;base64,"), 20, report)
        XCTAssertTrue(page.contains("class=\"matrix\""), report)
      }
    }
  }

  /// 100 000 steps of 21 classes: a small file, which opens fast.
  func testManySteps() throws {
    _ = try browser()
    try train("run", ["batch.labeled=4", "batch.unlabeled=4", "schedule.epochs=1", "schedule.steps_per_epoch=2"])
    let list = (0..<21).map { "\($0 * 100)" }.joined(separator: ",")
    var text = ""
    for step in 0..<100_000 {
      text +=
        "{\"step\":\(step),\"epoch\":\(step / 1000),\"loss\":\(2 / (1 + Double(step) / 5000) + Double(step * 7919 % 1000) / 5000),"
        + "\"supervised\":0.5,\"unsupervised\":0.25,\"contrastive\":2.5,\"gamma\":0.7,\"alpha\":0.2,\"reliable\":1,\"reliable_share\":0.8,"
        + "\"confidence\":0.9,\"learning_rate\":0.01,\"anchors\":[\(list)],\"negatives_labeled\":[\(list)],"
        + "\"negatives_unlabeled\":[\(list)],\"bank\":[\(list)],\"seconds\":0.3}\n"
    }
    try write("run/metrics.jsonl", text)
    let made = try run(["report", "run", "-o", "long.html"])
    XCTAssertEqual(made.status, 0, made.summary)
    let bytes = try XCTUnwrap(FileManager.default.attributesOfItem(atPath: path("long.html"))[.size] as? Int)
    XCTAssertLessThan(bytes, 8 << 20)
    let (page, console) = try opened("long.html", width: 1280)
    XCTAssertEqual(console, "")
    let milliseconds = page.firstMatch(of: /data-milliseconds="(\d+)"/).flatMap { Int($0.1) }
    XCTAssertLessThan(try XCTUnwrap(milliseconds), 2000)
  }
}
