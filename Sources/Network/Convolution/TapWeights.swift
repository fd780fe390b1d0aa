import Compute

/// The weights of a 3×3 convolution as one matrix a tap, and back.
///
/// A matrix is row-major, or, for ``PanelProduct``, in panels of 16 columns each.
///
/// Blocks of 16 × 16 filters are transposed in the cache: rows of the matrices are a power of two apart, so that going
/// down a column would use a few sets of the cache alone.
enum TapWeights {
  private static let edge = 16

  /// Copies at most 16 numbers. Mostly there are 16, for which a function call would take longer than the copy.
  @inline(__always)
  private static func copy(_ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>, _ count: Int) {
    if count == edge {
      let line = UnsafeRawPointer(from).loadUnaligned(as: SIMD16<Float>.self)
      UnsafeMutableRawPointer(to).storeBytes(of: line, as: SIMD16<Float>.self)
    } else {
      to.update(from: from, count: count)
    }
  }

  /// OIHW → taps × inputs × outputs; matrices at the places `panels` lie in panels.
  static func pack(
    _ oihw: UnsafePointer<Float>, inputs: Int, outputs: Int, taps: [Int], panels: Range<Int>
  ) -> Buffer {
    let result = Buffer(count: taps.count * inputs * outputs)
    let to = result.data
    parallelRanges(outputs, grain: edge) { range in
      withScratch(of: Float.self, count: 9 * edge * edge) { block in
        for first in stride(from: 0, to: inputs, by: edge) {
          let count = min(edge, inputs - first)
          for (column, output) in range.enumerated() {
            let from = oihw + (output * inputs + first) * 9, line = block + column
            if taps.count > 3 {
              for j in 0..<count * 9 { line[j * edge] = from[j] }
            } else {
              for tap in taps {
                for i in 0..<count { line[(i * 9 + tap) * edge] = from[i * 9 + tap] }
              }
            }
          }
          for (place, tap) in taps.enumerated() {
            let isPanel = panels.contains(place)
            let line = to + place * inputs * outputs + range.lowerBound * (isPanel ? inputs : 1)
            for i in 0..<count {
              copy(block + (i * 9 + tap) * edge, line + (first + i) * (isPanel ? edge : outputs), range.count)
            }
          }
        }
      }
    }
    return result
  }

  /// OIHW → taps × outputs × inputs; matrices at the places `panels` lie in panels.
  static func packTransposed(
    _ oihw: UnsafePointer<Float>, inputs: Int, outputs: Int, taps: [Int], panels: Range<Int>
  ) -> Buffer {
    let result = Buffer(count: taps.count * inputs * outputs)
    let to = result.data
    parallelFor(outputs) { output in
      let from = oihw + output * inputs * 9
      for first in stride(from: 0, to: inputs, by: edge) {
        for (place, tap) in taps.enumerated() {
          let isPanel = panels.contains(place)
          let line =
            to + place * inputs * outputs + (isPanel ? first * outputs + output * edge : output * inputs + first)
          let from = from + first * 9 + tap
          for i in 0..<min(edge, inputs - first) { line[i] = from[i * 9] }
        }
      }
    }
    return result
  }

  /// taps × inputs × outputs → OIHW; 0 for the other taps.
  static func unpack(
    _ matrices: UnsafePointer<Float>, inputs: Int, outputs: Int, taps: [Int], into oihw: UnsafeMutablePointer<Float>
  ) {
    parallelRanges(outputs, grain: edge) { range in
      withScratch(of: Float.self, count: 9 * edge * edge) { block in
        block.update(repeating: 0, count: 9 * edge * edge)
        for first in stride(from: 0, to: inputs, by: edge) {
          let count = min(edge, inputs - first)
          for (place, tap) in taps.enumerated() {
            for i in 0..<count {
              copy(
                matrices + (place * inputs + first + i) * outputs + range.lowerBound, block + (i * 9 + tap) * edge,
                range.count)
            }
          }
          for (column, output) in range.enumerated() {
            let to = oihw + (output * inputs + first) * 9, line = block + column
            for j in 0..<count * 9 { to[j] = line[j * edge] }
          }
        }
      }
    }
  }
}
