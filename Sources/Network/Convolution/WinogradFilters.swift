import Compute

/// Between 3×3 filters and their 36 planes, in parallel.
enum WinogradFilters {
  private typealias W = WinogradTransform

  /// G g Gᵀ of every filter of OIHW weights: 36 planes of inputs × outputs.
  ///
  /// - Parameter panels: a plane's layout: rows, or panels of 16 columns as ``PanelProduct`` takes them.
  static func transformed(_ oihw: UnsafePointer<Float>, inputs: Int, outputs: Int, panels: Bool) -> Buffer {
    transformed(rows: inputs, columns: outputs, panels: panels) { input, output in
      (oihw + (output * inputs + input) * 9, inputs * 9, false)
    }
  }

  /// The same for the convolution that takes the gradient of the output to that of the input: 36 planes of outputs ×
  /// inputs, of filters turned by half a turn.
  static func transformedBackward(_ oihw: UnsafePointer<Float>, inputs: Int, outputs: Int, panels: Bool) -> Buffer {
    transformed(rows: outputs, columns: inputs, panels: panels) { output, input in
      (oihw + (output * inputs + input) * 9, 9, true)
    }
  }

  /// - Parameter filter: where the 3×3 filter of a row and a column lies, how far it is to that of the next column, and
  ///   whether it is to be turned.
  private static func transformed(
    rows: Int, columns: Int, panels: Bool,
    _ filter: (_ row: Int, _ column: Int) -> (first: UnsafePointer<Float>, stride: Int, turned: Bool)
  ) -> Buffer {
    let plane = rows * columns
    let result = Buffer(count: 36 * plane)
    withoutActuallyEscaping(filter) { filter in
      // Neighbouring rows share cache lines of OIHW.
      parallelRanges(rows, grain: 16) { range in
        withScratch(of: Float.self, count: 16 * 9 * 16 + 18 * 16) { scratch in
          let half = scratch + 16 * 9 * 16
          for column in stride(from: 0, to: columns, by: 16) {
            for row in range {
              let (first, stride, turned) = filter(row, column)
              for lane in 0..<16 {
                let from = first + lane * stride
                for tap in 0..<9 { scratch[tap * 16 + lane] = from[turned ? 8 - tap : tap] }
              }
              for j in 0..<3 {
                let g: W.Three = (
                  W.load(scratch + j * 16), W.load(scratch + (3 + j) * 16), W.load(scratch + (6 + j) * 16)
                )
                W.storeSix(W.filter(g), half + j * 16, 3 * 16)
              }
              let to = result.data + (panels ? column * rows + row * 16 : row * columns + column)
              for i in 0..<6 {
                let line = UnsafePointer(half + i * 3 * 16)
                let g: W.Three = (W.load(line), W.load(line + 16), W.load(line + 32))
                W.storeSix(W.filter(g), to + i * 6 * plane, plane)
              }
            }
          }
        }
      }
    }
    return result
  }

  /// Gᵀ u G of 36 planes of `count` numbers each: the gradients of as many filters, nine taps of them `tap` apart.
  static func writeGradient(
    _ planes: UnsafePointer<Float>, count: Int, into gradient: UnsafeMutablePointer<Float>, tap: Int
  ) {
    parallelRanges(count / 16, grain: 64) { range in
      withScratch(of: Float.self, count: 18 * 16) { scratch in
        for group in range {
          for column in 0..<6 {
            let w = W.filterAdjoint(W.loadSix(planes + group * 16 + column * count, 6 * count))
            W.store(w.0, scratch + column * 16)
            W.store(w.1, scratch + (6 + column) * 16)
            W.store(w.2, scratch + (12 + column) * 16)
          }
          for row in 0..<3 {
            let w = W.filterAdjoint(W.loadSix(scratch + row * 6 * 16, 16))
            let at = gradient + row * 3 * tap + group * 16
            W.store(w.0, at)
            W.store(w.1, at + tap)
            W.store(w.2, at + 2 * tap)
          }
        }
      }
    }
  }
}
