import XCTest

import Supervisor

final class HostfileTests: XCTestCase {
  private func hosts(_ text: String) throws -> [HostSlots] { try Hostfile.parse(text, source: "f").hosts }

  func testItReadsWhatMpirunReads() throws {
    let text = """
      # a comment
      node01 slots=4
      node02 slots = 2 max_slots=4   # behind a host
      node03.cluster.org max-slots=3 // so is this

      192.168.0.7\tslots=1\r
      fe80::1 slots=2
      [2001:db8::2] cpus=1
      node_04
      """
    XCTAssertEqual(
      try hosts(text).map { "\($0.name) \($0.slots.map(String.init) ?? "-")" },
      [
        "node01 4", "node02 2", "node03.cluster.org 3", "192.168.0.7 1", "fe80::1 2", "2001:db8::2 1", "node_04 -",
      ])
  }

  func testLinesOfOneHostAddUp() throws {
    XCTAssertEqual(
      try hosts("a\nb slots=3\na\na slots=2\nb"),
      [HostSlots(name: "a", slots: 4), HostSlots(name: "b", slots: 4)])
    XCTAssertEqual(try hosts("a"), [HostSlots(name: "a", slots: nil)])
  }

  func testWhatIsWrongIsNamedWithItsLine() throws {
    for (text, line, part) in [
      ("node01 slots=x", 1, "slots=x is no number"), ("node01\nnode02 slots=0", 2, "slots=0 is no number"),
      ("\n\nnode01 slots=-1", 3, "slots=-1"), ("a slots=", 1, "slots= is no number"),
      ("a slots=99999999999999999999", 1, "slots="),
      ("a slots=65537", 1, "from 1 to 65536"), ("a slots=2 slots=3", 1, "slots is given twice"),
      ("a slots=4 max_slots=2", 1, "max_slots=2 is less"), ("a slot=1 sockets=2", 1, "unknown key ‘sockets’"),
      ("a b", 1, "‘b’ is not understood"), ("slots=4 a", 1, "the host comes first"),
      ("me@a slots=1", 1, "names a user"),
      ("a user=me", 1, "~/.ssh/config"), ("+n0", 1, "is relative"), ("^a", 1, "is relative"),
      ("-oProxyCommand=x", 1, "host comes first"),
      ("-v", 1, "no host name"), ("$(reboot)", 1, "no host name"), ("a;b", 1, "no host name"),
      ("1.2.3", 1, "no host name"),
      ("1.2.3.400", 1, "no host name"), ("fe80:::1", 1, "no host name"), ("ä slots=1", 1, "no host name"),
      ("a..b", 1, "no host name"), ("a slots=１", 1, "slots=１ is no number"),
    ] {
      XCTAssertThrowsError(try hosts(text), text) { error in
        XCTAssertTrue("\(error)".hasPrefix("f:\(line): "), "\(text): \(error)")
        XCTAssertTrue("\(error)".contains(part), "\(text): \(error)")
      }
    }
    for text in ["", "# nothing\n\n"] {
      XCTAssertThrowsError(try hosts(text)) { XCTAssertTrue("\($0)".contains("it names no host"), "\($0)") }
    }
    XCTAssertThrowsError(try Hostfile.read("/nonexistent")) {
      XCTAssertTrue("\($0)".hasPrefix("/nonexistent: the hostfile cannot be read"), "\($0)")
    }
    XCTAssertThrowsError(try hosts(String(repeating: "a slots=65536\n", count: 2))) {
      XCTAssertTrue("\($0)".contains("a has 131072 slots"), "\($0)")
    }
  }
}
