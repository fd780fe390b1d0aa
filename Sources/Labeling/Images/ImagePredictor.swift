import Configuration
import Distributed
import Foundation
import Method
import Network
import Trainer
import Transforms

/// What a network says of one image.
package struct ImagePrediction: Sendable {
  package let height: Int
  package let width: Int
  /// Classes × pixels; they add up to 1 at every pixel.
  package let probabilities: [Float]
  /// The class of the greatest probability at each pixel.
  package let classes: [UInt8]
  /// z̄: the mean of the representation over the image, scaled to length 1; empty where it was not asked for.
  package let representation: [Float]

  package init(height: Int, width: Int, probabilities: [Float], representation: [Float] = []) {
    (self.height, self.width) = (height, width)
    self.probabilities = probabilities
    classes = Inference.greatest(probabilities, classes: probabilities.count / (height * width))
    self.representation = representation
  }

  package var pixels: Int { height * width }
  package var classCount: Int { probabilities.count / pixels }

  /// Entropy of the probabilities of each pixel, in nats.
  package var entropy: [Float] {
    var entropy = [Float](repeating: 0, count: pixels)
    for c in 0..<classCount {
      for p in 0..<pixels {
        let value = probabilities[c * pixels + p]
        if value > 0 { entropy[p] -= value * log(value) }
      }
    }
    return entropy
  }
}

/// Applies a network to images, one at a time.
package struct ImagePredictor {
  private let network: Segmenter
  private let inference: Inference
  private let classes: Int
  private let normalization: Normalization

  /// A larger image is resized to this many pixels, 1024², before its representation is computed.
  private static let mostPixels = 1 << 20

  package init(_ network: Segmenter, _ inference: Inference, _ configuration: Configuration) {
    (self.network, self.inference) = (network, inference)
    classes = configuration.data.classes
    normalization = Normalization(configuration)
  }

  /// - Parameter representation: whether z̄ is wanted.
  package func predict(_ image: Raster, representation: Bool) throws -> ImagePrediction {
    let pixels = image.height * image.width
    let isOneView = inference.mode != .sliding && inference.scales == [1] && !inference.flip
    guard isOneView, representation, pixels <= Self.mostPixels else {
      let logits = try inference.logits(network, image)
      return ImagePrediction(
        height: image.height, width: image.width, probabilities: Inference.probabilities(logits, classes: classes),
        representation: representation ? try pooled(forward(image)) : [])
    }
    let output = try forward(image)
    let logits = UpsampledPixels(logits: output.logits, height: image.height, width: image.width)
      .upsampled(output.logits, sample: 0)
    return ImagePrediction(
      height: image.height, width: image.width, probabilities: Inference.probabilities(logits, classes: classes),
      representation: pooled(output))
  }

  private func forward(_ image: Raster) throws -> Segmenter.Output {
    let pixels = normalization.pixels(of: image)
    var tensor = Tensor(count: 1, height: image.height, width: image.width, channels: image.channels)
    tensor.data.update(from: pixels, count: pixels.count)
    let count = image.height * image.width
    if count > Self.mostPixels {
      let factor = (Double(Self.mostPixels) / Double(count)).squareRoot()
      func side(_ length: Int) -> Int { max(1, Int((Double(length) * factor).rounded())) }
      tensor = resizeBilinear(tensor, height: side(image.height), width: side(image.width))
    }
    Activity.advance()
    return try network.forward(tensor, .evaluation(samples: 1, layerDone: Activity.advance))
  }

  private func pooled(_ output: Segmenter.Output) -> [Float] {
    guard let map = output.representation else { return [] }
    var sums = [Double](repeating: 0, count: map.channels)
    for p in 0..<map.pixels {
      for d in 0..<map.channels { sums[d] += Double(map.data[p * map.channels + d]) }
    }
    let length = sums.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return sums.map { length > 0 ? Float($0 / length) : 0 }
  }
}
