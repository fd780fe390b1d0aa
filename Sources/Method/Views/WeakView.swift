import Compute
import Distributed
import Network
import Transforms

/// Unlabeled images of a rank with the teacher's pseudo-labels ŷ.
package struct PseudoLabeled {
  package let height: Int
  package let width: Int
  /// N × H × W × channels, normalised.
  package var pixels: [Float]
  /// ŷ, N × H × W; 255 where the crop reaches beyond the image.
  package var labels: [UInt8]
  /// The teacher's probability of ŷ.
  package var confidence: [Float]
  /// Pixels of images that CutOut has taken away: they have no pseudo-label, but count among the images' pixels.
  package var removed = 0
  /// Where the label is a true one, of a labeled image that was pasted over this one.
  package var isKnown: [Bool]

  package init(height: Int, width: Int, pixels: [Float], labels: [UInt8], confidence: [Float]) {
    self.height = height
    self.width = width
    self.pixels = pixels
    self.labels = labels
    self.confidence = confidence
    isKnown = [Bool](repeating: false, count: labels.count)
  }

  var plane: Int { height * width }
  var count: Int { labels.count / plane }
  var channels: Int { pixels.count / labels.count }
}

extension StepContext {
  /// Line 1 of docs/method.md: ŷ and its probability, of the teacher in evaluation mode on the unlabeled crops.
  ///
  /// - Parameter layerDone: called within the pass: it goes on.
  func weakView(
    _ examples: [Example], by teacher: Segmenter, layerDone: @escaping () -> Void = {}
  ) throws -> PseudoLabeled {
    let images = images(examples)
    let logits = try teacher.forward(
      images, representation: false, .evaluation(samples: examples.count, layerDone: layerDone)
    ).logits
    let pixels = UpsampledPixels(logits: logits, height: images.height, width: images.width)
    var samples: [Float] = [], labels: [UInt8] = [], confidences: [Float] = []
    for (sample, example) in examples.enumerated() {
      let (classes, confidence) = pixels.prediction(logits, sample: sample)
      samples += example.pixels
      // Where the crop reaches beyond the image there is nothing to learn.
      labels +=
        semantics.padding == .published
        ? classes : zip(classes, example.labels).map { $1 == ignoreLabel ? ignoreLabel : $0 }
      confidences += confidence
    }
    return PseudoLabeled(
      height: images.height, width: images.width, pixels: samples, labels: labels, confidence: confidences)
  }

  /// The mean probability of all pseudo-labels, nil where there is none. Collective.
  func meanConfidence(_ view: PseudoLabeled) throws -> Double? {
    let plane = view.plane
    let sums = (0..<view.count).map { slot in
      var sum = 0.0
      for p in slot * plane..<(slot + 1) * plane where view.labels[p] != ignoreLabel {
        sum += Double(view.confidence[p])
      }
      return sum
    }
    let total = try globalSum(sums, .unlabeled)
    let count = try ranks.sum([Int64(view.labels.count { $0 != ignoreLabel })])[0]
    return count > 0 ? total / Double(count) : nil
  }
}

extension Traffic {
  /// `meanConfidence`.
  package mutating func meanConfidence() {
    orderedReduce(count: 1)
    allReduce(count: 1)
  }
}
