import Compute
import Foundation

/// A random change of the values between a piece's smallest and greatest: v becomes a + (b − a)·((v − a)/(b − a))^γ, where
/// a and b are these, of each channel.
public struct GammaChange: Sendable, Equatable {
  /// γ is uniform in this range of positive numbers.
  public var exponent: ClosedRange<Double>
  /// Probability that an image is changed.
  public var probability: Double

  public init(exponent: ClosedRange<Double>, probability: Double) {
    (self.exponent, self.probability) = (exponent, probability)
  }

  /// Changes the pixels of the image in place.
  ///
  /// - Parameters:
  ///   - pixels: normalised, pixels × channels. Subtracting a mean and dividing by a deviation changes nothing in the result.
  ///   - covered: which of them are the image's; others stay as they are.
  func apply(
    _ pixels: inout [Float], _ covered: [Bool], channels: Int, _ draw: (Augmentation.Quantity) -> UInt32
  ) {
    let gamma = Float(exponent.at(draw(.gammaExponent)))
    for channel in 0..<channels {
      var low = Float.infinity, high = -Float.infinity
      for at in covered.indices where covered[at] {
        low = min(low, pixels[at * channels + channel])
        high = max(high, pixels[at * channels + channel])
      }
      guard high > low else { continue }
      for at in covered.indices where covered[at] {
        let share = (pixels[at * channels + channel] - low) / (high - low)
        pixels[at * channels + channel] = low + (high - low) * pow(share, gamma)
      }
    }
  }
}

/// Gaussian noise, drawn for every value of an image.
public struct GaussianNoise: Sendable, Equatable {
  /// The deviation is uniform in this range, in units of 0–255.
  public var deviation: ClosedRange<Double>
  /// Probability that an image gets any.
  public var probability: Double

  public init(deviation: ClosedRange<Double>, probability: Double) {
    (self.deviation, self.probability) = (deviation, probability)
  }

  /// Index of the first of Philox's draws for values: each gives four.
  private static let firstIndex: UInt32 = 1 << 31

  /// Adds noise to the pixels of the image in place. Results may lie beyond 0–255.
  ///
  /// - Parameters:
  ///   - pixels: normalised, pixels × channels.
  ///   - covered: which of them are the image's; others stay as they are.
  func apply(
    _ pixels: inout [Float], _ covered: [Bool], _ normalization: Normalization, _ draws: Augmentation.Draws,
    _ draw: (Augmentation.Quantity) -> UInt32
  ) {
    let deviation = Float(deviation.at(draw(.noiseDeviation))), channels = normalization.channels
    for first in stride(from: 0, to: pixels.count, by: 4) {
      let words = draws.words(Self.firstIndex &+ UInt32(truncatingIfNeeded: first / 4))
      // Box and Muller: two uniform numbers, the first of them above 0, give two normal ones.
      for pair in 0..<2 {
        let radius = Float((-2 * log(1 - words[2 * pair].unitInterval)).squareRoot())
        let angle = Float(2 * Double.pi * words[2 * pair + 1].unitInterval)
        for (offset, normal) in [radius * cos(angle), radius * sin(angle)].enumerated() {
          let at = first + 2 * pair + offset
          guard at < pixels.count, covered[at / channels] else { continue }
          pixels[at] += normal * deviation / normalization.std[at % channels]
        }
      }
    }
  }
}
