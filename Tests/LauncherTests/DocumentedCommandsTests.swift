import Foundation
import XCTest

/// Runs the `sh` blocks of the pages that a new user follows, as they stand there, on generated images.
///
/// A comment before a block changes that: `<!-- run shorter -->` appends the options of a small network to `u2pl train`,
/// `<!-- run shorter: OPTIONS -->` appends others to every `u2pl` command, and `<!-- not run: REASON -->` leaves it out.
final class DocumentedCommandsTests: CommandTestCase {
  /// A network that trains a step in milliseconds.
  private static let shorter =
    [
      "model={encoder: resnet18, encoder_width: 0.25, width: 16, features: 16, weights: null}", "augment.crop=33",
      "batch={labeled: 2, unlabeled: 2}", "schedule={epochs: 3, steps_per_epoch: 2}", "compute.threads=1",
    ].map { " --set '\($0)'" }.joined()

  override func setUpWithError() throws {
    if Command.isWithoutMPIRun { throw XCTSkip("starts mpirun") }
    try super.setUpWithError()
    for name in ["configs", "hostfiles"] {
      let target = DocumentationPage.repository.appendingPathComponent(name).path
      try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
    }
    try FileManager.default.createDirectory(atPath: path("bin"), withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: path("bin/u2pl"), withDestinationPath: Command.program())
  }

  override func tearDownWithError() throws {
    // It was not made where the test has been skipped.
    if !directory.isEmpty { try super.tearDownWithError() }
  }

  func testReadmeAndMonitoring() throws {
    // The folder of images that README asks for.
    try shell("u2pl data shapes -o mine --labeled 40 --unlabeled 40 --validation 0 --size 48", at: "the test")
    try shell("cd mine && mv JPEGImages images && mv SegmentationClass labels && rm labels/shapes-1*", at: "the test")
    let readme = try runBlocks(of: "README.md")
    XCTAssertGreaterThanOrEqual(readme, 10, "README.md has hardly any commands that are run")
    try assertThere(["runs/mine/report.html", "predictions/overlay", "mine.html"])
    XCTAssertGreaterThan(try runBlocks(of: "docs/monitoring.md"), 0)
  }

  func testGuide() throws {
    XCTAssertGreaterThanOrEqual(try runBlocks(of: "docs/guide.md"), 20)
    try assertThere(["both.html", "confusion.csv", "next/masks", "review/review.csv", "runs/second/checkpoints/latest"])
  }

  /// - Returns: how many commands were run.
  private func runBlocks(of name: String) throws -> Int {
    var count = 0
    for block in try DocumentationPage(name).blocks where block.language == "sh" && !block.mark.hasPrefix("not run: ") {
      let options = block.mark.wholeMatch(of: #/run shorter(?:: (.*))?/#).map { $0.1 }
      XCTAssertTrue(block.mark.isEmpty || options != nil, "\(name):\(block.line - 2): an unknown mark: \(block.mark)")
      for (line, text) in block.commands {
        var command = text
        if let options {
          if let options, text.contains("u2pl ") { command += " \(options)" }
          if options == nil, text.contains("u2pl train ") { command += Self.shorter }
        }
        try shell(command, at: "\(name):\(line)")
        count += 1
      }
    }
    return count
  }

  private func shell(_ command: String, at place: String) throws {
    let path = "\(path("bin")):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"
    let outcome = try Command(line: ["bash", "-c", command], in: directory, environment: ["PATH": path]).wait(
      limit: 120)
    XCTAssertEqual(outcome.status, 0, "\(place): \(command): \(outcome.summary)")
    XCTAssertFalse(outcome.errors.contains("u2pl: error:"), "\(place): \(command): \(outcome.summary)")
  }

  private func assertThere(_ names: [String], line: UInt = #line) throws {
    for name in names where !FileManager.default.fileExists(atPath: path(name)) {
      XCTFail("the commands have not made \(name)", line: line)
    }
  }
}
