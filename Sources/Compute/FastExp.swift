/// e^x in single precision, to about 1 unit in the last place for −87 ≤ x ≤ 88; below, about 1e−38 instead of 0.
///
/// Written so that a loop over an unsafe pointer vectorises: no call, no branch, no rounding instruction. Adding
/// 1.5·2²³ rounds to an integer, which then stands in the low bits.
@inlinable @inline(__always)
public func fastExp(_ x: Float) -> Float {
  let clamped = x < -87 ? -87 : x
  let magic: Float = 12_582_912
  let shifted = clamped * 1.442_695_04 + magic
  let n = shifted - magic
  // x − n·ln 2, ln 2 in two parts so that the product is exact.
  let r = (clamped - n * 0.693_359_375) - n * -2.121_944_4e-4
  var p: Float = 1.987_569_15e-4
  p = p * r + 1.398_199_95e-3
  p = p * r + 8.333_451_9e-3
  p = p * r + 4.166_579_6e-2
  p = p * r + 1.666_666_55e-1
  p = p * r + 0.5
  let e = p * r * r + r + 1
  return Float(bitPattern: e.bitPattern &+ (shifted.bitPattern &<< 23))
}
