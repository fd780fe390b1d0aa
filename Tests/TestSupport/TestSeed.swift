import Foundation
import XCTest

/// The seed of every test that draws at random. `U2PL_TEST_SEED=N` chooses it; `U2PL_MUTATIONS=N` makes more inputs of each
/// kind. A test case that fails after it has drawn says the seed in its message, where it is a ``SeededTestCase``.
public enum TestSeed {
  private static let chosen = UInt64(ProcessInfo.processInfo.environment["U2PL_TEST_SEED"] ?? "")
  nonisolated(unsafe) fileprivate static var said: UInt64?

  /// The chosen seed, or always the same one.
  public static var value: UInt64 {
    let seed = chosen ?? 5
    said = seed
    return seed
  }

  /// The chosen seed, or another one in every run.
  public static func fresh() -> UInt64 {
    let seed = chosen ?? .random(in: 0...UInt64.max)
    said = seed
    return seed
  }
}

/// splitmix64, started from the seed of this run of the tests.
public struct SeededDraws: RandomNumberGenerator {
  private var state: UInt64

  /// - Parameter number: which of the draws of its kind.
  public init(_ number: Int = 0) { state = TestSeed.value &* 0x9E37_79B9 &+ UInt64(number) &* 0xD134_2543_DE82_EF95 }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// True once in `n`.
  public mutating func one(in n: Int) -> Bool { Int.random(in: 0..<n, using: &self) == 0 }
}

/// A test case whose failures say the seed that the test has drawn from.
open class SeededTestCase: XCTestCase {
  open override func invokeTest() {
    TestSeed.said = nil
    super.invokeTest()
  }

  open override func recordFailure(
    withDescription description: String, inFile filePath: String, atLine lineNumber: Int, expected: Bool
  ) {
    let seed = TestSeed.said.map { " [drawn from U2PL_TEST_SEED=\($0)]" } ?? ""
    super.recordFailure(
      withDescription: description + seed, inFile: filePath, atLine: lineNumber, expected: expected)
  }
}
