/// The classes of the generated data set past the background, as regions around the origin that reach about 1 from it.
///
/// Only additions, multiplications and comparisons of floats: they give the same bits on every machine.
enum ShapeOutline: Int, CaseIterable {
  case circle = 1, square, triangle, ring, cross, star, crescent, frame, bar, corner, dome

  func contains(_ u: Float, _ v: Float) -> Bool {
    switch self {
    case .circle: return u * u + v * v <= 0.72
    case .square: return max(abs(u), abs(v)) <= 0.76
    case .triangle: return v <= 0.5 && 0.866_025_4 * abs(u) - 0.5 * v <= 0.5
    case .ring:
      let squared = u * u + v * v
      return squared <= 0.84 && squared >= 0.24
    case .cross: return min(abs(u), abs(v)) <= 0.29 && max(abs(u), abs(v)) <= 0.92
    case .star:
      // A pentagram is where at most one of its five lines is crossed.
      let crossed =
        (v > 0.309_017 ? 1 : 0)
        + (0.951_056_5 * u + 0.309_017 * v > 0.309_017 ? 1 : 0)
        + (-0.951_056_5 * u + 0.309_017 * v > 0.309_017 ? 1 : 0)
        + (0.587_785_3 * u - 0.809_017 * v > 0.309_017 ? 1 : 0)
        + (-0.587_785_3 * u - 0.809_017 * v > 0.309_017 ? 1 : 0)
      return crossed <= 1 && u * u + v * v <= 1
    case .crescent:
      let inner = (u - 0.42) * (u - 0.42) + v * v
      return u * u + v * v <= 0.84 && inner >= 0.5
    case .frame:
      let reach = max(abs(u), abs(v))
      return reach <= 0.8 && reach >= 0.44
    case .bar: return abs(u) <= 0.95 && abs(v) <= 0.27
    case .corner: return abs(u) <= 0.8 && abs(v) <= 0.8 && (u <= -0.2 || v >= 0.2)
    case .dome: return u * u + (v - 0.4) * (v - 0.4) <= 0.9 && v <= 0.4
    }
  }
}
