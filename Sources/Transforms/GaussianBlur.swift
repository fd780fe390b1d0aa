import Foundation

/// Random blur with a Gaussian of (2·radius + 1)² pixels and σ = 0.3 · (radius − 1) + 0.8, which is what OpenCV's
/// `getGaussianKernel` takes for a kernel of this size.
public struct GaussianBlur: Sendable, Equatable {
  /// Pixels, at least 1.
  public var radius: Int
  /// Probability that an image is blurred.
  public var probability: Double

  public init(radius: Int, probability: Double) {
    precondition(radius >= 1)
    self.radius = radius
    self.probability = probability
  }

  /// Blurs the pixels of the image in place. Padding and pixels beyond the borders have no weight.
  ///
  /// - Parameters:
  ///   - pixels: height × width × channels.
  ///   - covered: which of them are the image's; others stay as they are.
  func apply(_ pixels: inout [Float], _ covered: [Bool], width: Int, channels: Int) {
    let sigma = 0.3 * Double(radius - 1) + 0.8
    let weights = (-radius...radius).map { Float(exp(-Double($0 * $0) / (2 * sigma * sigma))) }
    for first in stride(from: 0, to: channels, by: 3) {
      blur(&pixels, covered, width: width, channels: channels, first..<min(first + 3, channels), weights)
    }
  }

  /// Blurs up to three channels.
  private func blur(
    _ pixels: inout [Float], _ covered: [Bool], width: Int, channels: Int, _ some: Range<Int>, _ weights: [Float]
  ) {
    let height = covered.count / width
    // The channels, and how much of the image a pixel has: 1 or 0 before, its total weight after.
    var field = [SIMD4<Float>](repeating: .zero, count: covered.count)
    for at in covered.indices where covered[at] {
      for c in some { field[at][c - some.lowerBound] = pixels[channels * at + c] }
      field[at][3] = 1
    }
    for (length, stride) in [(width, 1), (height, width)] {
      var blurred = field
      for at in field.indices {
        let place = at / stride % length
        var sum = SIMD4<Float>.zero
        for offset in max(-radius, -place)...min(radius, length - 1 - place) {
          sum += field[at + offset * stride] * weights[radius + offset]
        }
        blurred[at] = sum
      }
      field = blurred
    }
    for at in covered.indices where covered[at] {
      for c in some { pixels[channels * at + c] = field[at][c - some.lowerBound] / field[at][3] }
    }
  }
}
