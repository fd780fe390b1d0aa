import Distributed
import Foundation
import Method
import Network
import Transforms

/// A number that is not finite, found before it has changed a parameter; the same on every rank.
package struct NonFiniteNumber: Error, CustomStringConvertible {
  /// An image of the global batch.
  struct Image: Codable, Equatable {
    /// Global, counted among those of its kind.
    var slot: Int
    var kind: String
    /// The rank that held it.
    var rank: Int
    var image: String
    /// Values of it, as the network gets it, that are not finite.
    var nonFinitePixels: Int

    enum CodingKeys: String, CodingKey {
      case slot, kind, rank, image
      case nonFinitePixels = "non_finite_pixels"
    }
  }

  var step: Int
  /// What was found not to be finite, such as `the supervised loss is nan`.
  var term: String
  /// The first layer, in forward order, and what in it.
  var layer: String
  /// Of all ranks, labeled first.
  var images: [Image]

  /// One line without what to do.
  package var description: String {
    let bad = images.filter { $0.nonFinitePixels > 0 }
    let named = bad.prefix(4).map { "\($0.image) (\($0.kind) slot \($0.slot), rank \($0.rank))" }
    let rest = bad.count > 4 ? " and \(bad.count - 4) more" : ""
    return "step \(step): \(term); stopped before the update on all ranks. \(layer)"
      + (bad.isEmpty ? "" : ". Images with numbers that are not finite: \(named.joined(separator: ", "))\(rest)")
  }
}

/// Ends a step before its update when a number is not finite.
///
/// The gradient's norm, which clipping needs too, shows the gradient. Batch norm shows the activations for nothing: its moments
/// are over all pixels of all samples, so one bad activation is in the running statistics of every layer after it.
struct FinitenessGuard {
  private let trainer: U2PLTrainer
  private let batch: Batch

  init(_ trainer: U2PLTrainer, _ batch: Batch) {
    self.trainer = trainer
    self.batch = batch
  }

  /// Looks at all that the update is made of. Collective.
  ///
  /// - Throws: ``NonFiniteNumber`` on every rank when any finds a loss, an activation or a gradient that is not finite.
  func check(_ losses: StepLosses, gradientNorm: Double) throws { try stopTogether(finding(losses, gradientNorm)) }

  /// Ends the step at the teacher's entropies, which the ranks have found together not to be finite. Collective.
  func stop(_ error: EntropyNotFinite) throws -> Never {
    let loss =
      finding(StepLosses(supervised: (error.supervised, 0)), 0)
      ?? ("the teacher's entropies are not finite: \(error.cause)", afterTheLastNorm("unsupervised"))
    try stopTogether(loss)
    preconditionFailure("a finding of this rank was met by none")
  }

  /// All ranks throw what the lowest that has a finding has found; nil is none. Collective.
  private func stopTogether(_ finding: @autoclosure () -> (term: String, layer: String)?) throws {
    let own = finding()
    // All ranks find the same, unless one computes otherwise; it must not be left alone with it.
    let first = Int(try trainer.ranks.minimum([Int64(own == nil ? trainer.ranks.size : trainer.ranks.rank)])[0])
    guard first < trainer.ranks.size else { return }
    throw NonFiniteNumber(
      step: trainer.step, term: try trainer.ranks.broadcast(own?.term ?? "", from: first),
      layer: try trainer.ranks.broadcast(own?.layer ?? "", from: first), images: try imagesOfAllRanks())
  }

  private func finding(_ losses: StepLosses, _ norm: Double) -> (term: String, layer: String)? {
    let terms = [
      ("supervised", losses.supervised), ("unsupervised", losses.unsupervised), ("contrastive", losses.contrastive),
    ]
    if let (name, value) = terms.first(where: { !$0.1.isFinite }) {
      return ("the \(name) loss is \(value)", firstLayer() ?? afterTheLastNorm(name))
    }
    let teacherTakesPart = trainer.isSemiSupervised
    if !isFinite(trainer.student.parameters.buffers)
      || teacherTakesPart && !isFinite(trainer.teacher.parameters.buffers)
    {
      return ("activations are not finite, though the loss is", firstLayer() ?? "")
    }
    guard !norm.isFinite else { return nil }
    // A backward pass spreads it from where it began to all layers before.
    let entry = trainer.student.parameters.entries.last { entry in
      entry.kind == .parameter && !isFinite(trainer.student.parameters.gradient(entry))
    }
    return (
      "the gradient is not finite, though the loss is",
      "The first layer of the backward pass to have it is \(entry?.name ?? "none")"
    )
  }

