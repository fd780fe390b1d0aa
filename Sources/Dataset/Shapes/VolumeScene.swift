internal import Compute
import Transforms
import Volumes

/// A generated volume, as a CT scanner would make it: a body in air, with an organ and some lesions in it.
///
/// Numbers are Hounsfield units, int16; voxels are 0.8 mm wide and high, and slices 3 mm apart. Classes: 0 is everything else, 1 the
/// organ, 2 lesions. A volume is a pure function of the seed and its number, with the same voxels on every machine.
struct VolumeScene {
  static let classNames = ["background", "organ", "lesion"]
  static let spacing = VolumeHeader.Spacing(slice: 3, row: 0.8, column: 0.8)

  let slices: Int
  let size: Int
  /// slices × size × size.
  private(set) var values: [Int16] = []
  private(set) var labels: [UInt8] = []

  /// An ellipsoid: centre and radii in mm; along slices, rows, columns.
  private struct Ellipsoid {
    var center: SIMD3<Float>
    var radii: SIMD3<Float>
    /// Turned in the plane of a slice.
    var direction: Direction

    func contains(_ place: SIMD3<Float>) -> Bool {
      let offset = place - center
      let turned = SIMD3(offset.x, direction.across(offset.z, offset.y), direction.along(offset.z, offset.y)) / radii
      return (turned * turned).sum() < 1
    }
  }

  init(slices: Int, size: Int, seed: UInt64, number: Int) {
    (self.slices, self.size) = (slices, size)
    var draws = SceneDraws(philox: Philox(seed: seed), image: UInt32(truncatingIfNeeded: number))
    let unit = SIMD3<Float>(Float(Self.spacing.slice), Float(Self.spacing.row), Float(Self.spacing.column))
    let extent = SIMD3<Float>(Float(slices), Float(size), Float(size)) * unit
    func ellipsoid(around center: SIMD3<Float>, spread: Float, radii: ClosedRange<Float>) -> Ellipsoid {
      let shift = SIMD3(draws.uniform(-1...1), draws.uniform(-1...1), draws.uniform(-1...1)) * spread
      let relative = SIMD3(draws.uniform(radii), draws.uniform(radii), draws.uniform(radii))
      return Ellipsoid(center: center + extent * shift, radii: extent * relative, direction: Direction(&draws))
    }
    var body = ellipsoid(around: extent / 2, spread: 0.03, radii: 0.4...0.47)
    // The body goes on above and below.
    body.radii.x = extent.x * 4
    let organ = ellipsoid(around: body.center, spread: 0.1, radii: 0.18...0.27)
    let lesions = (0..<2 + draws.below(3)).map { _ in
      ellipsoid(around: organ.center, spread: 0.12, radii: 0.05...0.09)
    }
    // Two more shapes like organs, of another density.
    let others = (0..<2).map { _ in ellipsoid(around: body.center, spread: 0.25, radii: 0.06...0.13) }
    let organValue = draws.uniform(90...130)
    for z in 0..<slices {
      for y in 0..<size {
        for x in 0..<size {
          let place = (SIMD3<Float>(Float(z), Float(y), Float(x)) + 0.5) * unit
          var value: Float = -1000
          var label: UInt8 = 0
          if body.contains(place) {
            value = 30
            if others.contains(where: { $0.contains(place) }) { value = 65 }
            if organ.contains(place) {
              (value, label) = (organValue, 1)
              if lesions.contains(where: { $0.contains(place) }) { (value, label) = (organValue - 45, 2) }
            }
          }
          // The sum of four uniform draws is nearly normal.
          let word = draws.word()
          let noise = (0..<4).reduce(Float(0)) { $0 + Float(word >> UInt32(8 * $1) & 255) } - 510
          values.append(Int16(max(-1024, (value + noise * 0.08).rounded())))
          labels.append(label)
        }
      }
    }
  }
}
