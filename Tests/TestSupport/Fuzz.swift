import Foundation
import HDF5
import Synchronization

/// Damaged input for parsers, the same in every run: what is done to which input follows from a seed and a number.
///
/// An input that keeps its parser busy for ever ends the tests, with a line that says which it was; so does one that crashes it,
/// and the last line that was printed tells the kind. ``TestSeed`` says how to try other inputs, and more.
public final class Fuzz {
  /// What became of an input.
  public enum Outcome { case taken, refused }

  /// Shared with the thread that looks after the time.
  private final class Clock: Sendable {
    let current = Mutex<(number: Int, since: Double)?>(nil)
    func set(_ number: Int?) {
      current.withLock { $0 = number.map { ($0, ProcessInfo.processInfo.systemUptime) } }
    }
  }

  private let name: String
  private let clock = Clock()
  public private(set) var taken = 0
  public private(set) var refused = 0

  /// - Parameter name: what is driven, such as `PNG images`.
  public init(_ name: String) { self.name = name }

  /// Runs `body` for `count` numbers, each of which has `limit` seconds; says in the end how many inputs were taken.
  public func run(
    _ count: Int, limit: Double = 5, _ body: (_ number: Int, _ draws: inout SeededDraws) throws -> Outcome
  ) rethrows {
    let count = Int(ProcessInfo.processInfo.environment["U2PL_MUTATIONS"] ?? "") ?? count
    let title = "fuzz: \(name), seed \(TestSeed.value)"
    say("\(title): \(count) inputs")
    let done = DispatchSemaphore(value: 0)
    let watch = Thread { [clock] in
      while done.wait(timeout: .now() + 0.25) == .timedOut {
        guard let (number, since) = clock.current.withLock({ $0 }), ProcessInfo.processInfo.systemUptime - since > limit
        else { continue }
        say("\(title): input \(number) takes more than \(limit) s, given up")
        abort()
      }
    }
    watch.start()
    defer { done.signal() }
    for number in 0..<count {
      var draws = SeededDraws(number)
      clock.set(number)
      switch try body(number, &draws) {
      case .taken: taken += 1
      case .refused: refused += 1
      }
    }
    clock.set(nil)
    say("\(title): \(taken) taken, \(refused) refused")
  }

  /// Keeps an input for other programs that are to be driven with it (Scripts/sanitize): appends its length, 32 bits
  /// little-endian, and its bytes to `NAME.inputs` in the directory `U2PL_FUZZ_INPUTS`, if there is one.
  public func keep(_ input: [UInt8]) throws {
    guard let directory = ProcessInfo.processInfo.environment["U2PL_FUZZ_INPUTS"] else { return }
    let path = "\(directory)/\(name).inputs"
    if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(fileURLWithPath: path)) }
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try file.seekToEnd()
    try file.write(contentsOf: withUnsafeBytes(of: UInt32(input.count).littleEndian) { Data($0) } + Data(input))
    try file.close()
  }

  /// Bytes with one to three changes: flipped bits, bytes removed, repeated, inserted, overwritten with pieces of `dictionary`,
  /// zeroed, or cut off at the end.
  public static func mutated(_ bytes: [UInt8], _ dictionary: [[UInt8]] = [], using draws: inout SeededDraws) -> [UInt8]
  {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...3, using: &draws) {
      let at = Int.random(in: 0...bytes.count, using: &draws)
      let end = min(bytes.count, at + Int.random(in: 1...16, using: &draws))
      let piece = dictionary.randomElement(using: &draws) ?? [UInt8.random(in: 0...255, using: &draws)]
      switch Int.random(in: 0..<9, using: &draws) {
      case 0, 1: if at < bytes.count { bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &draws) }
      case 2: if at < bytes.count { bytes[at] = UInt8.random(in: 0...255, using: &draws) }
      case 3: bytes.removeSubrange(at..<end)
      case 4: bytes.insert(contentsOf: piece, at: at)
      case 5: bytes.replaceSubrange(at..<min(bytes.count, at + piece.count), with: piece)
      case 6: bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0...bytes.count, using: &draws))
      case 7: for i in at..<end { bytes[i] = 0 }
      default: bytes.removeLast(bytes.count - at)
      }
    }
    return bytes
  }
}

/// Shows a line at once, so that it is there when the next input ends the process.
private func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

/// The most memory this process has held, in bytes.
public func peakMemory() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_maxrss * 1024
}
