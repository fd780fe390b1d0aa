import Compute
import Foundation
import Network

/// Per-pixel quantities of logits upsampled (bilinear, aligned corners) from h × w to the crop's H × W, computed row by
/// row: no H × W × C tensor exists at any time.
///
/// Everything is per sample, in a fixed order, so results do not depend on who holds which sample.
package struct UpsampledPixels {
  let height: Int
  let width: Int
  let rows: BilinearAxis
  let columns: BilinearAxis
  let smallHeight: Int
  let smallWidth: Int
  let classes: Int

  package init(logits: Tensor, height: Int, width: Int) {
    self.init(
      smallHeight: logits.height, smallWidth: logits.width, classes: logits.channels, height: height, width: width)
  }

  init(smallHeight: Int, smallWidth: Int, classes: Int, height: Int, width: Int) {
    self.height = height
    self.width = width
    self.smallHeight = smallHeight
    self.smallWidth = smallWidth
    self.classes = classes
    rows = BilinearAxis(source: smallHeight, target: height)
    columns = BilinearAxis(source: smallWidth, target: width)
  }

  /// One row of upsampled logits, class-major, with what softmax needs of each pixel.
  struct Row {
    /// Upsampled logits minus the pixel's greatest, C × W; after `exponentiate`, their exponentials are in `exps`.
    let shifted: UnsafeMutablePointer<Float>
    let exps: UnsafeMutablePointer<Float>
    /// Σ_c exp, W.
    let sum: UnsafeMutablePointer<Float>
    /// Class of the greatest logit, ties to the lower, W.
    let best: UnsafeMutablePointer<UInt8>
  }

  /// Computes every row of every sample and hands it to `body`, rows in parallel.
  func forEachRow(_ logits: Tensor, samples: Range<Int>, _ body: (_ sample: Int, _ y: Int, Row) -> Void) {
    let (width, classes) = (self.width, self.classes)
    parallelFor(samples.count * height) { index in
      let sample = samples.lowerBound + index / height, y = index % height
      let floats = smallWidth * classes + 2 * classes * width + 2 * width
      withScratch(of: Float.self, count: floats + (width + 3) / 4) { blended in
        let greatest = blended + smallWidth * classes
        let row = Row(
          shifted: greatest + width, exps: greatest + width + classes * width,
          sum: greatest + width + 2 * classes * width,
          best: UnsafeMutableRawPointer(blended + floats).bindMemory(to: UInt8.self, capacity: width))
        upsampleRow(UnsafePointer(logits.sample(sample)), y, blended, into: row.shifted)
        softmax(row, greatest)
        body(sample, y, row)
      }
    }
  }

  private func upsampleRow(
    _ source: UnsafePointer<Float>, _ y: Int, _ blended: UnsafeMutablePointer<Float>,
    into plane: UnsafeMutablePointer<Float>
  ) {
    let length = smallWidth * classes
    let top = source + rows.lower[y] * length, bottom = source + rows.upper[y] * length
    let f = rows.fraction[y]
    for i in 0..<length { blended[i] = top[i] * (1 - f) + bottom[i] * f }
    let classes = self.classes
    columns.lower.withUnsafeBufferPointer { lower in
      columns.upper.withUnsafeBufferPointer { upper in
        columns.fraction.withUnsafeBufferPointer { fraction in
          for c in 0..<classes {
            let to = plane + c * width
            for x in 0..<width {
              let a = blended[lower[x] * classes + c], b = blended[upper[x] * classes + c]
              to[x] = a * (1 - fraction[x]) + b * fraction[x]
            }
          }
        }
      }
    }
  }

  private func softmax(_ row: Row, _ greatest: UnsafeMutablePointer<Float>) {
    let width = self.width
    greatest.update(from: row.shifted, count: width)
    row.best.update(repeating: 0, count: width)
    for c in 1..<max(classes, 1) {
      let plane = row.shifted + c * width
      for x in 0..<width {
        let larger = plane[x] > greatest[x]
        greatest[x] = larger ? plane[x] : greatest[x]
        row.best[x] = larger ? UInt8(truncatingIfNeeded: c) : row.best[x]
      }
    }
    row.sum.update(repeating: 0, count: width)
    for c in 0..<classes {
      let plane = row.shifted + c * width, exps = row.exps + c * width, sum = row.sum
      for x in 0..<width {
        plane[x] -= greatest[x]
        exps[x] = fastExp(plane[x])
        sum[x] += exps[x]
      }
    }
  }

  /// The class of highest probability at each pixel (ties to the lower class), and that probability.
  package func prediction(_ logits: Tensor, sample: Int) -> (classes: [UInt8], confidence: [Float]) {
    var classes = [UInt8](repeating: 0, count: height * width)
    var confidence = [Float](repeating: 0, count: height * width)
    classes.withUnsafeMutableBufferPointer { classes in
      confidence.withUnsafeMutableBufferPointer { confidence in
        let (classes, confidence) = (classes.baseAddress!, confidence.baseAddress!)
        forEachRow(logits, samples: sample..<sample + 1) { _, y, row in
          for x in 0..<width {
            classes[y * width + x] = row.best[x]
            confidence[y * width + x] = 1 / row.sum[x]
          }
        }
      }
    }
    return (classes, confidence)
  }

  /// Upsampled logits of one sample, C × H × W.
  package func upsampled(_ logits: Tensor, sample: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: classes * height * width) { out, count in
      let (out, width, plane) = (out.baseAddress!, self.width, self.height * self.width)
      parallelFor(height) { y in
        withScratch(of: Float.self, count: (smallWidth + width) * classes) { scratch in
          let row = scratch + smallWidth * classes
          upsampleRow(UnsafePointer(logits.sample(sample)), y, scratch, into: row)
          for c in 0..<classes { (out + c * plane + y * width).update(from: row + c * width, count: width) }
        }
      }
      count = classes * height * width
    }
  }

  /// H(p) = −Σ_c p_c ln p_c in nats for samples `samples` of the logits, each H × W, one after the other.
  package func entropy(_ logits: Tensor, samples: Range<Int>) -> [Float] {
    var entropy = [Float](repeating: 0, count: samples.count * height * width)
    entropy.withUnsafeMutableBufferPointer { entropy in
      let entropy = entropy.baseAddress!
      forEachRow(logits, samples: samples) { sample, y, row in
        // With v = logit − greatest: H = ln Σ e^v − Σ p·v.
        let out = entropy + ((sample - samples.lowerBound) * height + y) * width
        out.update(repeating: 0, count: width)
        for c in 0..<classes {
          let v = row.shifted + c * width, e = row.exps + c * width
          for x in 0..<width { out[x] += e[x] * v[x] }
        }
        for x in 0..<width {
          let value = log(row.sum[x]) - out[x] / row.sum[x]
          out[x] = value < 0 ? 0 : value  // rounding only; NaN passes
        }
      }
    }
    return entropy
  }

  /// What ``labelProbability(_:samples:labels:)`` gives where the label is ignore: more than any probability.
  package static let ignoredProbability: Float = 2

  /// The probability of each pixel's label, for samples `samples`; ``ignoredProbability`` where the label is ignore.
  package func labelProbability(_ logits: Tensor, samples: Range<Int>, labels: [UInt8]) -> [Float] {
    var probability = [Float](repeating: Self.ignoredProbability, count: labels.count)
    probability.withUnsafeMutableBufferPointer { probability in
      let probability = probability.baseAddress!
      labels.withUnsafeBufferPointer { labels in
        forEachRow(logits, samples: samples) { sample, y, row in
          let at = ((sample - samples.lowerBound) * height + y) * width
          for x in 0..<width where labels[at + x] != ignoreLabel {
            probability[at + x] = row.exps[Int(labels[at + x]) * width + x] / row.sum[x]
          }
        }
      }
    }
    return probability
  }

  /// Σ over pixels of −ln p(label), and its gradient with respect to the h × w logits times `scale`.
  ///
  /// - Parameters:
  ///   - samples: of `logits`; `labels` holds H × W for each of them, 255 = ignore.
  ///   - weights: factor of each class on its pixels' terms, in the sum and in the gradient; nil for 1.
  ///   - scale: what the gradient of each pixel's term is multiplied by.
  ///   - gradient: of the logits' shape; samples `samples` are written.
  /// - Returns: the sum for each sample.
  package func crossEntropy(
    _ logits: Tensor, samples: Range<Int>, labels: [UInt8], weights: [Float]? = nil, scale: Float, gradient: Tensor
  ) -> [Double] {
    let weights = weights ?? [Float](repeating: 1, count: classes)
    let (width, height, classes) = (self.width, self.height, self.classes)
    var sums = [Double](repeating: 0, count: samples.count * height)
    let along = RowGradients(samples: samples.count, self)
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums.baseAddress!
      labels.withUnsafeBufferPointer { labels in
        let labels = labels.baseAddress!
        forEachRow(logits, samples: samples) { sample, y, row in
          let number = (sample - samples.lowerBound) * height + y
          let label = labels + number * width
          var loss = 0.0
          for x in 0..<width where label[x] != ignoreLabel {
            let term = log(row.sum[x]) - row.shifted[Int(label[x]) * width + x]
            loss += Double(term) * Double(weights[Int(label[x])])
          }
          sums[number] = loss
          // `sum` becomes the factor of the exponentials, 0 at ignored pixels.
          for x in 0..<width {
            row.sum[x] = label[x] == ignoreLabel ? 0 : scale * weights[Int(label[x])] / row.sum[x]
          }
          for c in 0..<classes {
            let e = row.exps + c * width
            let truth = scale * weights[c]
            for x in 0..<width {
              e[x] = e[x] * row.sum[x] - (label[x] == UInt8(truncatingIfNeeded: c) ? truth : 0)
            }
          }
          along.gather(row, of: number, where: label)
        }
      }
    }
    along.write(to: gradient, samples: samples)
    return (0..<samples.count).map { sums[$0 * height..<($0 + 1) * height].reduce(0, +) }
  }
}

