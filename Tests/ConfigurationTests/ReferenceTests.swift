import Configuration
import Foundation
import XCTest

/// `docs/config.md` says what the code does.
final class ReferenceTests: XCTestCase {
  func testDocumentationIsThatOfTheCode() throws {
    let page = repository.appendingPathComponent("docs/config.md")
    let text = try String(contentsOf: page, encoding: .utf8)
    let parts = text.components(separatedBy: "<!-- keys -->\n")
    XCTAssertEqual(parts.count, 2)
    let (before, rest) = (parts[0], try XCTUnwrap(parts.last).components(separatedBy: "<!-- /keys -->"))
    XCTAssertEqual(rest.count, 2)
    if ProcessInfo.processInfo.environment["UPDATE_DOCS"] != nil {
      let updated = before + "<!-- keys -->\n" + Configuration.referenceTables() + "<!-- /keys -->" + rest[1]
      try updated.write(to: page, atomically: true, encoding: .utf8)
    } else {
      XCTAssertEqual(rest[0], Configuration.referenceTables(), "run UPDATE_DOCS=1 Scripts/test --suite ReferenceTests")
    }
  }

  func testEveryWrittenKeyIsDocumentedWithItsDefault() throws {
    // Written over nothing but the required keys, every value is the default.
    let written = try Configuration(
      yaml: "data: {kind: shapes, labeled: 4, classes: 21}\nu2pl: {enabled: off}", source: "x.yaml"
    ).yaml()
    let given = ["data.kind", "data.root", "data.labeled", "data.classes", "u2pl.enabled"]
    let computed = ["u2pl.low_rank": "3", "u2pl.capacity": "[50000" + String(repeating: ", 30000", count: 20) + "]"]
    for (path, value) in keyed(written) {
      let entry = try XCTUnwrap(Configuration.reference.first { $0.path == path }, path)
      if !given.contains(path) { XCTAssertEqual(value, computed[path] ?? entry.standard, path) }
    }
    let documented = Configuration.reference.map(\.path).filter { !$0.hasPrefix("loss.ohem.") }
    XCTAssertEqual(keyed(written).map(\.path), documented)
  }

  func testEveryReferenceIsComplete() {
    for key in Configuration.reference {
      XCTAssertFalse(key.meaning.isEmpty || key.type.isEmpty || key.standard.isEmpty, key.path)
      XCTAssertFalse([key.type, key.range, key.meaning].contains { $0.contains("|") }, "breaks the table: \(key.path)")
    }
  }
}
