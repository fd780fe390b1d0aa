import Foundation
import Supervisor
import TestSupport
import XCTest

/// Damaged hostfiles: an error that names the file and the line, or hosts that stand in it, with slots that can be.
final class HostfileFuzzTests: SeededTestCase {
  func testHostfiles() throws {
    let good = [
      "node01 slots=4 max_slots=8\nnode02 slots=4\n# a comment\n\nnode03 // another\n",
      "127.0.0.1 slots=2\n[fe80::1] slots=1\n::1\n",
      "a slots = 2\na slots=2\nb-c.d_e\n",
    ]
    let pieces =
      [
        "slots=", "slots=0", "slots=-1", "slots=99999999999999999999", "max_slots=1", "=", "#", "//", "@", "+n0", "^",
        "\n", "\r\n", "\t",
        "\0", "$(reboot)", "`id`", ";rm", "--", "-x", "'", "\"", "\u{1B}[2J", "ü", "\u{FEFF}",
        String(repeating: "n", count: 5000), "[", "]", ":",
      ].map { Array($0.utf8) } + [[0xFF], [0xC3]]
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("hostfiles-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.path + "/hosts"
    let fuzz = Fuzz("hostfiles")
    try fuzz.run(2000) { number, draws in
      let bytes = Fuzz.mutated(Array(good[number % good.count].utf8), pieces, using: &draws)
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      do {
        let hosts = try Hostfile.read(path).hosts
        let text = try XCTUnwrap(String(validating: bytes, as: UTF8.self), "input \(number) is not UTF-8, and taken")
        XCTAssertFalse(hosts.isEmpty, "input \(number)")
        for host in hosts {
          XCTAssertTrue(text.contains(host.name), "input \(number): \(host.name)")
          // It ends up on command lines.
          XCTAssertNotNil(host.name.wholeMatch(of: /[A-Za-z0-9._:%][A-Za-z0-9._:%-]*/), "input \(number): \(host.name)")
          XCTAssertTrue((1...65536).contains(host.slots ?? 1), "input \(number)")
        }
        return .taken
      } catch let error as SupervisorError {
        XCTAssertTrue("\(error)".hasPrefix(path), "input \(number): \(error)")
        XCTAssertLessThan("\(error)".count, 400, "input \(number)")
        XCTAssertFalse("\(error)".utf8.contains { $0 < 0x20 }, "input \(number): control characters")
        return .refused
      }
    }
    XCTAssertGreaterThan(fuzz.taken, 100)
    XCTAssertGreaterThan(fuzz.refused, 500)
  }
}
