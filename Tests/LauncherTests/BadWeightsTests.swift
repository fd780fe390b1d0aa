import Foundation
import XCTest

/// Weights files that do not fit the model.
final class BadWeightsTests: CommandTestCase {
  private let first = "encoder.conv1.0.weight"
  private let last = "decoder.classifier.8.bias"

  /// Writes `name`, the student of a run of this model after these lines of Python have changed `state`.
  private func writeWeights(_ name: String, _ change: String) throws {
    if !FileManager.default.fileExists(atPath: path("run")) { try train("run", ["schedule.epochs=1"]) }
    try python(
      """
      import h5py, numpy as np, sys
      state = {k: v[()] for k, v in h5py.File(sys.argv[1])["student"].items()}
      \(change)
      with h5py.File(sys.argv[2], "w") as f:
          for k, v in state.items(): f["student/" + k] = v
      """, checkpoint("run", step: 2), path(name))
  }

  func testAWeightsFileThatIsMissingOrNone() throws {
    try assertRefused(training("new", ["model.weights=nowhere.h5"]), saying: "nowhere.h5")
    try write("text.h5", "no weights")
    try assertRefused(training("new", ["model.weights=text.h5"]), at: [nil], saying: "text.h5")
  }

  func testAFileWithoutTheGroup() throws {
    try python(
      "import h5py, sys; h5py.File(sys.argv[1], 'w').create_group('model')['x'] = [1.0]", path("group.h5"))
    try assertRefused(training("new", ["model.weights=group.h5"]), at: [nil], saying: "group.h5", "/student", "model")
  }

  func testNamesThatAreMissing() throws {
    try writeWeights("w.h5", "del state['\(first)'], state['\(last)']")
    try assertRefused(
      training("new", ["model.weights=w.h5"]), saying: "w.h5: 2 missing: ", first, last, "model.strict")
    try assertLenient("2 missing: \(first), \(last)")
  }

  func testNamesThatAreMisshapen() throws {
    try writeWeights("w.h5", "state['\(last)'] = np.zeros(5, 'f4'); state['\(first)'] = state['\(first)'][None]")
    try assertRefused(
      training("new", ["model.weights=w.h5"]), saying: "w.h5: 2 misshapen: ", "\(first) is [1, 16, 3, 3, 3], not ",
      "\(last) is [5], not [4]")
    try assertLenient("2 misshapen: ")
  }

  func testNamesThatAreUnknown() throws {
    try writeWeights("w.h5", "state['fc.weight'] = np.zeros((3, 2), 'f4'); state['fc.bias'] = np.zeros(3, 'f4')")
    try assertRefused(
      training("new", ["model.weights=w.h5"]), at: [nil], saying: "w.h5: 2 unknown: fc.bias, fc.weight")
    try assertLenient("2 unknown: fc.bias, fc.weight")
  }

  func testEveryKindOfMisfitAtOnce() throws {
    try writeWeights("w.h5", "state['x'] = state.pop('\(first)'); state['\(last)'] = np.zeros(5, 'f4')")
    try assertRefused(
      training("new", ["model.weights=w.h5"]), at: [nil], saying: "1 missing: \(first)", "1 unknown: x",
      "1 misshapen: \(last)")
  }

  /// They fit, but nothing can come of them; that ends the run before its first update.
  func testWeightsThatAreNoNumbers() throws {
    try writeWeights("w.h5", "state['\(last)'][0] = np.nan")
    for epochs in [0, 1] {
      for ranks in [nil, 2] {
        let name = "after\(epochs)on\(ranks ?? 1)"
        let outcome = try run(
          training(name, ["model.weights=w.h5", "schedule.supervised_epochs=\(epochs)"]), ranks: ranks, limit: patience)
        XCTAssertEqual(outcome.status, 1, outcome.summary)
        let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error: step 0: the ") }
        XCTAssertEqual(messages.count, 1, outcome.summary)
        XCTAssertEqual(try metrics(name), [])
      }
    }
  }

  /// With `model.strict: false` the misfits are listed and training goes on.
  private func assertLenient(_ note: String, file: StaticString = #filePath, line: UInt = #line) throws {
    for ranks in [nil, 2] {
      let run = "lenient\(ranks ?? 1)"
      let outcome = try train(
        run, ["model.weights=w.h5", "model.strict=false", "schedule.epochs=1"], ranks: ranks, file: file, line: line)
      XCTAssertTrue(outcome.output.contains(note), outcome.output, file: file, line: line)
      let log = try String(contentsOfFile: path("\(run)/logs/rank-0000.log"), encoding: .utf8)
      XCTAssertTrue(log.contains(note), log, file: file, line: line)
    }
    try assertSame("lenient1", "lenient2", lastStep: 2, file: file, line: line)
  }
}
