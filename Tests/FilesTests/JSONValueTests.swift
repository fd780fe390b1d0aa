import Files
import Foundation
import TestSupport
import XCTest

final class JSONValueTests: XCTestCase {
  func testValues() throws {
    let value = try XCTUnwrap(
      JSONValue(#" {"b":[1,-2.5e3,null],"a":{"t":true,"s":"\"\\\/\n\u00e9\ud83d\ude00é"},"n":0} "#))
    XCTAssertEqual(value.members.map(\.key), ["b", "a", "n"], "in the order of the text")
    XCTAssertEqual(value["b"]?.numbers, [1, -2500, nil])
    XCTAssertEqual(value["a"]?["t"], .bool(true))
    XCTAssertEqual(value["a"]?["s"]?.text, "\"\\/\né😀é")
    XCTAssertEqual(value["n"]?.whole, 0)
    XCTAssertNil(JSONValue("[1.5]")?.elements?.first?.whole)
    XCTAssertEqual(JSONValue("5e-324")?.number, 5e-324)
    XCTAssertEqual(JSONValue(String(repeating: "[", count: 60) + String(repeating: "]", count: 60))?.elements?.count, 1)
  }

  func testWhatIsNoJSON() {
    let texts = [
      "", " ", "{", "}", "[1,]", "[,1]", "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\" 1}", "01", "-", "1.", ".5", "+1",
      "1e", "nan",
      "Infinity", "tru", "nulll", "\"a", "\"a\\\"", "\"\\",
      "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
      "\"\\udc00\"",
      "\"a\nb\"", "[1] 2", "1 1", "\u{FEFF}1", String(repeating: "[", count: 100_000),
    ]
    for text in texts { XCTAssertNil(JSONValue(text), text) }
    for bytes: [UInt8] in [[0x22, 0xFF, 0x22], [0], [0x31, 0], [0x22, 0x00, 0x22]] {
      XCTAssertNil(bytes.withUnsafeBufferPointer { JSONValue($0) }, "\(bytes)")
    }
  }

  /// Every text that is cut, or has a byte changed, is read as Foundation reads it, or refused as it refuses it.
  func testAgreesWithFoundation() throws {
    let text = Array(
      #"{"step":12,"loss":0.1234e-5,"list":[1,2.5,null,true],"text":"a\"b\u00e9","deep":{"x":[[],{}]}}"#.utf8)
    var state = SystemRandomNumberGenerator()
    for round in 0..<4000 {
      var bytes = text
      if round < text.count { bytes = Array(text[..<round]) }
      if round >= text.count {
        bytes[Int.random(in: 0..<bytes.count, using: &state)] = UInt8.random(in: 0x20..<0x7F, using: &state)
      }
      let own = bytes.withUnsafeBufferPointer { JSONValue($0) }
      let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
      let place = String(decoding: bytes, as: UTF8.self)
      // Foundation keeps one of two members with the same key, and refuses numbers that no double holds.
      guard let theirs else {
        if own != nil, !place.contains(/[0-9]e[0-9]{3}/) { XCTFail("taken: \(place)") }
        continue
      }
      guard let own else { XCTFail("refused: \(place)"); continue }
      XCTAssertEqual(own["step"]?.number, (theirs as? [String: Any])?["step"] as? Double, place)
    }
  }
}
