import Compute
import Foundation
import Transforms
import XCTest

private let philox = Philox(seed: 11)
private let norm = Normalization(mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375])

private func apply(
  _ augmentation: Augmentation, _ image: Raster, _ labels: LabelMap? = nil, slot: Int = 0,
  normalization: Normalization = norm
) -> Example {
  augmentation.apply(
    image, labels, normalization: normalization, draws: .init(philox, .unlabeledAugmentation, slot: slot, step: 3))
}

/// What is drawn at an index of a slot, in [0, 1).
private func drawn(_ index: UInt32, slot: Int) -> Double {
  philox.words(index: index, item: UInt32(slot), step: 3, stream: .unlabeledAugmentation)[0].unitInterval
}

/// Colours of every kind, none near black or white.
private let picture = Raster(
  height: 18, width: 22,
  pixels: (0..<18 * 22 * 3).map { (i: Int) -> UInt8 in
    let value = 70 + i * 37 % 89 + i % 3 * 10
    return UInt8(value)
  })

private func colors(_ example: Example) -> [SIMD3<Double>] {
  (0..<example.height * example.width).map { at in
    SIMD3((0..<3).map { Double(example.pixels[3 * at + $0] * norm.std[$0] + norm.mean[$0]) })
  }
}

private func grey(_ c: SIMD3<Double>) -> Double { 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] }

private func jitter(
  _ brightness: Double = 0, _ contrast: Double = 0, _ saturation: Double = 0, _ hue: Double = 0, p: Double = 1
) -> Augmentation {
  Augmentation(
    color: ColorJitter(
      brightness: brightness, contrast: contrast, saturation: saturation, hue: hue, probability: p))
}

private func assertEqual(
  _ a: [SIMD3<Double>], _ b: [SIMD3<Double>], _ accuracy: Double = 1e-3, file: StaticString = #filePath,
  line: UInt = #line
) {
  XCTAssertEqual(a.count, b.count, file: file, line: line)
  for (a, b) in zip(a, b) where abs((a - b).max()) > accuracy || abs((a - b).min()) > accuracy {
    return XCTFail("\(a) is not \(b)", file: file, line: line)
  }
}

final class ColorJitterTests: XCTestCase {
  private let before = (0..<18 * 22).map { (at: Int) -> SIMD3<Double> in
    SIMD3((0..<3).map { Double(picture.colors()[3 * at + $0]) })
  }

  func testStrengthsOfNothing() { assertEqual(colors(apply(jitter(), picture)), before) }

  func testBrightness() {
    for slot in 0..<20 {
      let factor = 1 + 0.3 * (2 * drawn(7, slot: slot) - 1)
      assertEqual(colors(apply(jitter(0.3), picture, slot: slot)), before.map { $0 * factor })
    }
  }

  /// Distances from the mean grey grow or shrink; the mean stays.
  func testContrast() {
    let mean = before.map(grey).reduce(0, +) / Double(before.count)
    for slot in 0..<20 {
      let factor = 1 + 0.4 * (2 * drawn(8, slot: slot) - 1)
      let after = colors(apply(jitter(0, 0.4), picture, slot: slot))
      assertEqual(after, before.map { $0 * factor + mean * (1 - factor) })
      XCTAssertEqual(after.map(grey).reduce(0, +) / Double(after.count), mean, accuracy: 1e-3)
    }
  }

  /// Distances from a pixel's own grey; the grey stays.
  func testSaturation() {
    for slot in 0..<20 {
      let factor = 1 + 0.5 * (2 * drawn(9, slot: slot) - 1)
      let after = colors(apply(jitter(0, 0, 0.5), picture, slot: slot))
      assertEqual(after, before.map { $0 * factor + grey($0) * (1 - factor) })
    }
  }

  func testHue() {
    for slot in 0..<40 {
      let turn = 0.5 * (2 * drawn(10, slot: slot) - 1)
      assertEqual(colors(apply(jitter(0, 0, 0, 0.5), picture, slot: slot)), before.map { turned($0, turn) }, 0.01)
    }
  }

  /// By way of HSV, as the textbook has it.
  private func turned(_ color: SIMD3<Double>, _ turn: Double) -> SIMD3<Double> {
    let (r, g, b) = (color[0], color[1], color[2])
    let value = color.max(), chroma = value - color.min()
    guard chroma > 0 else { return color }
    var hue: Double
    if value == r {
      hue = (g - b) / chroma
    } else if value == g {
      hue = 2 + (b - r) / chroma
    } else {
      hue = 4 + (r - g) / chroma
    }
    hue /= 6
    hue += turn
    hue -= floor(hue)
    let sector = Int(hue * 6) % 6, f = hue * 6 - floor(hue * 6)
    let (p, q, t) = (value - chroma, value - chroma * f, value - chroma * (1 - f))
    return [
      SIMD3(value, t, p), SIMD3(q, value, p), SIMD3(p, value, t), SIMD3(p, q, value), SIMD3(t, p, value),
      SIMD3(value, p, q),
    ][sector]
  }

  func testResultsStayColours() {
    let extremes = Raster(height: 1, width: 4, pixels: [0, 0, 0, 255, 255, 255, 255, 0, 0, 3, 200, 255])
    for slot in 0..<50 {
      for color in colors(apply(jitter(1, 1, 1, 0.5), extremes, slot: slot)) {
        XCTAssertGreaterThanOrEqual(color.min(), -1e-3)
        XCTAssertLessThanOrEqual(color.max(), 255.001)
      }
    }
  }

