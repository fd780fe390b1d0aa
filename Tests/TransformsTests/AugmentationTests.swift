import Compute
import Transforms
import XCTest

final class AugmentationTests: XCTestCase {
  private let philox = Philox(seed: 5)
  private let plain = Normalization(mean: [0, 0, 0], std: [1, 1, 1])

  /// Red tells a pixel's x, green its y, blue and the mask tell both.
  private func coded(height: Int, width: Int) -> (Raster, LabelMap) {
    let places = (0..<height).flatMap { y in (0..<width).map { x in (x, y) } }
    let mask = places.map { x, y in UInt8((x * 7 + y * 13) % 200) }
    let pixels = zip(places, mask).flatMap { place, label in [UInt8(place.0), UInt8(place.1), label] }
    return (
      Raster(height: height, width: width, pixels: pixels), LabelMap(height: height, width: width, values: mask)
    )
  }

  private func apply(
    _ augmentation: Augmentation, _ image: Raster, _ labels: LabelMap?, slot: Int = 0, step: Int = 0
  ) -> Example {
    augmentation.apply(
      image, labels, normalization: plain, draws: .init(philox, .labeledAugmentation, slot: slot, step: step))
  }

  func testEverythingOffIsTheImageNormalised() {
    let (image, labels) = coded(height: 6, width: 9)
    let norm = Normalization(mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375])
    let example = Augmentation().apply(
      image, labels, normalization: norm, draws: .init(philox, .labeledAugmentation, slot: 3, step: 4))
    XCTAssertEqual([example.height, example.width], [6, 9])
    XCTAssertEqual(example.labels, labels.values)
    let expected = image.colors().enumerated().map { (Float($1) - norm.mean[$0 % 3]) / norm.std[$0 % 3] }
    XCTAssertEqual(example.pixels, expected)
  }

  /// Flip and crop only move pixels, so every one can be traced to its place.
  func testFlipAndCropMoveImageAndMaskTogether() {
    let (image, labels) = coded(height: 20, width: 30)
    let augmentation = Augmentation(flip: true, crop: (8, 11))
    var flips = 0, lefts = Set<Int>(), tops = Set<Int>()
    for slot in 0..<400 {
      let example = apply(augmentation, image, labels, slot: slot)
      XCTAssertEqual([example.height, example.width], [8, 11])
      let x0 = Int(example.pixels[0]), y0 = Int(example.pixels[1])
      let forward = example.pixels[3] > example.pixels[0]
      for y in 0..<8 {
        for x in 0..<11 {
          let at = y * 11 + x
          let sx = forward ? x0 + x : x0 - x
          XCTAssertEqual(example.pixels[3 * at], Float(sx))
          XCTAssertEqual(example.pixels[3 * at + 1], Float(y0 + y))
          XCTAssertEqual(example.labels[at], labels.values[(y0 + y) * 30 + sx])
        }
      }
      flips += forward ? 0 : 1
      lefts.insert(forward ? x0 : 29 - x0)
      tops.insert(y0)
    }
    XCTAssertEqual(Double(flips), 200, accuracy: 40)
    XCTAssertEqual(lefts, Set(0...19), "every window can be drawn, also the first and the last")
    XCTAssertEqual(tops, Set(0...12))
  }

  /// Bilinear with pixel centres at half-integers, on numbers one can check in the head.
  func testScaleByTwoAndByHalf() {
    let row = Raster(height: 1, width: 2, pixels: [0, 0, 0, 100, 100, 100])
    let labels = LabelMap(height: 1, width: 2, values: [3, 9])
    let up = apply(Augmentation(scale: 2...2), row, labels)
    XCTAssertEqual([up.height, up.width], [2, 4])
    XCTAssertEqual((0..<4).map { up.pixels[3 * $0] }, [0, 25, 75, 100])
    XCTAssertEqual(up.labels, [3, 3, 9, 9, 3, 3, 9, 9])

    let square = Raster(height: 2, width: 2, pixels: [10, 0, 0, 20, 0, 0, 30, 0, 0, 60, 0, 0])
    let down = apply(Augmentation(scale: 0.5...0.5), square, nil)
    XCTAssertEqual([down.height, down.width], [1, 1])
    XCTAssertEqual(down.pixels, [30, 0, 0])
    XCTAssertEqual(down.labels, [0])
  }

  /// At any scale, flip and window a pixel's colour and its label come from the same place, to half a pixel.
  func testScaleMovesImageAndMaskTogether() {
    let height = 40, width = 60
    let (image, _) = coded(height: height, width: width)
    let columns = LabelMap(height: height, width: width, values: (0..<height * width).map { UInt8($0 % width) })
    let rows = LabelMap(height: height, width: width, values: (0..<height * width).map { UInt8($0 / width) })
    let augmentation = Augmentation(scale: 0.5...2, flip: true, crop: (33, 33))
    var factors: [Float] = []
    for slot in 0..<200 {
      let example = apply(augmentation, image, columns, slot: slot)
      let other = apply(augmentation, image, rows, slot: slot)
      XCTAssertEqual(example.pixels, other.pixels)
      var padding = 0
      for at in 0..<33 * 33 {
        if example.labels[at] == LabelMap.ignore {
          padding += 1
          XCTAssertEqual(example.pixels[3 * at], 0)
          XCTAssertEqual(other.labels[at], LabelMap.ignore)
        } else {
          XCTAssertEqual(example.pixels[3 * at], Float(example.labels[at]), accuracy: 0.5001)
          XCTAssertEqual(example.pixels[3 * at + 1], Float(other.labels[at]), accuracy: 0.5001)
        }
      }
      // The distance of neighbours far from the edges is the inverse of the scale.
      let stride = abs(example.pixels[3 * (16 * 33 + 14)] - example.pixels[3 * (16 * 33 + 12)]) / 2
      if padding == 0 { factors.append(1 / stride) }
      if stride > 1.3 { XCTAssertGreaterThan(padding, 0, "30 rows at most were left for 33") }
    }
    XCTAssertLessThan(factors.min() ?? 9, 1)
    XCTAssertGreaterThan(factors.max() ?? 0, 1.8)
  }

  /// A small image sits at the top left; beyond it are mean colour and ignored labels.
  func testPaddingIsMeanColourAndIgnored() {
    let (image, labels) = coded(height: 3, width: 5)
    let norm = Normalization(mean: [50, 60, 70], std: [2, 2, 2])
    for given in [labels, nil] {
      let example = Augmentation(crop: (6, 8)).apply(
        image, given, normalization: norm, draws: .init(philox, .unlabeledAugmentation, slot: 0, step: 0))
      for y in 0..<6 {
        for x in 0..<8 {
          let at = y * 8 + x, real = y < 3 && x < 5
          XCTAssertEqual(example.labels[at], real ? given?.values[y * 5 + x] ?? 0 : 255)
          XCTAssertEqual(example.pixels[3 * at + 1], real ? (Float(y) - 60) / 2 : 0)
        }
      }
    }
  }

  func testDrawsDependOnSlotStepAndStreamOnly() {
    let (image, labels) = coded(height: 40, width: 40)
    let augmentation = Augmentation(scale: 0.5...2, flip: true, crop: (16, 16))
    let one = apply(augmentation, image, labels, slot: 1, step: 2)
    XCTAssertEqual(one.pixels, apply(augmentation, image, labels, slot: 1, step: 2).pixels)
    XCTAssertEqual(one.pixels, apply(augmentation, image, nil, slot: 1, step: 2).pixels)
    XCTAssertNotEqual(one.pixels, apply(augmentation, image, labels, slot: 2, step: 1).pixels)
    XCTAssertNotEqual(one.pixels, apply(augmentation, image, labels, slot: 1, step: 3).pixels)
    let other = augmentation.apply(
      image, labels, normalization: plain, draws: .init(philox, .unlabeledAugmentation, slot: 1, step: 2))
    XCTAssertNotEqual(one.pixels, other.pixels)
  }

  /// An image so small that its scaled size would be nothing still gives a pixel.
  func testSmallestImage() {
    let dot = Raster(height: 1, width: 1, pixels: [9, 8, 7])
    let example = apply(Augmentation(scale: 0.1...0.1, flip: true, crop: (2, 2)), dot, nil)
    XCTAssertEqual(example.labels, [0, 255, 255, 255])
    XCTAssertEqual(Array(example.pixels[0..<3]), [9, 8, 7])
  }
}
