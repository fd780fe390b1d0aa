/// Two colours and a pattern of them; patterns and colours are shared by all classes and the background.
struct ShapeTexture {
  enum Pattern: Int, CaseIterable { case plain, stripes, checks, dots, waves, noise }

  private let pattern: Pattern
  let first: SIMD3<Float>
  private let second: SIMD3<Float>
  private let direction: Direction
  private let frequency: Float
  private let phase: (Float, Float)
  /// 16 × 16 values in 0...1, repeated over the plane.
  private let lattice: [Float]

  /// - Parameter label: a class leans towards a colour and two patterns, which others take too.
  init(label: Int, _ draws: inout SceneDraws) {
    let leaning = draws.uniform(0...1) < 0.85
    let kinds = Pattern.allCases.count
    pattern = Pattern(rawValue: leaning ? (label + draws.below(2)) % kinds : draws.below(kinds)) ?? .plain
    let any = SIMD3(draws.uniform(0.1...0.95), draws.uniform(0.1...0.95), draws.uniform(0.1...0.95))
    let favourite = ShapeTexture.favourites[label % ShapeTexture.favourites.count]
    let weight = draws.uniform(0.75...0.95)
    first = any * (1 - weight) + favourite * weight
    let other = SIMD3(draws.uniform(0.1...0.95), draws.uniform(0.1...0.95), draws.uniform(0.1...0.95))
    let contrast = draws.uniform(0.2...0.6)
    second = first * (1 - contrast) + other * contrast
    direction = Direction(&draws)
    frequency = 1 / draws.uniform(0.05...0.14)
    phase = (draws.uniform(0...1), draws.uniform(0...1))
    lattice = pattern == .noise ? (0..<256).map { _ in draws.uniform(0...1) } : []
  }

  private static let favourites: [SIMD3<Float>] = [
    SIMD3(0.45, 0.50, 0.40), SIMD3(0.80, 0.35, 0.30), SIMD3(0.30, 0.55, 0.80), SIMD3(0.75, 0.70, 0.30),
    SIMD3(0.40, 0.75, 0.45), SIMD3(0.65, 0.40, 0.75), SIMD3(0.85, 0.55, 0.35), SIMD3(0.35, 0.70, 0.75),
    SIMD3(0.70, 0.45, 0.55), SIMD3(0.55, 0.60, 0.25), SIMD3(0.30, 0.35, 0.60), SIMD3(0.75, 0.65, 0.60),
  ]

  /// The colour at a point, in units of the image's shorter side from the texture's origin; |x|, |y| below 100.
  func color(_ x: Float, _ y: Float) -> SIMD3<Float> {
    if pattern == .plain { return first }
    // Shifted to be positive, so that cutting off the fraction rounds down.
    let u = direction.along(x, y) * frequency + phase.0 + 4096
    let v = direction.across(x, y) * frequency + phase.1 + 4096
    let column = Int(u), row = Int(v)
    let across = u - Float(column), down = v - Float(row)
    let share: Float
    switch pattern {
    case .plain: share = 0
    case .stripes: share = across < 0.5 ? 1 : 0
    case .checks: share = (across < 0.5) != (down < 0.5) ? 1 : 0
    case .dots: share = (across - 0.5) * (across - 0.5) + (down - 0.5) * (down - 0.5) < 0.09 ? 1 : 0
    case .waves: share = ShapeTexture.smooth(abs(2 * across - 1))
    case .noise: share = noise(column, row, ShapeTexture.smooth(across), ShapeTexture.smooth(down))
    }
    return first + (second - first) * share
  }

  private func noise(_ column: Int, _ row: Int, _ across: Float, _ down: Float) -> Float {
    lattice.withUnsafeBufferPointer { values in
      let left = column & 15, right = (column + 1) & 15
      let top = (row & 15) << 4, bottom = ((row + 1) & 15) << 4
      let above = values[top + left] + (values[top + right] - values[top + left]) * across
      let below = values[bottom + left] + (values[bottom + right] - values[bottom + left]) * across
      return above + (below - above) * down
    }
  }

  private static func smooth(_ t: Float) -> Float { t * t * (3 - 2 * t) }
}
