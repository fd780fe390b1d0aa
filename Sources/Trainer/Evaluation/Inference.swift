import Compute
import Configuration
import Dataset
import Distributed
import Foundation
import Method
import Network
import Transforms

/// How a trained network is applied to one image: whole or in windows, at one size or several, mirrored or not.
///
/// The image is resized to each of `scales` (bilinear, aligned corners) and, with `flip`, also mirrored. Of each of these
/// views the network's logits are upsampled to the view's size, averaged over the windows that cover a pixel, brought back
/// to the image's size and orientation, and averaged over all views. `docs/evaluation.md` has every step; it is what the
/// method's published evaluation computes.
public struct Inference: Sendable, CustomStringConvertible {
  public var mode: Configuration.Evaluate.Mode
  public let scales: [Double]
  public let flip: Bool
  private let window: Configuration.Size?
  private let classCount: Int
  private var normalization: Normalization

  public init(_ configuration: Configuration) {
    mode = configuration.evaluate.mode
    scales = configuration.evaluate.scales
    flip = configuration.evaluate.flip
    window = configuration.augment.crop
    classCount = configuration.data.classes
    normalization = Normalization(configuration)
  }

  /// The same for a part of an image, with the whole image's mean and deviation where images have their own.
  func normalizing(as whole: Raster) -> Inference {
    var inference = self
    inference.normalization = normalization.of(whole)
    return inference
  }

  /// For messages, such as `sliding, scales 0.75 1 1.25, flip`.
  public var description: String {
    let sizes = scales == [1] ? "" : ", scales " + scales.map { String(format: "%g", $0) }.joined(separator: " ")
    return mode.rawValue + sizes + (flip ? ", flip" : "")
  }

  /// The class of the greatest logit at each pixel, ties to the lower: height × width.
  public func classes(_ network: Segmenter, _ image: Raster) throws -> [UInt8] {
    var classes: [UInt8] = []
    classes.reserveCapacity(image.height * image.width)
    try forEachBand(network, image) { classes += $0 }
    return classes
  }

  /// The same, and the logits that they come from, of the network's own size; nil where the image takes several passes.
  func classesAndLogits(_ network: Segmenter, _ image: Raster) throws -> (classes: [UInt8], logits: Tensor?) {
    guard isSinglePass else { return (try classes(network, image), nil) }
    let logits = try forward(network, tensor(image))
    return (prediction(logits, image), logits)
  }

  /// Classes, and the entropy of the probabilities in nats: height × width each.
  ///
  /// - Parameter logits: what ``classesAndLogits(_:_:)`` has given for the image; nil where it has to be computed.
  func answer(
    _ network: Segmenter, _ image: Raster, knowing logits: Tensor? = nil
  ) throws -> (classes: [UInt8], entropy: [Float]) {
    if isSinglePass {
      let logits = try logits ?? forward(network, tensor(image))
      return (
        prediction(logits, image),
        UpsampledPixels(logits: logits, height: image.height, width: image.width).entropy(logits, samples: 0..<1)
      )
    }
    var classes: [UInt8] = [], entropy: [Float] = []
    func take(_ logits: [Float]) {
      classes += Self.greatest(logits, classes: classCount)
      entropy += Self.entropy(of: Self.probabilities(logits, classes: classCount), classes: classCount)
    }
    if mode == .sliding, let window {
      try forEachBandOfLogits(network, image, window) { take($1) }
    } else {
      take(try self.logits(network, image))
    }
    return (classes, entropy)
  }

  /// Of probabilities, classes × pixels.
  private static func entropy(of probabilities: [Float], classes: Int) -> [Float] {
    let plane = probabilities.count / classes
    return (0..<plane).map { p in
      (0..<classes).reduce(Float(0)) { sum, c in
        let value = probabilities[c * plane + p]
        return value > 0 ? sum - value * log(value) : sum
      }
    }
  }

  /// Whether one pass over the image gives all logits: they need not be stored at full size then.
  private var isSinglePass: Bool { (mode != .sliding || window == nil) && scales == [1] && !flip }

