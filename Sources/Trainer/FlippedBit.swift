import Foundation
import Network

/// A test hook: one bit of one tensor flipped on one rank after a step, by `U2PL_TEST_FLIP_BIT=RANK:STEP:TENSOR` with the
/// tensor's path in a checkpoint.
struct FlippedBit {
  private let rank: Int
  private let step: Int
  private let group: String
  private let name: String

  /// What the environment orders, nil for nothing.
  ///
  /// - Throws: ``TrainingError`` unless `U2PL_TESTING=1` says that this run is one to damage.
  static func ordered() throws -> FlippedBit? {
    let variable = "U2PL_TEST_FLIP_BIT"
    let environment = ProcessInfo.processInfo.environment
    guard let text = environment[variable] else { return nil }
    guard environment["U2PL_TESTING"] == "1" else {
      throw TrainingError(
        description: "\(variable) is set: it corrupts a run on purpose and is refused outside tests; unset it")
    }
    let parts = text.split(separator: ":", maxSplits: 2).map(String.init)
    guard parts.count == 3, let rank = Int(parts[0]), let step = Int(parts[1]), let slash = parts[2].lastIndex(of: "/")
    else { throw TrainingError(description: "\(variable)=\(text): RANK:STEP:TENSOR is expected") }
    return FlippedBit(
      rank: rank, step: step, group: String(parts[2][..<slash]), name: String(parts[2][parts[2].index(after: slash)...])
    )
  }

  func apply(to trainer: U2PLTrainer) {
    guard trainer.ranks.rank == rank, trainer.step == step + 1 else { return }
    let network = group == "teacher" ? trainer.teacher : trainer.student
    guard let entry = network.parameters.entries.first(where: { $0.name == name }) else { return }
    let values =
      group == "optimizer/momentum"
      ? UnsafeMutableBufferPointer(rebasing: trainer.optimizer.momentum[entry.range])
      : network.parameters.storage(entry)
    values[0] = Float(bitPattern: values[0].bitPattern ^ 1)
  }
}
