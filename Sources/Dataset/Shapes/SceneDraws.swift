internal import Compute

/// A unit vector and the coordinates along it; made without trigonometric functions, whose last bit varies by library.
struct Direction {
  let cosine: Float
  let sine: Float

  init(_ draws: inout SceneDraws) {
    let t = draws.uniform(-1...1)
    let sign: Float = draws.below(2) == 0 ? 1 : -1
    let norm = 1 + t * t
    cosine = sign * (1 - t * t) / norm
    sine = sign * 2 * t / norm
  }

  func along(_ x: Float, _ y: Float) -> Float { x * cosine + y * sine }
  func across(_ x: Float, _ y: Float) -> Float { y * cosine - x * sine }
}

/// The draws that make one generated image, in order.
struct SceneDraws {
  private let philox: Philox
  private let image: UInt32
  private var words = SIMD4<UInt32>()
  private var index: UInt32 = 0
  private var left = 0

  init(philox: Philox, image: UInt32) {
    self.philox = philox
    self.image = image
  }

  mutating func word() -> UInt32 {
    if left == 0 {
      words = philox.words(index: index, item: image, step: 0, stream: .shapes)
      index &+= 1
      left = 4
    }
    left -= 1
    return words[3 - left]
  }

  mutating func uniform(_ range: ClosedRange<Float>) -> Float {
    range.lowerBound + (range.upperBound - range.lowerBound) * (Float(word() >> 8) * 0x1p-24)
  }

  mutating func below(_ count: Int) -> Int { Int((UInt64(word()) &* UInt64(count)) >> 32) }
}
