import Foundation
import Method

/// Damage that tests order through the environment.
enum TestHook {
  /// The parts of `VARIABLE=A:B:C`, nil where it is not set; the last may hold colons.
  ///
  /// - Parameter form: what the variable is to look like, such as `RANK:STEP:TENSOR`.
  /// - Throws: ``TrainingError`` unless `U2PL_TESTING=1` says that this run is one to damage.
  static func parts(of variable: String, as form: String) throws -> [String]? {
    let environment = ProcessInfo.processInfo.environment
    guard let text = environment[variable] else { return nil }
    guard environment["U2PL_TESTING"] == "1" else {
      throw TrainingError(
        description: "\(variable) is set: it damages a run on purpose and is refused outside tests; unset it")
    }
    let count = form.split(separator: ":").count
    let parts = text.split(separator: ":", maxSplits: count - 1).map(String.init)
    guard parts.count == count else {
      throw TrainingError(description: "\(variable)=\(text): \(form) is expected")
    }
    return parts
  }
}
