internal import Compute

/// Paints one generated image: background, clutter, shapes, light, and grain, in this order.
struct ShapesScene {
  private let height: Int
  private let width: Int
  /// Pixels of the shorter side: the unit of every length below.
  private let unit: Float
  private var draws: SceneDraws
  private var colors: [SIMD3<Float>]
  private(set) var labels: [UInt8]

  init(height: Int, width: Int, classes: Int, philox: Philox, image: UInt32) {
    self.height = height
    self.width = width
    unit = Float(min(height, width))
    draws = SceneDraws(philox: philox, image: image)
    colors = [SIMD3<Float>](repeating: .zero, count: height * width)
    labels = [UInt8](repeating: 0, count: height * width)
    // A longer image has more clutter and more shapes.
    let area = Float(height * width) / (unit * unit)
    let texture = ShapeTexture(label: 0, &draws)
    paint(label: 0, texture, center: (0, 0), reach: 2 * area) { _, _ in true }
    for _ in 0..<Int(draws.uniform(1...4) * area) { paintClutter() }
    for _ in 0..<Int(draws.uniform(3...7) * area) { paintShape(classes: classes) }
  }

  private mutating func paintShape(classes: Int) {
    let label = 1 + draws.below(classes - 1)
    guard let outline = ShapeOutline(rawValue: label) else { return }
    let center = place()
    let radius = draws.uniform(0.17...0.33)
    let stretch = draws.uniform(0.87...1.15)
    let turn = Direction(&draws)
    let texture = ShapeTexture(label: label, &draws)
    paint(label: UInt8(label), texture, center: center, reach: radius * 1.2) { x, y in
      outline.contains(turn.along(x, y) / radius, turn.across(x, y) / (radius * stretch))
    }
  }

  /// Paints background that has the colours and patterns of classes: lines, specks, ragged patches.
  private mutating func paintClutter() {
    let kind = draws.below(3)
    let center = place()
    let texture = ShapeTexture(label: draws.below(3) == 0 ? draws.below(12) : 0, &draws)
    let turn = Direction(&draws)
    switch kind {
    case 0:
      let length = draws.uniform(0.1...0.5)
      let thickness = draws.uniform(0.008...0.02)
      paint(label: 0, texture, center: center, reach: length + thickness) { x, y in
        abs(turn.along(x, y)) <= length && abs(turn.across(x, y)) <= thickness
      }
    case 1:
      let radius = draws.uniform(0.015...0.04)
      paint(label: 0, texture, center: center, reach: radius) { x, y in x * x + y * y <= radius * radius }
    default:
      // Where three circles about different points do not agree: a patch with an outline of no class.
      let radius = draws.uniform(0.06...0.16)
      let shift = radius * draws.uniform(0.5...0.9)
      paint(label: 0, texture, center: center, reach: radius + shift) { x, y in
        let u = turn.along(x, y), v = turn.across(x, y)
        let first = (u - shift) * (u - shift) + v * v <= radius * radius
        let second = (u + shift) * (u + shift) + 2 * v * v <= radius * radius
        let third = u * u + (v - shift) * (v - shift) <= 0.5 * radius * radius
        return (first != second) != third
      }
    }
  }

  private mutating func place() -> (x: Float, y: Float) {
    (draws.uniform(0.03...0.97) * Float(width) / unit, draws.uniform(0.03...0.97) * Float(height) / unit)
  }

  /// Paints the pixels within `reach` of `center` whose offset from it lies inside.
  private mutating func paint(
    label: UInt8, _ texture: ShapeTexture, center: (x: Float, y: Float), reach: Float, inside: (Float, Float) -> Bool
  ) {
    let left = max(0, Int((center.x - reach) * unit)), right = min(width, Int((center.x + reach) * unit) + 2)
    let top = max(0, Int((center.y - reach) * unit)), bottom = min(height, Int((center.y + reach) * unit) + 2)
    for row in top..<max(top, bottom) {
      let y = (Float(row) + 0.5) / unit - center.y
      for column in left..<max(left, right) {
        let x = (Float(column) + 0.5) / unit - center.x
        if inside(x, y) {
          colors[row * width + column] = texture.color(x, y)
          labels[row * width + column] = label
        }
      }
    }
  }

  /// The finished pixels, height × width × 3: light that falls off across the image, grain, eight bits.
  mutating func develop() -> [UInt8] {
    let falloff = Direction(&draws)
    let slope = draws.uniform(0...0.4)
    let exposure = draws.uniform(0.8...1.1)
    let grain = draws.uniform(0.02...0.1) / 255
    var out = [UInt8](repeating: 0, count: height * width * 3)
    for row in 0..<height {
      let y = Float(row) / Float(height) - 0.5
      for column in 0..<width {
        let x = Float(column) / Float(width) - 0.5
        let light = exposure * (1 + slope * falloff.along(x, y))
        let noise = draws.word()
        // One byte of the draw a channel.
        let speckle = SIMD3(Float(noise & 255), Float(noise >> 8 & 255), Float(noise >> 16 & 255)) - 127.5
        let color = (colors[row * width + column] * light + speckle * grain) * 255 + 0.5
        let at = (row * width + column) * 3
        for channel in 0..<3 { out[at + channel] = UInt8(min(max(color[channel], 0), 255)) }
      }
    }
    return out
  }
}
