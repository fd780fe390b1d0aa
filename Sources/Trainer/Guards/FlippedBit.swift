import Method
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
    let variable = "U2PL_TEST_FLIP_BIT", form = "RANK:STEP:TENSOR"
    guard let parts = try TestHook.parts(of: variable, as: form) else { return nil }
    guard let rank = Int(parts[0]), let step = Int(parts[1]), let slash = parts[2].lastIndex(of: "/") else {
      throw TrainingError(description: "\(variable)=\(parts.joined(separator: ":")): \(form) is expected")
    }
    return FlippedBit(
      rank: rank, step: step, group: String(parts[2][..<slash]), name: String(parts[2][parts[2].index(after: slash)...])
    )
  }

  func apply(to trainer: U2PLTrainer) {
    guard trainer.ranks.rank == rank, trainer.step == step + 1 else { return }
    let network = group == "teacher" ? trainer.teacher : trainer.student
    guard let entry = network.parameters.entries.first(where: { $0.name == name }) else { return }
    let state = trainer.optimizer.state.first { $0.group == group }?.values
    let values =
      state.map { UnsafeMutableBufferPointer(rebasing: $0[entry.range]) } ?? network.parameters.storage(entry)
    values[0] = Float(bitPattern: values[0].bitPattern ^ 1)
  }
}
