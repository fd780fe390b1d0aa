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
  ///   - pixels: height × width × 3.
  ///   - covered: which of them are the image's; others stay as they are.
  func apply(_ pixels: inout [Float], _ covered: [Bool], width: Int) {
    let height = covered.count / width
    let sigma = 0.3 * Double(radius - 1) + 0.8
    let weights = (-radius...radius).map { Float(exp(-Double($0 * $0) / (2 * sigma * sigma))) }
    // Three channels and how much of the image a pixel has: 1 or 0 before, its total weight after.
    var field = [SIMD4<Float>](repeating: .zero, count: covered.count)
    for at in covered.indices where covered[at] {
      field[at] = SIMD4(pixels[3 * at], pixels[3 * at + 1], pixels[3 * at + 2], 1)
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
      for channel in 0..<3 { pixels[3 * at + channel] = field[at][channel] / field[at][3] }
    }
  }
}
