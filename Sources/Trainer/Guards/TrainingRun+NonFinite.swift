import Foundation

/// What a run leaves behind for somebody who wants to know where a number went wrong.
extension TrainingRun {
  /// `nonfinite-step-00000041.json`.
  private struct Record: Codable {
    var step: Int
    var found: String
    var layer: String
    /// The newest one from before the step.
    var checkpoint: String?
    var replay: String
    /// The global batch.
    var images: [NonFiniteNumber.Image]
  }

  /// Writes the batch's list and returns what to tell the user, on every rank. Collective.
  func report(_ number: NonFiniteNumber) throws -> String {
    var text = ""
    if ranks.rank == 0 {
      // One may be on its way to the disk.
      records?.waitForCheckpoints()
      let checkpoint = (try? directory.checkpoints())?.first { $0.step <= number.step }?.path ?? resumedFrom
      let name = "nonfinite-step-\(String(format: "%08d", number.step)).json"
      let path = "\(directory.path)/\(name)"
      let replay =
        "u2pl train --config \(directory.configPath) --run \(directory.path)-replay"
        + (checkpoint.map { " --resume \($0)" } ?? "")
      let record = Record(
        step: number.step, found: number.term, layer: number.layer, checkpoint: checkpoint, replay: replay,
        images: number.images)
      text = "\(number)"
      do {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(record).write(to: URL(fileURLWithPath: path), options: .atomic)
        text += ". All \(number.images.count) images of the batch are in \(path)"
      } catch {
        text += ". The list of the batch could not be written: \(error)"
      }
      let images = number.images.filter { $0.nonFinitePixels > 0 }
      let advice =
        images.isEmpty
        ? "To get past it, resume with a lower optimizer.learning_rate, or with optimizer.clip_norm"
        : "Files hold no such numbers: the memory of the host of rank \(images[0].rank) is suspect"
      text +=
        ". \(checkpoint.map { "The checkpoint before it is \($0)" } ?? "There is no checkpoint before it"); to replay it "
        + "bit-identically: \(replay). \(advice)"
    }
    return try ranks.broadcast(text, from: 0)
  }
}
