import Compute
import Foundation
import TestSupport
import XCTest

/// The generator against its published known answers, and the draws against the reference's.
final class PhiloxTests: XCTestCase {
  private struct Draws: Decodable {
    let philox_zero: [String]
    let anchors, negatives: [Int]
    let mixing, dropout: [Double]
    let splitmix_hashed_x: [String]
    let uniform_x: [Float]
  }

  /// The first three lines of Random123's known-answer file for philox4x32-10.
  func testKnownAnswers() {
    XCTAssertEqual(
      Philox(seed: 0).words(counter: .zero), SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
    XCTAssertEqual(
      Philox(seed: .max).words(counter: SIMD4(repeating: .max)),
      SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
    XCTAssertEqual(
      Philox(seed: 0x299F_31D0_A409_3822).words(
        counter: SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344)),
      SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1))
  }

  func testTheReferencesDraws() throws {
    let expected = try loadExpected(Draws.self, "draws.json", in: .module)
    func hex<T: BinaryInteger>(_ value: T, _ digits: Int) -> String {
      let text = String(value, radix: 16)
      return String(repeating: "0", count: digits - text.count) + text
    }
    let zero = Philox(seed: 0).words(counter: .zero)
    XCTAssertEqual((0..<4).map { hex(zero[$0], 8) }, expected.philox_zero)

    let anchors = (0..<16).map {
      Philox(seed: 7).index(below: 1234, index: $0, item: 5, step: 3, stream: .anchors)
    }
    XCTAssertEqual(anchors, expected.anchors)
    let negatives = (0..<16).map {
      Philox(seed: 5 << 32 + 9).index(below: 30_000, index: $0, item: 2, step: 0, stream: .negatives)
    }
    XCTAssertEqual(negatives, expected.negatives)
    func units(_ philox: Philox, _ stream: RandomStream, step: UInt32, _ draws: [(item: UInt32, index: UInt32)])
      -> [Double]
    {
      draws.map { philox.words(index: $0.index, item: $0.item, step: step, stream: stream)[0].unitInterval }
    }
    XCTAssertEqual(
      units(Philox(seed: 7), .mixing, step: 3, [(0, 0), (1, 1), (2, 17), (0xFFFF_FFFF, 0)]), expected.mixing)
    XCTAssertEqual(
      units(
        Philox(seed: 5 << 32 + 9), .dropout, step: 4, [(0, 0), (1, 1), (2, 1 << 31 | 3 << 20), (3, 5 << 20 | 255)]),
      expected.dropout)
    XCTAssertEqual(hashed("x", 4).map { hex($0, 16) }, expected.splitmix_hashed_x)
    XCTAssertEqual(uniform("x", 4), expected.uniform_x)
  }

  /// The counter is (index, item, step, stream): exchanging two of them is another draw.
  func testEachCoordinateOfADrawCounts() {
    let philox = Philox(seed: 3)
    let words = philox.words(index: 1, item: 2, step: 3, stream: .enqueue)
    XCTAssertEqual(words, philox.words(counter: SIMD4(1, 2, 3, 3)))
    for other in [SIMD4<UInt32>(2, 1, 3, 3), SIMD4(1, 3, 2, 3), SIMD4(1, 2, 3, 4), SIMD4(0, 2, 3, 3)] {
      XCTAssertNotEqual(words, philox.words(counter: other))
    }
    XCTAssertNotEqual(words, Philox(seed: 3 + 1 << 32).words(counter: SIMD4(1, 2, 3, 3)), "high half of the seed")
  }

  func testIndicesAreBelowTheCountAndEvenlySpread() {
    let philox = Philox(seed: 11)
    var hits = [Int](repeating: 0, count: 7)
    for i in 0..<UInt32(70_000) {
      hits[philox.index(below: 7, index: i, item: 0, step: 0, stream: .anchors)] += 1
    }
    // Standard deviation of a bin: √(70000 · 1/7 · 6/7) = 93.
    for count in hits { XCTAssertEqual(Double(count), 10_000, accuracy: 5 * 93) }
    XCTAssertEqual(philox.index(below: 1, index: 0, item: 0, step: 0, stream: .anchors), 0)
    XCTAssertEqual(UInt32.max.unitInterval, 1 - 0x1p-32)
    XCTAssertEqual(UInt32.min.unitInterval, 0)
  }

  func testStreamsAreApart() {
    let streams: [RandomStream] = [
      .anchors, .negatives, .enqueue, .labeledOrder, .unlabeledOrder, .labeledAugmentation, .unlabeledAugmentation,
      .mixing, .dropout, .initialization, .shapes,
    ]
    XCTAssertEqual(Set(streams).count, streams.count)
    // These three are part of the algorithm's definition, and the others stay clear of them.
    XCTAssertEqual(streams.prefix(3).map(\.rawValue), [1, 2, 3])
    XCTAssertTrue(streams.dropFirst(3).allSatisfy { $0.rawValue >= 16 })
  }
}
