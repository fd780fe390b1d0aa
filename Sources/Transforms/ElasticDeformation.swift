import Compute

/// A random smooth deformation: the pixels of a piece are taken from places that a cubic B-spline moves, whose nodes lie
/// in a grid and are each drawn.
public struct ElasticDeformation: Sendable, Equatable {
  /// The most that a pixel is moved in each direction, in pixels of the piece: nodes are uniform in ± this.
  public var amplitude: Double
  /// Pixels between two nodes, at least 4.
  public var spacing: Int
  /// Probability that an image is deformed.
  public var probability: Double

  public init(amplitude: Double, spacing: Int, probability: Double) {
    precondition(spacing >= 4)
    (self.amplitude, self.spacing, self.probability) = (amplitude, spacing, probability)
  }

  /// Index of the first of Philox's draws for nodes.
  private static let firstIndex: UInt32 = 1 << 30

  /// How far down and right of a pixel its value is taken, height × width.
  func shifts(height: Int, width: Int, _ draws: Augmentation.Draws) -> [SIMD2<Double>] {
    let rows = (height - 1) / spacing + 4, columns = (width - 1) / spacing + 4
    let nodes = (0..<rows * columns).map { node in
      let words = draws.words(Self.firstIndex &+ UInt32(truncatingIfNeeded: node))
      return SIMD2(words[0].unitInterval * 2 - 1, words[1].unitInterval * 2 - 1) * amplitude
    }
    let across = (0..<width).map { Self.weights(Double($0 % spacing) / Double(spacing)) }
    var shifts: [SIMD2<Double>] = []
    shifts.reserveCapacity(height * width)
    for y in 0..<height {
      let down = Self.weights(Double(y % spacing) / Double(spacing)), row = y / spacing
      // Nodes of the four rows around, summed; then the four columns around each pixel.
      let sums = (0..<columns).map { column in
        (0..<4).reduce(SIMD2<Double>.zero) { $0 + nodes[(row + $1) * columns + column] * down[$1] }
      }
      for x in 0..<width {
        let column = x / spacing
        shifts.append((0..<4).reduce(SIMD2<Double>.zero) { $0 + sums[column + $1] * across[x][$1] })
      }
    }
    return shifts
  }

  /// The weights of the four nodes around a place, `t` of the way from the second to the third; they add up to 1.
  private static func weights(_ t: Double) -> SIMD4<Double> {
    let u = 1 - t
    return SIMD4(u * u * u, 3 * t * t * t - 6 * t * t + 4, -3 * t * t * t + 3 * t * t + 3 * t + 1, t * t * t) / 6
  }
}
