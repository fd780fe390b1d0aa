import Configuration
import Dataset
import Distributed
import Foundation
import Network

/// What applying a network to an image takes of memory, so that one that is too large is refused before it is begun, with a number.
///
/// Pixels, numbers and logits are counted; what the network's maps take is measured, on two small images, when an image first
/// comes that is worth it.
public final class InferenceMemory {
  private let network: Segmenter
  private let inference: Inference
  private let classes: Int
  private let channels: Int
  /// Of an image in memory, at most.
  private let pixelBytes: Int
  private let window: Configuration.Size?
  /// Bytes of the network's maps: for none, and for each pixel.
  private var maps: (base: Double, slope: Double)?

  /// Images of fewer pixels are not looked at: 1024².
  private static let leastPixels = 1 << 20

  public init(_ network: Segmenter, _ inference: Inference, _ configuration: Configuration) {
    self.network = network
    self.inference = inference
    classes = configuration.data.classes
    channels = configuration.data.channels
    pixelBytes = configuration.data.imageForm.isWhole ? 4 * channels : channels
    window = configuration.augment.crop
  }

  /// - Parameters:
  ///   - available: bytes that this process can still have; 0 where that is not known.
  ///   - probabilities: whether the logits of all pixels are wanted at once.
  /// - Throws: ``DatasetError`` naming the file, with what is needed, what there is, and what would help.
  public func require(
    height: Int, width: Int, _ path: String, probabilities: Bool = false, available: Int
  ) throws {
    guard height * width >= Self.leastPixels, available > 0 else { return }
    let needed = try bytes(height: height, width: width, probabilities: probabilities)
    guard needed > available else { return }
    let gibibytes = { (bytes: Int) in String(format: "%.3g GiB", Double(bytes) / 0x1p30) }
    var remedy = "cut it into tiles"
    if probabilities {
      remedy = "leave --probabilities out, or \(remedy)"
    } else if inference.mode != .sliding {
      remedy =
        window == nil
        ? "give windows to see it in, --set augment.crop=513 --mode sliding" : "--mode sliding sees it in windows"
    } else if inference.scales != [1] || inference.flip {
      remedy = "take one view, --scales 1 --no-flip, or \(remedy)"
    }
    throw DatasetError(
      description: "\(path): \(width)×\(height) pixels take about \(gibibytes(needed)) of memory "
        + "(\(inference.description)), and \(gibibytes(available)) are available; \(remedy)")
  }

  /// Bytes that an image takes, with its decoding and its result.
  func bytes(height: Int, width: Int, probabilities: Bool) throws -> Int {
    let pixels = height * width, c = classes
    // The image, twice where it has to be turned, and a band of results.
    var bytes = 2 * pixels * pixelBytes
    let (base, slope) = try measured()
    if probabilities { bytes += 12 * c * pixels }
    if inference.mode == .sliding, let window {
      for scale in inference.scales {
        let view = SlidingView.bytes(height: height, width: width, scale: scale, window: window, classes: c)
        bytes += view * (inference.flip ? 2 : 1)
      }
      bytes += 4 * c * Inference.bandHeight * width + Int(slope * Double(window.height * window.width))
    } else {
      // As numbers, twice while they are made.
      bytes += 8 * channels * pixels
      let largest = inference.scales.max() ?? 1
      let view = Double(pixels) * largest * largest
      let isOneView = inference.scales == [1] && !inference.flip && !probabilities
      bytes += isOneView ? 5 * pixels : 4 * c * pixels + Int(view * Double(12 + 8 * c))
      bytes += Int(slope * view)
    }
    return bytes + Int(base)
  }

  private func measured() throws -> (base: Double, slope: Double) {
    if let maps { return maps }
    let peaks = try [65, 129].map { side in
      let image = Tensor(count: 1, height: side, width: side, channels: channels)
      image.fill(0)
      resetPeakStorage()
      let before = peakStorage
      _ = try network.forward(image, representation: false, .evaluation(samples: 1))
      return Double(peakStorage - before)
    }
    let slope = max(0, (peaks[1] - peaks[0]) / Double(129 * 129 - 65 * 65))
    maps = (max(0, peaks[0] - slope * Double(65 * 65)), slope)
    return maps!
  }
}
