import Compute

// Between maps, filters and the 36 planes of products; 16 channels at a time, in parallel over rows of tiles.

extension WinogradConvolution {
  /// Bᵀ d B of every tile of a band: 36 planes of tiles × channels.
  func transformedInput(_ x: UnsafePointer<Float>, channels: Int, _ band: Range<Int>) -> Buffer {
    let plane = plane(band, channels)
    let result = Buffer(count: 36 * plane)
    let (height, width, dilation) = (geometry.height, geometry.width, geometry.dilation)
    let (rows, columns) = (self.rows, self.columns)
    let zeros = UnsafePointer(self.zeros.data)
    parallelFor(band.count) { line in
      let row = band.lowerBound + line
      withScratch(of: UnsafePointer<Float>.self, count: 36) { at in
        withScratch(of: Float.self, count: 36 * 16) { scratch in
          for column in columns.indices {
            for i in 0..<36 {
              let y = rows[row].first + i / 6 * dilation, x0 = columns[column].first + i % 6 * dilation
              let inside = y >= 0 && y < height && x0 >= 0 && x0 < width
              at[i] = inside ? x + (y * width + x0) * channels : zeros
            }
            let to = result.data + (line * columns.count + column) * channels
            for c in stride(from: 0, to: channels, by: 16) {
              for j in 0..<6 {
                let d: W.Six = (
                  W.load(at[j] + c), W.load(at[6 + j] + c), W.load(at[12 + j] + c), W.load(at[18 + j] + c),
                  W.load(at[24 + j] + c), W.load(at[30 + j] + c)
                )
                W.storeSix(W.input(d), scratch + j * 16, 6 * 16)
              }
              for i in 0..<6 {
                W.storeSix(W.input(W.loadSix(scratch + i * 6 * 16, 16)), to + i * 6 * plane + c, plane)
              }
            }
          }
        }
      }
    }
    return result
  }

  /// Aᵀ m A of every tile of a band, plus the bias, into the map.
  func writeOutput(
    _ from: UnsafePointer<Float>, channels: Int, _ band: Range<Int>, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) {
    let plane = plane(band, channels)
    let (height, width, dilation) = (geometry.height, geometry.width, geometry.dilation)
    let (rows, columns) = (self.rows, self.columns)
    let bias = bias ?? UnsafePointer(zeros.data)
    parallelFor(band.count) { line in
      let row = band.lowerBound + line
      withScratch(of: Float.self, count: 24 * 16) { scratch in
        for column in columns.indices {
          let source = from + (line * columns.count + column) * channels
          for c in stride(from: 0, to: channels, by: 16) {
            for j in 0..<6 {
              let v = W.output(W.loadSix(source + j * plane + c, 6 * plane))
              W.store(v.0, scratch + j * 16)
              W.store(v.1, scratch + (6 + j) * 16)
              W.store(v.2, scratch + (12 + j) * 16)
              W.store(v.3, scratch + (18 + j) * 16)
            }
            let offset = (bias + c).withMemoryRebound(to: Float.self, capacity: 16) {
              UnsafeRawPointer($0).loadUnaligned(as: W.Lanes.self)
            }
            for i in 0..<4 {
              let oy = rows[row].first + (i + 1) * dilation
              guard oy < height else { break }
              let v = W.output(W.loadSix(scratch + i * 6 * 16, 16))
              var ox = columns[column].first + dilation
              var to = y + (oy * width + ox) * channels + c
              W.store(v.0 + offset, to)
              ox += dilation
              to += dilation * channels
              guard ox < width else { continue }
              W.store(v.1 + offset, to)
              ox += dilation
              to += dilation * channels
              guard ox < width else { continue }
              W.store(v.2 + offset, to)
              ox += dilation
              to += dilation * channels
              guard ox < width else { continue }
              W.store(v.3 + offset, to)
            }
          }
        }
      }
    }
  }

  /// A dy Aᵀ of every tile: 36 planes of tiles × outputs.
  func transformedGradient(_ dy: UnsafePointer<Float>) -> Buffer {
    let channels = geometry.outputs, plane = plane(rows.indices, geometry.outputs)
    let result = Buffer(count: 36 * plane)
    let (height, width, dilation) = (geometry.height, geometry.width, geometry.dilation)
    let (rows, columns) = (self.rows, self.columns)
    let zeros = UnsafePointer(self.zeros.data)
    parallelFor(rows.count) { row in
      withScratch(of: UnsafePointer<Float>.self, count: 16) { at in
        withScratch(of: Float.self, count: 24 * 16) { scratch in
          for column in columns.indices {
            for i in 0..<16 {
              let y = rows[row].first + (i / 4 + 1) * dilation, x = columns[column].first + (i % 4 + 1) * dilation
              at[i] = y < height && x < width ? dy + (y * width + x) * channels : zeros
            }
            let to = result.data + (row * columns.count + column) * channels
            for c in stride(from: 0, to: channels, by: 16) {
              for j in 0..<4 {
                let d: W.Four = (
                  W.load(at[j] + c), W.load(at[4 + j] + c), W.load(at[8 + j] + c), W.load(at[12 + j] + c)
                )
                W.storeSix(W.outputAdjoint(d), scratch + j * 16, 4 * 16)
              }
              for i in 0..<6 {
                let line = UnsafePointer(scratch + i * 4 * 16)
                let d: W.Four = (W.load(line), W.load(line + 16), W.load(line + 32), W.load(line + 48))
                W.storeSix(W.outputAdjoint(d), to + i * 6 * plane + c, plane)
              }
            }
          }
        }
      }
    }
    return result
  }

  /// G g Gᵀ of every filter: 36 planes of rows × columns.
  ///
  /// - Parameter filter: where the 3×3 filter of a row and a column lies, how far it is to that of the next column, and
  ///   whether it is to be turned by half a turn.
  func transformedFilters(
    rows: Int, columns: Int,
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
              let to = result.data + row * columns + column
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
}