  /// The first layer of a network, in forward order, that has anything that is not finite.
  private func firstLayer() -> String? {
    for (name, network) in [("student", trainer.student), ("teacher", trainer.teacher)] {
      let parameters = network.parameters
      // In the order of the published state_dict, which is that of the forward pass as far as it matters here: of two
      // branches that read the same map, either may be named first when the map is bad, but then a layer before it is.
      var layers = ["the input"]
      for entry in parameters.entries where entry.kind != .counter {
        let values = parameters.storage(entry)
        let layer = entry.name.split(separator: ".").dropLast().joined(separator: ".")
        if layer != layers.last { layers.append(layer) }
        if !isFinite(values) {
          let count = values.count { !$0.isFinite }
          return entry.kind == .parameter
            ? "The first layer, in forward order, is \(layer) of the \(name): \(count) of \(values.count) numbers of "
              + "\(entry.name) are not finite"
            : "The first layer, in forward order, is \(layer) of the \(name): the moments of what "
              + "\(layers[layers.count - 2]) puts out are not finite in \(count) of \(values.count) channels"
        }
      }
    }
    return nil
  }

  /// Where no parameter and no moment shows anything.
  private func afterTheLastNorm(_ loss: String) -> String {
    let head = loss == "contrastive" ? "decoder.representation.8" : "decoder.classifier.8"
    return
      "All parameters, and all activations up to the last batch norm, are finite: it begins with the output of \(head)"
  }

  /// The batch of all ranks. Collective.
  private func imagesOfAllRanks() throws -> [NonFiniteNumber.Image] {
    func own(_ kind: String, _ slots: Range<Int>, _ examples: [Example], _ names: ArraySlice<String>)
      -> [NonFiniteNumber.Image]
    {
      zip(zip(slots, examples), names).map { slot, name in
        NonFiniteNumber.Image(
          slot: slot.0, kind: kind, rank: trainer.ranks.rank, image: name,
          nonFinitePixels: slot.1.pixels.count { !$0.isFinite })
      }
    }
    let images =
      own("labeled", trainer.layout.localLabeled, batch.labeled, batch.identifiers.prefix(batch.labeled.count))
      + own(
        "unlabeled", trainer.layout.localUnlabeled, batch.unlabeled, batch.identifiers.dropFirst(batch.labeled.count))
    let text = String(decoding: try JSONEncoder().encode(images), as: UTF8.self)
    let all = try trainer.ranks.allGather(text).flatMap {
      try JSONDecoder().decode([NonFiniteNumber.Image].self, from: Data($0.utf8))
    }
    return all.filter { $0.kind == "labeled" } + all.filter { $0.kind == "unlabeled" }
  }
}

private func isFinite(_ values: UnsafeMutableBufferPointer<Float>) -> Bool { GradientNorm.norm(values).isFinite }

extension U2PLTrainer {
  /// What a checkpoint is made of, which an update of finite numbers may yet have carried beyond the largest.
  ///
  /// - Throws: ``TrainingError``, on every rank alike where their replicas are.
  func requireFiniteState() throws {
    let networks = [("student", student.parameters.values), ("teacher", teacher.parameters.values)]
    let parts = networks + optimizer.state.map { ($0.group, $0.values) }
    for (group, values) in parts where !isFinite(values) {
      let entry = student.parameters.entries.first { entry in
        entry.kind == .parameter && !isFinite(UnsafeMutableBufferPointer(rebasing: values[entry.range]))
      }
      throw TrainingError(
        description:
          "step \(step - 1): after the update \(group)/\(entry?.name ?? "") holds numbers that are not finite; no "
          + "checkpoint is made of it. Resume from the last with a lower optimizer.learning_rate, or with "
          + "optimizer.clip_norm")
    }
  }
}
