import Compute
import Configuration
import Distributed
import Network
import Transforms

/// What every line of a step may use: the step's number, its draws, this rank's place in the global batch, and the other
/// ranks. The lines themselves are extensions of it, a file each.
package struct StepContext {
  package let configuration: Configuration
  package let schedule: Schedule
  package let layout: BatchLayout
  package let ranks: Communicator
  package let philox: Philox
  /// Counted from 0.
  package let step: Int
  /// Factor on L_u and L_c.
  package var trust = 1.0

  package init(
    _ configuration: Configuration, schedule: Schedule, layout: BatchLayout, ranks: Communicator, philox: Philox,
    step: Int
  ) {
    self.configuration = configuration
    self.schedule = schedule
    self.layout = layout
    self.ranks = ranks
    self.philox = philox
    self.step = step
  }

  var epoch: Int { schedule.epoch(ofStep: step) }
  var classes: Int { configuration.data.classes }
  var semantics: Configuration.Semantics { configuration.semantics }
  /// This rank's labeled and unlabeled samples in tensors that hold both.
  var labeledSamples: Range<Int> { 0..<layout.localLabeled.count }
  var unlabeledSamples: Range<Int> {
    layout.localLabeled.count..<layout.localLabeled.count + layout.localUnlabeled.count
  }

  /// Σ over the slots of a kind along the slot tree, over all ranks. Collective.
  func globalSum(_ perSample: [Double], _ kind: SlotKind) throws -> Double {
    var sum = [layout.tree.reduce(kind, leaf: { perSample[$0] }, combine: { $0 + $1 })!]
    try ranks.orderedSum(&sum)
    return sum[0]
  }

  /// Images of labeled or unlabeled examples, N × H × W × channels.
  func images(_ examples: [Example]) -> Tensor {
    stacked(examples.map { ($0.pixels, 1) }, height: examples[0].height, width: examples[0].width)
  }

  /// Images of the labeled examples, then of the unlabeled ones, as one batch.
  ///
  /// - Parameter pixels: of the unlabeled images; nil for those they have.
  func images(_ labeled: [Example], _ unlabeled: PseudoLabeled, pixels: [Float]? = nil) -> Tensor {
    stacked(
      labeled.map { ($0.pixels, 1) } + [(pixels ?? unlabeled.pixels, unlabeled.count)], height: unlabeled.height,
      width: unlabeled.width)
  }

  private func stacked(_ parts: [(pixels: [Float], samples: Int)], height: Int, width: Int) -> Tensor {
    let channels = configuration.data.channels
    precondition(
      parts.allSatisfy { $0.pixels.count == $0.samples * height * width * channels },
      "images of one batch differ in size")
    let images = Tensor(count: parts.reduce(0) { $0 + $1.samples }, height: height, width: width, channels: channels)
    var at = images.data
    for part in parts {
      at.update(from: part.pixels, count: part.pixels.count)
      at += part.pixels.count
    }
    return images
  }
}