/// Gradients with respect to upsampled logits on their way to the h × w ones: the adjoint of upsampling in two steps, each in
/// a fixed order, along x for every output row, then along y.
struct RowGradients {
  private let pixels: UpsampledPixels
  private let narrow: Int
  /// What each output row gives to the w × C logits of its blend.
  private let along: Buffer

  init(samples: Int, _ pixels: UpsampledPixels) {
    self.pixels = pixels
    narrow = pixels.smallWidth * pixels.classes
    along = Buffer(count: samples * pixels.height * narrow)
  }

  /// Takes the gradients of one output row, which stand where its exponentials were; ignored pixels give none.
  ///
  /// - Parameter number: of the row, counted through the samples.
  func gather(_ row: UpsampledPixels.Row, of number: Int, where label: UnsafePointer<UInt8>) {
    let (classes, width, columns) = (pixels.classes, pixels.width, pixels.columns)
    let out = along.data + number * narrow
    out.update(repeating: 0, count: narrow)
    for x in 0..<width where label[x] != ignoreLabel {
      let left = out + columns.lower[x] * classes, right = out + columns.upper[x] * classes
      let f = columns.fraction[x]
      for c in 0..<classes {
        let g = row.exps[c * width + x]
        left[c] += g * (1 - f)
        right[c] += g * f
      }
    }
  }

  /// - Parameters:
  ///   - samples: of `gradient`, as many as were gathered.
  ///   - adding: whether what `gradient` holds stays.
  func write(to gradient: Tensor, samples: Range<Int>, adding: Bool = false) {
    let (height, smallHeight) = (pixels.height, pixels.smallHeight)
    parallelFor(samples.count * smallHeight) { index in
      let (sample, y) = (index / smallHeight, index % smallHeight)
      let out = gradient.sample(samples.lowerBound + sample) + y * narrow
      if !adding { out.update(repeating: 0, count: narrow) }
      for (row, weight) in pixels.rows.contributions[y] {
        let from = UnsafePointer(along.data + (sample * height + row) * narrow)
        for i in 0..<narrow { out[i] += from[i] * weight }
      }
    }
  }
}

/// The label of pixels that take no part: 255.
package let ignoreLabel: UInt8 = 255

/// The source pixel of each target pixel under `nearest`: ⌊i · source / target⌋.
package func nearestIndices(source: Int, target: Int) -> [Int] { (0..<target).map { $0 * source / target } }
