import Compute
import Configuration
import Distributed
import Foundation
import Transforms

/// Line 2 of docs/method.md: mixing sample i with sample (i + 1) mod B_u of the global batch.
package struct StrongView {
  let settings: Configuration.Augment
  let rectangle: Configuration.Semantics.Source
  let philox: Philox

  package init(
    _ settings: Configuration.Augment, rectangle: Configuration.Semantics.Source = .equations, philox: Philox
  ) {
    self.settings = settings
    self.rectangle = rectangle
    self.philox = philox
  }

  private var mix: Configuration.Augment.Mix { settings.mix }

  /// Mixes in place; one draw a step, or one for each image, decides whether. Every rank calls it: the last slot's partner is
  /// the next rank's first.
  ///
  /// - Parameters:
  ///   - firstSlot: global number of the first unlabeled slot here.
  ///   - labeled: this rank's labeled images, which copy-paste takes from.
  package func apply(
    _ batch: inout PseudoLabeled, labeled: [Example], firstSlot: Int, step: Int, ranks: Communicator
  ) throws {
    guard mix != .off, settings.mixDraw == .image || isMixed(0xFFFF_FFFF, step) else { return }
    let partners = mix == .cutout || mix == .copypaste ? nil : try partnersOfAll(batch, ranks)
    let plane = batch.plane, channels = batch.channels
    for sample in 0..<batch.count {
      let slot = UInt32(firstSlot + sample)
      if settings.mixDraw == .image, !isMixed(slot, step) { continue }
      if mix == .copypaste {
        // ⌊i·L/U⌋ of the global batch; ranks hold equal shares of both.
        CopyPaste(philox: philox).apply(
          &batch, sample: sample, slot: Int(slot), step: step, from: labeled[sample * labeled.count / batch.count])
        continue
      }
      let keep = mix == .classmix ? classMask(batch, sample, slot, step) : boxMask(batch, slot, step)
      let start = sample * plane
      for p in 0..<plane where !keep[p] {
        if let partners {
          for c in 0..<channels {
            batch.pixels[(start + p) * channels + c] = partners.pixels[(start + p) * channels + c]
          }
          batch.labels[start + p] = partners.labels[start + p]
          batch.confidence[start + p] = partners.confidence[start + p]
        } else {
          for c in 0..<channels { batch.pixels[(start + p) * channels + c] = 0 }
          if batch.labels[start + p] != ignoreLabel { batch.removed += 1 }
          batch.labels[start + p] = ignoreLabel
        }
      }
    }
  }

  private func isMixed(_ slot: UInt32, _ step: Int) -> Bool { draw(0, slot: slot, step) < settings.mixProbability }

  private func draw(_ index: UInt32, slot: UInt32, _ step: Int) -> Double {
    philox.words(index: index, item: slot, step: UInt32(step), stream: .mixing)[0].unitInterval
  }

  /// The partner of each sample here: the samples shifted by one, the last from the next rank.
  private func partnersOfAll(_ batch: PseudoLabeled, _ ranks: Communicator) throws -> PseudoLabeled {
    var partners = batch
    let next = (ranks.rank + 1) % ranks.size, previous = (ranks.rank + ranks.size - 1) % ranks.size
    func shift<Element: BitwiseCopyable>(_ from: [Element], _ to: inout [Element], _ stride: Int) throws {
      let last = from.count - stride
      try from.withUnsafeBufferPointer { from in
        try to.withUnsafeMutableBufferPointer { to in
          for i in 0..<last { to[i] = from[stride + i] }
          try ranks.sendReceive(
            UnsafeBufferPointer(rebasing: from[0..<stride]), to: previous,
            UnsafeMutableBufferPointer(rebasing: to[last...]), from: next)
        }
      }
    }
    try shift(batch.pixels, &partners.pixels, batch.plane * batch.channels)
    try shift(batch.labels, &partners.labels, batch.plane)
    try shift(batch.confidence, &partners.confidence, batch.plane)
    return partners
  }

  /// False in a rectangle whose share a of the area is drawn: width drawn from ⌊a·W⌋ + 1 … W, height to match, place drawn.
  private func boxMask(_ batch: PseudoLabeled, _ slot: UInt32, _ step: Int) -> [Bool] {
    let (height, width) = (batch.height, batch.width)
    let shares = settings.cutmixArea
    let share = shares.lowerBound + (shares.upperBound - shares.lowerBound) * draw(4, slot: slot, step)
    let narrowest = min(width, Int(share * Double(width)) + 1)
    let isPublished = rectangle == .published
    let widest = isPublished ? max(narrowest, width - 1) : width
    let boxWidth = narrowest + Int(draw(1, slot: slot, step) * Double(widest - narrowest + 1))
    let exactHeight = Double(height * width) * share / Double(boxWidth)
    let boxHeight = min(
      height, Int(exactHeight.rounded(isPublished ? .toNearestOrEven : .toNearestOrAwayFromZero)))
    let left = Int(draw(2, slot: slot, step) * Double(width - boxWidth + 1))
    let top = Int(draw(3, slot: slot, step) * Double(height - boxHeight + 1))
    var keep = [Bool](repeating: true, count: batch.plane)
    for y in top..<top + boxHeight {
      for x in left..<left + boxWidth { keep[y * width + x] = false }
    }
    return keep
  }

  /// True where ŷ is one of half (rounded down) of the classes present in the sample.
  private func classMask(_ batch: PseudoLabeled, _ sample: Int, _ slot: UInt32, _ step: Int) -> [Bool] {
    let labels = batch.labels[sample * batch.plane..<(sample + 1) * batch.plane]
    var present = [Bool](repeating: false, count: 256)
    for label in labels { present[Int(label)] = true }
    let classes = (0..<Int(ignoreLabel)).filter { present[$0] }
    let chosen = classes.sorted { a, b in
      let (da, db) = (draw(UInt32(16 + a), slot: slot, step), draw(UInt32(16 + b), slot: slot, step))
      return da < db || da == db && a < b
    }.prefix(classes.count / 2)
    var selected = [Bool](repeating: false, count: 256)
    for c in chosen { selected[c] = true }
    return labels.map { selected[Int($0)] }
  }
}

extension StepContext {
  /// Line 2 of docs/method.md: the weak view, mixed. Collective.
  ///
  /// - Parameter labeled: this rank's labeled images, which copy-paste takes from.
  func strongView(_ weak: consuming PseudoLabeled, labeled: [Example]) throws -> PseudoLabeled {
    try StrongView(configuration.augment, rectangle: semantics.rectangle, philox: philox).apply(
      &weak, labeled: labeled, firstSlot: layout.localUnlabeled.lowerBound, step: step, ranks: ranks)
    return weak
  }
}

extension Traffic {
  /// `strongView`: image, pseudo-labels and confidence of one sample, where images are mixed with others.
  package mutating func strongView(_ size: StepSize) {
    let augment = size.configuration.augment
    guard augment.mix == .cutmix || augment.mix == .classmix else { return }
    // With a draw for each image, every rank has the next one's first sample at hand.
    let probability = augment.mixDraw == .image ? 1 : augment.mixProbability
    let channels = size.configuration.data.channels
    for bytes in [channels * MemoryLayout<Float>.size, MemoryLayout<UInt8>.size, MemoryLayout<Float>.size] {
      sendReceive(bytes: bytes * size.height * size.width, probability: probability)
    }
  }
}
