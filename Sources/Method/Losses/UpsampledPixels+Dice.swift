import Network

/// What soft Dice needs of a batch, for each class: I = Σ p_c over pixels of the class, S = Σ p_c over all pixels that are not
/// ignored plus the number of those of the class.
package struct DiceSums: Equatable {
  package var overlap: [Double]
  package var size: [Double]

  package init(overlap: [Double], size: [Double]) {
    self.overlap = overlap
    self.size = size
  }

  package init(classes: Int) {
    self.init(overlap: [Double](repeating: 0, count: classes), size: [Double](repeating: 0, count: classes))
  }
}

/// Soft Dice loss: 1 minus the mean over the classes that the labels have of 2 I / S.
package struct DiceLoss {
  package let value: Double
  /// ∂/∂p_c of a pixel, on pixels of class c: own + others; on all other pixels: others.
  let own: [Float]
  let others: [Float]

  /// - Parameters:
  ///   - sums: over the global batch.
  ///   - pixels: of each class in the labels of the global batch.
  ///   - weight: what the gradient is multiplied by.
  package init(_ sums: DiceSums, pixels: [Int64], weight: Double) {
    let present = pixels.indices.filter { pixels[$0] > 0 }
    let share = present.isEmpty ? 0 : 1 / Double(present.count)
    var value = 0.0
    var own = [Float](repeating: 0, count: pixels.count), others = own
    for c in present {
      let (overlap, size) = (sums.overlap[c], sums.size[c])
      value += share * (1 - 2 * overlap / size)
      own[c] = Float(-2 * weight * share / size)
      others[c] = Float(2 * weight * share * overlap / (size * size))
    }
    (self.value, self.own, self.others) = (value, own, others)
  }
}

extension UpsampledPixels {
  /// I and S of each sample, rows in order.
  ///
  /// - Parameters:
  ///   - samples: of `logits`; `labels` holds H × W for each of them, 255 = ignore.
  package func diceSums(_ logits: Tensor, samples: Range<Int>, labels: [UInt8]) -> [DiceSums] {
    let (width, height, classes) = (self.width, self.height, self.classes)
    var rows = [Double](repeating: 0, count: samples.count * height * 2 * classes)
    rows.withUnsafeMutableBufferPointer { rows in
      let rows = rows.baseAddress!
      labels.withUnsafeBufferPointer { labels in
        let labels = labels.baseAddress!
        forEachRow(logits, samples: samples) { sample, y, row in
          let number = (sample - samples.lowerBound) * height + y
          let label = labels + number * width
          let out = rows + number * 2 * classes
          for x in 0..<width { row.sum[x] = label[x] == ignoreLabel ? 0 : 1 / row.sum[x] }
          for c in 0..<classes {
            let exps = row.exps + c * width
            var overlap = 0.0, size = 0.0
            for x in 0..<width {
              let p = Double(exps[x] * row.sum[x])
              size += p
              if label[x] == UInt8(truncatingIfNeeded: c) {
                overlap += p
                size += 1
              }
            }
            out[c] = overlap
            out[classes + c] = size
          }
        }
      }
    }
    return (0..<samples.count).map { sample in
      var sums = DiceSums(classes: classes)
      for y in 0..<height {
        let at = (sample * height + y) * 2 * classes
        for c in 0..<classes {
          sums.overlap[c] += rows[at + c]
          sums.size[c] += rows[at + classes + c]
        }
      }
      return sums
    }
  }

  /// Adds the loss's gradient with respect to the h × w logits.
  ///
  /// - Parameter gradient: of the logits' shape; samples `samples` are added to.
  package func addGradient(
    of loss: DiceLoss, _ logits: Tensor, samples: Range<Int>, labels: [UInt8], to gradient: Tensor
  ) {
    let (width, height, classes) = (self.width, self.height, self.classes)
    let along = RowGradients(samples: samples.count, self)
    labels.withUnsafeBufferPointer { labels in
      let labels = labels.baseAddress!
      forEachRow(logits, samples: samples) { sample, y, row in
        let number = (sample - samples.lowerBound) * height + y
        let label = labels + number * width
        // ∂L/∂z_c = p_c·(g_c − Σ_k p_k·g_k) with g = ∂L/∂p.
        let best = row.shifted
        best.update(repeating: 0, count: width)
        for x in 0..<width { row.sum[x] = label[x] == ignoreLabel ? 0 : 1 / row.sum[x] }
        for c in 0..<classes {
          let p = row.exps + c * width
          for x in 0..<width {
            p[x] *= row.sum[x]
            let g = loss.others[c] + (label[x] == UInt8(truncatingIfNeeded: c) ? loss.own[c] : 0)
            best[x] += p[x] * g
          }
        }
        for c in 0..<classes {
          let p = row.exps + c * width
          for x in 0..<width {
            let g = loss.others[c] + (label[x] == UInt8(truncatingIfNeeded: c) ? loss.own[c] : 0)
            p[x] *= g - best[x]
          }
        }
        along.gather(row, of: number, where: label)
      }
    }
    along.write(to: gradient, samples: samples, adding: true)
  }
}
