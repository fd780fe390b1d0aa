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
  private let normalization: Normalization

  public init(_ configuration: Configuration) {
    mode = configuration.evaluate.mode
    scales = configuration.evaluate.scales
    flip = configuration.evaluate.flip
    window = configuration.augment.crop
    classCount = configuration.data.classes
    normalization = Normalization(configuration)
  }

  /// For messages, such as `sliding, scales 0.75 1 1.25, flip`.
  public var description: String {
    let sizes = scales == [1] ? "" : ", scales " + scales.map { String(format: "%g", $0) }.joined(separator: " ")
    return mode.rawValue + sizes + (flip ? ", flip" : "")
  }

  /// The class of the greatest logit at each pixel, ties to the lower: height × width.
  public func classes(_ network: Segmenter, _ image: RGBImage) throws -> [UInt8] {
    if mode != .sliding, scales == [1], !flip {
      // One view of the image's own size: the logits need not be stored at full size.
      let logits = try forward(network, tensor(image))
      return UpsampledPixels(logits: logits, height: image.height, width: image.width)
        .prediction(logits, sample: 0).classes
    }
    return Self.greatest(try logits(network, image), classes: classCount)
  }

  /// Averaged logits at the image's size: classes × height × width.
  public func logits(_ network: Segmenter, _ image: RGBImage) throws -> [Float] {
    let original = tensor(image), plane = image.height * image.width
    var sum = [Float](repeating: 0, count: classCount * plane)
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
    let views = Float(scales.count * (flip ? 2 : 1))
    if views > 1 { Self.forEachPlane(&sum, plane) { _, sum in for p in 0..<plane { sum[p] /= views } } }
    return sum
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

  private func tensor(_ image: RGBImage) -> Tensor {
    let pixels = normalization.pixels(of: image)
    let tensor = Tensor(count: 1, height: image.height, width: image.width, channels: 3)
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

  /// A view's logits at the view's size, classes × height × width.
  private func viewLogits(_ network: Segmenter, _ view: Tensor) throws -> [Float] {
    guard mode == .sliding, let window else {
      let logits = try forward(network, view)
      return UpsampledPixels(logits: logits, height: view.height, width: view.width).upsampled(logits, sample: 0)
    }
    return try sliding(network, view, window)
  }

  /// Windows every ⌈2/3⌉ of their size, the last flush with the border; logits averaged where windows overlap. A view
  /// smaller than the window lies in its middle, the mean colour around it.
  private func sliding(_ network: Segmenter, _ view: Tensor, _ window: Configuration.Size) throws -> [Float] {
    let plane = view.height * view.width
    var sum = [Float](repeating: 0, count: classCount * plane)
    var windows = [Float](repeating: 0, count: plane)
    let rows = min(window.height, view.height), columns = min(window.width, view.width)
    let below = (window.height - rows) / 2, right = (window.width - columns) / 2
    for top in Self.starts(view.height, window.height) {
      for left in Self.starts(view.width, window.width) {
        let piece = Tensor(count: 1, height: window.height, width: window.width, channels: 3)
        piece.fill(0)
        for y in 0..<rows {
          (piece.data + ((below + y) * window.width + right) * 3)
            .update(from: view.data + ((top + y) * view.width + left) * 3, count: columns * 3)
          for x in 0..<columns { windows[(top + y) * view.width + left + x] += 1 }
        }
        let logits = try forward(network, piece)
        let large = UpsampledPixels(logits: logits, height: window.height, width: window.width)
          .upsampled(logits, sample: 0)
        large.withUnsafeBufferPointer { large in
          let large = large.baseAddress!
          Self.forEachPlane(&sum, plane) { c, sum in
            for y in 0..<rows {
              let from = large + (c * window.height + below + y) * window.width + right
              let to = sum + (top + y) * view.width + left
              for x in 0..<columns { to[x] += from[x] }
            }
          }
        }
      }
    }
    windows.withUnsafeBufferPointer { windows in
      let windows = windows.baseAddress!
      Self.forEachPlane(&sum, plane) { _, sum in
        for p in 0..<plane { sum[p] /= windows[p] }
      }
    }
    return sum
  }

  static func starts(_ size: Int, _ window: Int) -> [Int] {
    guard size > window else { return [0] }
    let step = (2 * window + 2) / 3
    let count = (size - window + step - 1) / step + 1
    return (0..<count).map { min($0 * step, size - window) }
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

  private static func mirrored(_ image: Tensor) -> Tensor {
    let result = Tensor(like: image)
    parallelFor(image.height) { y in
      let from = image.data + y * image.width * 3, to = result.data + y * image.width * 3
      for x in 0..<image.width {
        (to + 3 * x).update(from: from + 3 * (image.width - 1 - x), count: 3)
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
  private static func forEachPlane(
    _ planes: inout [Float], _ plane: Int, _ body: (Int, UnsafeMutablePointer<Float>) -> Void
  ) {
    let count = planes.count / plane
    planes.withUnsafeMutableBufferPointer { planes in
      let planes = planes.baseAddress!
      parallelFor(count) { body($0, planes + $0 * plane) }
    }
  }
}