  private func prediction(_ logits: Tensor, _ image: Raster) -> [UInt8] {
    UpsampledPixels(logits: logits, height: image.height, width: image.width).prediction(logits, sample: 0).classes
  }

  /// Calls `body` with these classes, some rows at a time, from the first to the last. In windows, no more of the image than a
  /// row of them is in memory as numbers.
  public func forEachBand(_ network: Segmenter, _ image: Raster, _ body: (_ classes: [UInt8]) throws -> Void) throws {
    if mode == .sliding, let window {
      return try forEachBandOfLogits(network, image, window) { try body(Self.greatest($1, classes: classCount)) }
    }
    if isSinglePass { return try body(prediction(forward(network, tensor(image)), image)) }
    try body(Self.greatest(try logits(network, image), classes: classCount))
  }

  /// Averaged logits at the image's size: classes × height × width.
  public func logits(_ network: Segmenter, _ image: Raster) throws -> [Float] {
    let plane = image.height * image.width
    var sum = [Float](repeating: 0, count: classCount * plane)
    if mode == .sliding, let window {
      try forEachBandOfLogits(network, image, window) { rows, logits in
        let part = rows.count * image.width, from = rows.lowerBound * image.width
        for c in 0..<classCount {
          sum.replaceSubrange(c * plane + from..<c * plane + from + part, with: logits[c * part..<(c + 1) * part])
        }
      }
      return sum
    }
    let original = tensor(image)
    for scale in scales {
      let height = Self.scaled(image.height, scale), width = Self.scaled(image.width, scale)
      let view = resized(original, height, width)
      for mirrored in flip ? [false, true] : [false] {
        var logits = try viewLogits(network, mirrored ? Self.mirrored(view) : view)
        if mirrored { Self.mirror(&logits, width: width) }
        logits = resized(logits, height, width, to: (image.height, image.width))
        logits.withUnsafeBufferPointer { logits in
          let logits = logits.baseAddress!
          Self.forEachPlane(&sum, plane) { c, sum in
            for p in 0..<plane { sum[p] += logits[c * plane + p] }
          }
        }
      }
    }
    divide(&sum)
    return sum
  }

  /// Rows of a band.
  static let bandHeight = 32

  /// Calls `body` with averaged logits of some rows at a time, classes × rows × width, from the first to the last.
  private func forEachBandOfLogits(
    _ network: Segmenter, _ image: Raster, _ window: Configuration.Size,
    _ body: (_ rows: Range<Int>, _ logits: [Float]) throws -> Void
  ) throws {
    let own = normalization.of(image)
    let views = scales.flatMap { scale in
      (flip ? [false, true] : [false]).map { mirrored in
        SlidingView(of: image, scale: scale, mirrored: mirrored, window: window, classes: classCount, own)
      }
    }
    for top in stride(from: 0, to: image.height, by: Self.bandHeight) {
      let rows = top..<min(top + Self.bandHeight, image.height)
      var sum = [Float](repeating: 0, count: classCount * rows.count * image.width)
      for view in views {
        try view.advance(to: rows) { try forward(network, $0) }
        view.add(rows, to: &sum)
      }
      divide(&sum)
      try body(rows, sum)
    }
  }

  /// Makes the mean of a sum over views.
  private func divide(_ sum: inout [Float]) {
    let views = Float(scales.count * (flip ? 2 : 1))
    guard views > 1 else { return }
    let plane = sum.count / classCount
    Self.forEachPlane(&sum, plane) { _, sum in for p in 0..<plane { sum[p] /= views } }
  }

  /// Softmax of logits, classes × pixels, over the classes.
  public static func probabilities(_ logits: [Float], classes: Int) -> [Float] {
    let plane = logits.count / classes
    return [Float](unsafeUninitializedCapacity: logits.count) { out, count in
      let out = out.baseAddress!
      logits.withUnsafeBufferPointer { logits in
        let logits = logits.baseAddress!
        parallelRanges(plane, grain: 1 << 12) { pixels in
          for p in pixels {
            var greatest = logits[p]
            for c in 1..<classes { greatest = max(greatest, logits[c * plane + p]) }
            var sum: Float = 0
            for c in 0..<classes {
              let value = fastExp(logits[c * plane + p] - greatest)
              out[c * plane + p] = value
              sum += value
            }
            for c in 0..<classes { out[c * plane + p] /= sum }
          }
        }
      }
      count = logits.count
    }
  }

