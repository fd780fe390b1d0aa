import Compute

/// The weights of a 3×3 convolution as one matrix a tap, and back.
///
/// In blocks of 16 × 16 filters that are turned around in the cache: rows of the matrices are a power of two apart, so
/// going down their columns would have a few sets of the cache hold everything.
enum TapWeights {
  private static let edge = 16

  /// OIHW → 9 × inputs × outputs, of which the matrices of `taps` are written.
  static func pack(_ oihw: UnsafePointer<Float>, inputs: Int, outputs: Int, taps: [Int]) -> Buffer {
    let result = Buffer(count: 9 * inputs * outputs)
    let to = result.data
    parallelRanges(outputs, grain: edge) { range in
      let width = range.count
      withScratch(of: Float.self, count: 9 * edge * edge) { block in
        for first in stride(from: 0, to: inputs, by: edge) {
          let count = min(edge, inputs - first)
          for (column, output) in range.enumerated() {
            let from = oihw + (output * inputs + first) * 9
            for i in 0..<count * 9 { block[i * edge + column] = from[i] }
          }
          for i in 0..<count {
            for tap in taps {
              (to + (tap * inputs + first + i) * outputs + range.lowerBound).update(
                from: block + (i * 9 + tap) * edge, count: width)
            }
          }
        }
      }
    }
    return result
  }

  /// OIHW → 9 × outputs × inputs, of which the matrices of `taps` are written.
  static func packTransposed(_ oihw: UnsafePointer<Float>, inputs: Int, outputs: Int, taps: [Int]) -> Buffer {
    let result = Buffer(count: 9 * inputs * outputs)
    let to = result.data
    parallelFor(outputs) { output in
      let from = oihw + output * inputs * 9
      for tap in taps {
        let line = to + (tap * outputs + output) * inputs
        for input in 0..<inputs { line[input] = from[input * 9 + tap] }
      }
    }
    return result
  }

  /// 9 × inputs × outputs → OIHW.
  static func unpack(
    _ taps: UnsafePointer<Float>, inputs: Int, outputs: Int, into oihw: UnsafeMutablePointer<Float>
  ) {
    parallelRanges(outputs, grain: edge) { range in
      let width = range.count
      withScratch(of: Float.self, count: 9 * edge * edge) { block in
        for first in stride(from: 0, to: inputs, by: edge) {
          let count = min(edge, inputs - first)
          for i in 0..<count {
            for tap in 0..<9 {
              (block + (i * 9 + tap) * edge).update(
                from: taps + (tap * inputs + first + i) * outputs + range.lowerBound, count: width)
            }
          }
          for (column, output) in range.enumerated() {
            let to = oihw + (output * inputs + first) * 9
            for i in 0..<count * 9 { to[i] = block[i * edge + column] }
          }
        }
      }
    }
  }
}
