import Compute

/// The weights of a 3×3 convolution as one matrix a tap, and back.
///
/// In blocks of 16 × 16 filters that are turned around in the cache: rows of the matrices are a power of two apart, so
/// going down their columns would have a few sets of the cache hold everything.
enum TapWeights {
  private static let edge = 16

  /// OIHW → taps × inputs × outputs.
  static func pack(_ oihw: UnsafePointer<Float>, inputs: Int, outputs: Int, taps: [Int]) -> Buffer {
    let result = Buffer(count: taps.count * inputs * outputs)
    let to = result.data
    parallelRanges(outputs, grain: edge) { range in
      withScratch(of: Float.self, count: 9 * edge * edge) { block in
        for first in stride(from: 0, to: inputs, by: edge) {
          let count = min(edge, inputs - first)
          for (column, output) in range.enumerated() {
            let from = oihw + (output * inputs + first) * 9
            for (place, tap) in taps.enumerated() {
              let line = block + place * edge * edge + column
              for i in 0..<count { line[i * edge] = from[i * 9 + tap] }
            }
          }
          for place in taps.indices {
            for i in 0..<count {
              (to + (place * inputs + first + i) * outputs + range.lowerBound).update(
                from: block + (place * edge + i) * edge, count: range.count)
            }
          }
        }
      }
    }
    return result
  }

  /// OIHW → taps × outputs × inputs.
  static func packTransposed(_ oihw: UnsafePointer<Float>, inputs: Int, outputs: Int, taps: [Int]) -> Buffer {
    let result = Buffer(count: taps.count * inputs * outputs)
    let to = result.data
    parallelFor(outputs) { output in
      let from = oihw + output * inputs * 9
      for (place, tap) in taps.enumerated() {
        let line = to + (place * outputs + output) * inputs
        for input in 0..<inputs { line[input] = from[input * 9 + tap] }
      }
    }
    return result
  }

  /// taps × inputs × outputs → OIHW; 0 for the other taps.
  static func unpack(
    _ matrices: UnsafePointer<Float>, inputs: Int, outputs: Int, taps: [Int], into oihw: UnsafeMutablePointer<Float>
  ) {
    parallelRanges(outputs, grain: edge) { range in
      withScratch(of: Float.self, count: edge * edge) { block in
        if taps.count < 9 {
          (oihw + range.lowerBound * inputs * 9).update(repeating: 0, count: range.count * inputs * 9)
        }
        for first in stride(from: 0, to: inputs, by: edge) {
          let count = min(edge, inputs - first)
          for (place, tap) in taps.enumerated() {
            for i in 0..<count {
              (block + i * edge).update(
                from: matrices + (place * inputs + first + i) * outputs + range.lowerBound, count: range.count)
            }
            for (column, output) in range.enumerated() {
              let to = oihw + (output * inputs + first) * 9 + tap
              for i in 0..<count { to[i * 9] = block[i * edge + column] }
            }
          }
        }
      }
    }
  }
}