  /// Nothing moves: the mask, the padding and the places of the pixels are what they are without it.
  func testNothingMoves() {
    let values = (0..<18 * 22).map { (at: Int) -> UInt8 in at % 5 == 0 ? 255 : UInt8(at % 200) }
    let labels = LabelMap(height: 18, width: 22, values: values)
    var augmentation = Augmentation(scale: 0.5...1.5, flip: true, crop: (20, 20), rotate: -20...20)
    let without = (0..<40).map { apply(augmentation, picture, labels, slot: $0) }
    let uncovered = (0..<40).map { apply(augmentation, picture, slot: $0).labels }
    augmentation.color = jitter(0.3).color
    for slot in 0..<40 {
      let with = apply(augmentation, picture, labels, slot: slot)
      XCTAssertEqual(with.labels, without[slot].labels)
      let factor = 1 + 0.3 * (2 * drawn(7, slot: slot) - 1)
      for (at, (a, b)) in zip(colors(with), colors(without[slot])).enumerated() {
        if uncovered[slot][at] == LabelMap.ignore {
          XCTAssertEqual(Array(with.pixels[3 * at..<3 * at + 3]), [0, 0, 0])
        } else {
          assertEqual([a], [b * factor])
        }
      }
    }
  }

  func testProbability() {
    let changed = (0..<400).filter { apply(jitter(0.5, p: 0.8), picture, slot: $0).pixels != norm.pixels(of: picture) }
    XCTAssertEqual(changed, (0..<400).filter { drawn(6, slot: $0) < 0.8 })
    XCTAssertEqual(Double(changed.count), 320, accuracy: 40)
  }
}

final class GaussianBlurTests: XCTestCase {
  private let plain = Normalization(mean: [0, 0, 0], std: [1, 1, 1])

  private func blur(_ radius: Int, p: Double = 1) -> Augmentation {
    Augmentation(blur: GaussianBlur(radius: radius, probability: p))
  }

  /// A single bright pixel becomes the Gaussian of its radius, in its place; the mask stays.
  func testAPointBecomesAGaussian() {
    let size = 41
    var pixels = [UInt8](repeating: 0, count: size * size * 3)
    for channel in 0..<3 { pixels[(19 * size + 20) * 3 + channel] = UInt8(100 * (channel + 1) - 50) }
    let image = Raster(height: size, width: size, pixels: pixels)
    let labels = LabelMap(height: size, width: size, values: (0..<size * size).map { UInt8($0 % 250) })
    for radius in [1, 2, 5] {
      let sigma = 0.3 * Double(radius - 1) + 0.8
      let weights = (-radius...radius).map { (k: Int) -> Double in exp(-Double(k * k) / 2 / sigma / sigma) }
      let total = weights.reduce(0, +)
      let example = apply(blur(radius), image, labels, normalization: plain)
      XCTAssertEqual(example.labels, labels.values)
      for y in 0..<size {
        for x in 0..<size {
          let (dy, dx) = (y - 19, x - 20)
          let distance = Double(dy * dy + dx * dx)
          let weight: Double = max(abs(dy), abs(dx)) > radius ? 0 : exp(-distance / 2 / sigma / sigma)
          for channel in 0..<3 {
            let expected = Double(100 * (channel + 1) - 50) * weight / total / total
            XCTAssertEqual(Double(example.pixels[(y * size + x) * 3 + channel]), expected, accuracy: 1e-3)
          }
        }
      }
    }
  }

  /// One colour stays that colour up to the borders and beside padding, which stays padding.
  func testBordersAndPadding() {
    let image = Raster(height: 9, width: 30, pixels: [UInt8](repeating: 200, count: 9 * 30 * 3))
    var augmentation = blur(3)
    augmentation.crop = (24, 24)
    augmentation.rotate = 20...40
    for slot in 0..<20 {
      let example = apply(augmentation, image, slot: slot)
      for at in 0..<24 * 24 {
        for channel in 0..<3 {
          let expected = example.labels[at] == 0 ? (200 - norm.mean[channel]) / norm.std[channel] : 0
          XCTAssertEqual(example.pixels[3 * at + channel], expected, accuracy: 1e-5)
        }
      }
    }
  }

  func testProbability() {
    let blurred = (0..<400).filter { apply(blur(2, p: 0.5), picture, slot: $0).pixels != norm.pixels(of: picture) }
    XCTAssertEqual(blurred, (0..<400).filter { drawn(5, slot: $0) < 0.5 })
    XCTAssertEqual(Double(blurred.count), 200, accuracy: 40)
  }

  /// The same slot gets the same example, whoever computes it and however many at once.
  func testThreads() {
    let all = Augmentation(
      scale: 0.5...2, flip: true, crop: (17, 17), rotate: -30...30, color: jitter(0.5, 0.5, 0.5, 0.25, p: 0.8).color,
      blur: GaussianBlur(radius: 2, probability: 0.5))
    let threads = ThreadPool.threads
    defer { ThreadPool.threads = threads }
    ThreadPool.threads = 1
    let expected = (0..<32).map { apply(all, picture, slot: $0).pixels }
    XCTAssertEqual(Set(expected).count, 32)
    ThreadPool.threads = 3
    let lock = NSLock()
    nonisolated(unsafe) var wrong = 0
    DispatchQueue.concurrentPerform(iterations: 32) { slot in
      let same = apply(all, picture, slot: slot).pixels == expected[slot]
      lock.withLock { wrong += same ? 0 : 1 }
    }
    XCTAssertEqual(wrong, 0)
  }
}
