import Foundation
import XCTest

/// Runs whose newest checkpoint is damaged go on from the one before, name what they passed over, and end with the same bits.
final class DamagedCheckpointTests: CommandTestCase {
  private let settings = ["checkpoint.every_steps=2"]

  func testARunGoesOnFromTheCheckpointBefore() throws {
    try train("whole", settings)
    let good = try XCTUnwrap(FileManager.default.contents(atPath: checkpoint("whole", step: 6)))
    let page = 4096
    var flipped = good, zeroed = good, version = good
    flipped[good.count / 3] ^= 0x10
    zeroed.replaceSubrange(
      good.count / 2 / page * page..<(good.count / 2 / page + 2) * page, with: Data(count: 2 * page))
    // The seal's text begins the file; another format would have another.
    version.replaceSubrange(0..<15, with: Data("u2pl checkpoin9".utf8))
    let damages: [(name: String, bytes: Data, words: String)] = [
      ("flipped", flipped, "checksum does not match"), ("cut", good.prefix(good.count * 2 / 3), "is truncated"),
      ("zeroed", zeroed, "checksum does not match"), ("version", version, "is not a checkpoint"),
      ("empty", Data(), "is empty"),
    ]
    for (number, damage) in damages.enumerated() {
      try FileManager.default.copyItem(atPath: path("whole"), toPath: path(damage.name))
      try damage.bytes.write(to: URL(fileURLWithPath: checkpoint(damage.name, step: 6)))
      let outcome = try train(
        damage.name, settings, ranks: number % 2 == 0 ? nil : 2, options: ["--resume", "latest"])
      let skip = outcome.output.split(separator: "\n").first { $0.contains("step-00000006.h5 skipped: ") } ?? ""
      XCTAssertTrue(skip.contains(damage.words), "\(damage.name): \(outcome.output)")
      XCTAssertTrue(outcome.output.contains("step-00000004.h5 at step 4"), outcome.output)
      try assertSame("whole", damage.name, lastStep: 6)
      XCTAssertEqual(
        FileManager.default.contents(atPath: checkpoint(damage.name, step: 6) + ".skipped"), damage.bytes, damage.name)
      XCTAssertTrue(outcome.output.contains("step-00000006.h5.skipped"), outcome.output)
      let verified = try run(["inspect", "--verify", "\(damage.name)/checkpoints/latest"])
      XCTAssertEqual(verified.status, 0, verified.summary)
      let all = try run(["inspect", "--verify", damage.name])
      XCTAssertEqual(all.status, 0, all.summary)
      XCTAssertTrue(all.output.contains("step-00000006.h5.skipped: set aside"), all.summary)
    }
  }

  /// As many are damaged as are kept, and the run is killed before it gets that far again: what it has written since is there.
  func testDamagedOnesDoNotDriveOutTheGood() throws {
    let settings = ["checkpoint.every_steps=1", "checkpoint.keep=2", "schedule.epochs=20"]
    try train("run", ["checkpoint.every_steps=1", "checkpoint.keep=9"])
    for step in [5, 6] { try write("run/checkpoints/step-0000000\(step).h5", "no checkpoint") }
    let command = try Command(
      training("run", settings) + ["--resume", "latest"], ranks: nil, in: directory,
      environment: ["U2PL_TEST_DELAY": "0:5:60", "U2PL_TESTING": "1"])
    let limit = ProcessInfo.processInfo.systemUptime + 30
    let path = checkpoint("run", step: 5)
    while (FileManager.default.contents(atPath: path)?.count ?? 0) < 100, command.isRunning,
      ProcessInfo.processInfo.systemUptime < limit
    { usleep(2000) }
    usleep(500_000)
    command.kill()
    _ = command.wait(limit: 10)
    let names = try FileManager.default.contentsOfDirectory(atPath: self.path("run/checkpoints"))
    let good = names.filter { $0.hasPrefix("step-") && $0.hasSuffix(".h5") }
    XCTAssertTrue(good.contains("step-00000004.h5") && good.contains("step-00000005.h5"), "\(names)")
    let verified = try run(["inspect", "--verify", "run"])
    XCTAssertEqual(verified.status, 0, verified.summary)
  }
}
