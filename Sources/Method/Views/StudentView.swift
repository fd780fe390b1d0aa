import Compute
import Configuration
import Transforms

/// Between lines 2 and 3 of docs/method.md: what the student alone sees of the unlabeled images, changed in colour and sharpness after
/// mixing.
package struct StudentView {
  let change: PhotometricChange
  let normalization: Normalization
  let philox: Philox

  package init(_ configuration: Configuration, philox: Philox) {
    let strong = configuration.augment.strong
    change = PhotometricChange(
      color: strong.color.map { ColorJitter($0, probability: strong.colorProbability) },
      gamma: strong.gamma.map { GammaChange(exponent: $0, probability: strong.gammaProbability) },
      greyProbability: strong.greyProbability,
      blur: strong.blur.map { GaussianBlur(radius: $0, probability: strong.blurProbability) },
      noise: strong.noise.map { GaussianNoise(deviation: $0, probability: strong.noiseProbability) })
    normalization = Normalization(configuration)
    self.philox = philox
  }

  /// The mixed images as the student sees them, N × H × W × channels; nil where it sees what the teacher does.
  ///
  /// - Parameter firstSlot: global number of the first unlabeled slot here.
  package func pixels(of mixed: PseudoLabeled, firstSlot: Int, step: Int) -> [Float]? {
    guard !change.isOff else { return nil }
    let plane = mixed.plane, numbers = plane * mixed.channels
    var changed = [[Float]](repeating: [], count: mixed.count)
    changed.withUnsafeMutableBufferPointer { changed in
      nonisolated(unsafe) let changed = changed
      parallelFor(mixed.count) { sample in
        var pixels = Array(mixed.pixels[sample * numbers..<(sample + 1) * numbers])
        // Neither padding nor what CutOut has removed has a pseudo-label.
        let covered = mixed.labels[sample * plane..<(sample + 1) * plane].map { $0 != ignoreLabel }
        change.apply(
          &pixels, covered: covered, width: mixed.width, normalization: normalization,
          draws: .init(philox, .strongView, slot: firstSlot + sample, step: step))
        changed[sample] = pixels
      }
    }
    return changed.flatMap { $0 }
  }
}

extension StepContext {
  /// The mixed images as the student alone sees them, N × H × W × channels; nil where it sees what the teacher does.
  func studentPixels(of mixed: PseudoLabeled) -> [Float]? {
    StudentView(configuration, philox: philox)
      .pixels(of: mixed, firstSlot: layout.localUnlabeled.lowerBound, step: step)
  }
}