  /// The class of the greatest of classes × pixels numbers, ties to the lower.
  public static func greatest(_ values: [Float], classes: Int) -> [UInt8] {
    let plane = values.count / classes
    return [UInt8](unsafeUninitializedCapacity: plane) { out, count in
      let out = out.baseAddress!
      values.withUnsafeBufferPointer { values in
        let values = values.baseAddress!
        parallelRanges(plane, grain: 1 << 12) { pixels in
          for p in pixels {
            var best = 0
            for c in 1..<classes where values[c * plane + p] > values[best * plane + p] { best = c }
            out[p] = UInt8(best)
          }
        }
      }
      count = plane
    }
  }

  // MARK: Views

  /// A side of the image at a scale: the nearest whole number, ties to the even one.
  static func scaled(_ length: Int, _ scale: Double) -> Int {
    max(1, Int((Double(length) * scale).rounded(.toNearestOrEven)))
  }

  private func tensor(_ image: Raster) -> Tensor {
    let pixels = normalization.pixels(of: image)
    let tensor = Tensor(count: 1, height: image.height, width: image.width, channels: image.channels)
    tensor.data.update(from: pixels, count: pixels.count)
    return tensor
  }

  private func forward(_ network: Segmenter, _ image: Tensor) throws -> Tensor {
    // A large image takes its time, in many windows as in one pass.
    Activity.advance()
    return try network.forward(
      image, representation: false, .evaluation(samples: 1, layerDone: Activity.advance)
    ).logits
  }

  /// The logits of a view as a whole at the view's size, classes × height × width.
  private func viewLogits(_ network: Segmenter, _ view: Tensor) throws -> [Float] {
    let logits = try forward(network, view)
    return UpsampledPixels(logits: logits, height: view.height, width: view.width).upsampled(logits, sample: 0)
  }

  private func resized(_ image: Tensor, _ height: Int, _ width: Int) -> Tensor {
    image.height == height && image.width == width ? image : resizeBilinear(image, height: height, width: width)
  }

  /// Planes of one size brought to another, as logits are upsampled.
  private func resized(_ planes: [Float], _ height: Int, _ width: Int, to size: (height: Int, width: Int)) -> [Float] {
    guard (height, width) != size else { return planes }
    let small = Tensor(count: classCount, height: height, width: width, channels: 1)
    small.data.update(from: planes, count: planes.count)
    let resizing = UpsampledPixels(logits: small, height: size.height, width: size.width)
    return (0..<classCount).flatMap { resizing.upsampled(small, sample: $0) }
  }

  static func mirrored(_ image: Tensor) -> Tensor {
    let result = Tensor(like: image)
    parallelFor(image.height) { y in
      let line = image.width * image.channels, from = image.data + y * line, to = result.data + y * line
      for x in 0..<image.width {
        (to + image.channels * x)
          .update(from: from + image.channels * (image.width - 1 - x), count: image.channels)
      }
    }
    return result
  }

  private static func mirror(_ planes: inout [Float], width: Int) {
    let rows = planes.count / width
    planes.withUnsafeMutableBufferPointer { planes in
      let planes = planes.baseAddress!
      parallelFor(rows) { row in
        var line = UnsafeMutableBufferPointer(start: planes + row * width, count: width)
        line.reverse()
      }
    }
  }

  /// Calls `body` with each class and the first element of its plane, in parallel.
  static func forEachPlane(
    _ planes: inout [Float], _ plane: Int, _ body: (Int, UnsafeMutablePointer<Float>) -> Void
  ) {
    let count = planes.count / plane
    planes.withUnsafeMutableBufferPointer { planes in
      let planes = planes.baseAddress!
      parallelFor(count) { body($0, planes + $0 * plane) }
    }
  }
}
