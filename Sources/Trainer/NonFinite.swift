import Compute
import Dataset
import Distributed
import Foundation
import Network

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
      + (bad.isEmpty ? "" : ". Not finite as they came: \(named.joined(separator: ", "))\(rest)")
  }
}

// Looking costs one pass over the summed gradient, which clipping needs too. Batch norm shows the rest for nothing: its
// moments are over all pixels of all samples, so one bad activation is in the running statistics of every layer after it.

extension U2PLTrainer {
  /// Looks at all that the update is made of, and clips the gradient. Collective.
  ///
  /// - Throws: ``NonFiniteNumber`` on every rank when any finds a loss, an activation or a gradient that is not finite.
  func requireFinite(_ report: inout StepReport, _ batch: Batch) throws {
    let gradients = student.parameters.gradients
    fault.apply(toGradientOf: student.parameters, step: step)
    let norm = GradientNorm.norm(gradients)
    try stopTogether(batch, finding(report, norm))
    guard let limit = configuration.optimizer.clipNorm else { return }
    report.gradientNorm = norm
    GradientNorm.clip(gradients, norm: norm, to: limit)
  }

  /// All ranks throw what the lowest that has a finding has found; nil is none. Collective.
  private func stopTogether(_ batch: Batch, _ finding: @autoclosure () -> (term: String, layer: String)?) throws {
    let own = finding()
    // All ranks find the same, unless one computes otherwise; it must not be left alone with it.
    let first = Int(try ranks.minimum([Int64(own == nil ? ranks.size : ranks.rank)])[0])
    guard first < ranks.size else { return }
    throw NonFiniteNumber(
      step: step, term: try ranks.broadcast(own?.term ?? "", from: first),
      layer: try ranks.broadcast(own?.layer ?? "", from: first), images: try images(of: batch))
  }

  /// Ends the step at the teacher's entropies, which the ranks have found together not to be finite. Collective.
  func nonFinite(_ error: NotOrderable, _ report: StepReport, _ batch: Batch) throws -> Never {
    let loss =
      finding(report, 0) ?? ("the teacher's entropies are not finite: \(error)", afterTheLastNorm("unsupervised"))
    try stopTogether(batch, loss)
    preconditionFailure("a finding of this rank was met by none")
  }

  private func finding(_ report: StepReport, _ norm: Double) -> (term: String, layer: String)? {
    let losses = [
      ("supervised", report.supervised), ("unsupervised", report.unsupervised), ("contrastive", report.contrastive),
    ]
    if let (name, value) = losses.first(where: { !$0.1.isFinite }) {
      return ("the \(name) loss is \(value)", firstLayer() ?? afterTheLastNorm(name))
    }
    if !isFinite(student.parameters.buffers) || isSemiSupervised && !isFinite(teacher.parameters.buffers) {
      return ("activations are not finite, though the loss is", firstLayer() ?? "")
    }
    guard !norm.isFinite else { return nil }
    // A backward pass spreads it from where it began to all layers before.
    let entry = student.parameters.entries.last { entry in
      entry.kind == .parameter && !isFinite(student.parameters.gradient(entry))
    }
    return (
      "the gradient is not finite, though the loss is",
      "The first layer of the backward pass to have it is \(entry?.name ?? "none")"
    )
  }

  /// The first layer of a network, in forward order, that has anything that is not finite.
  private func firstLayer() -> String? {
    for (name, network) in [("student", student), ("teacher", teacher)] {
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

  private func isFinite(_ values: UnsafeMutableBufferPointer<Float>) -> Bool { GradientNorm.norm(values).isFinite }

  /// The batch of all ranks. Collective.
  private func images(of batch: Batch) throws -> [NonFiniteNumber.Image] {
    func own(_ kind: String, _ slots: Range<Int>, _ examples: [Example], _ names: ArraySlice<String>)
      -> [NonFiniteNumber.Image]
    {
      zip(zip(slots, examples), names).map { slot, name in
        NonFiniteNumber.Image(
          slot: slot.0, kind: kind, rank: ranks.rank, image: name,
          nonFinitePixels: slot.1.pixels.count { !$0.isFinite })
      }
    }
    let images =
      own("labeled", layout.localLabeled, batch.labeled, batch.identifiers.prefix(batch.labeled.count))
      + own("unlabeled", layout.localUnlabeled, batch.unlabeled, batch.identifiers.dropFirst(batch.labeled.count))
    let text = String(decoding: try JSONEncoder().encode(images), as: UTF8.self)
    let all = try ranks.allGather(text).flatMap {
      try JSONDecoder().decode([NonFiniteNumber.Image].self, from: Data($0.utf8))
    }
    return all.filter { $0.kind == "labeled" } + all.filter { $0.kind == "unlabeled" }
  }

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
