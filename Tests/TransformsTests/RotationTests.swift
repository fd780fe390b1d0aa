import Compute
import Foundation
import Transforms
import XCTest

private let philox = Philox(seed: 5)
private let plain = Normalization(mean: [0, 0, 0], std: [1, 1, 1])

private func apply(
  _ augmentation: Augmentation, _ image: Raster, _ labels: LabelMap?, slot: Int = 0, step: Int = 0
) -> Example {
  augmentation.apply(
    image, labels, normalization: plain, draws: .init(philox, .labeledAugmentation, slot: slot, step: step))
}

/// Red tells a pixel's x, green its y, plus one each, so that no pixel looks like padding.
private func coded(height: Int, width: Int) -> Raster {
  let pixels = (0..<height * width).flatMap { (at: Int) -> [UInt8] in
    [UInt8(at % width + 1), UInt8(at / width + 1), 9]
  }
  return Raster(height: height, width: width, pixels: pixels)
}

private func map(height: Int, width: Int, _ value: (_ y: Int, _ x: Int) -> UInt8) -> LabelMap {
  LabelMap(height: height, width: width, values: (0..<height * width).map { value($0 / width, $0 % width) })
}

final class RotationTests: XCTestCase {
  /// Counter-clockwise: what was at the right is at the top.
  func testQuarterTurn() {
    let n = 12
    let labels = map(height: n, width: n) { UInt8($0 * n + $1) }
    let example = apply(Augmentation(rotate: 90...90), coded(height: n, width: n), labels)
    XCTAssertEqual([example.height, example.width], [n, n])
    for y in 0..<n {
      for x in 0..<n {
        let at = y * n + x
        XCTAssertEqual(example.labels[at], UInt8(x * n + n - 1 - y))
        XCTAssertEqual(example.pixels[3 * at], Float(n - y), accuracy: 1e-4)
        XCTAssertEqual(example.pixels[3 * at + 1], Float(x + 1), accuracy: 1e-4)
      }
    }
  }

  /// The borders stay where they are: of a wide image a quarter turn leaves the middle square.
  func testQuarterTurnOfAWideImage() {
    let (height, width) = (10, 20)
    let labels = map(height: height, width: width) { UInt8($0 * width + $1) }
    let example = apply(Augmentation(rotate: 90...90), coded(height: height, width: width), labels)
    for y in 0..<height {
      for x in 0..<width {
        let at = y * width + x, inside = (5..<15).contains(x)
        XCTAssertEqual(example.labels[at], inside ? UInt8((x - 5) * width + 14 - y) : 255)
        if !inside { XCTAssertEqual(Array(example.pixels[3 * at..<3 * at + 3]), [0, 0, 0]) }
      }
    }
  }

  func testHalfTurn() {
    let labels = map(height: 7, width: 9) { UInt8($0 * 9 + $1) }
    let example = apply(Augmentation(rotate: 180...180), coded(height: 7, width: 9), labels)
    XCTAssertEqual(example.labels, labels.values.reversed())
    for at in 0..<63 { XCTAssertEqual(example.pixels[3 * at + 1], Float(7 - at / 9), accuracy: 1e-4) }
  }

  /// Turning by nothing changes nothing, so the draws of scale, flip and crop are what they are without it.
  func testOtherDrawsStay() {
    let image = coded(height: 40, width: 60), labels = map(height: 40, width: 60) { UInt8(($0 * 7 + $1 * 13) % 200) }
    var without = Augmentation(scale: 0.5...2, flip: true, crop: (33, 33))
    let expected = (0..<50).map { apply(without, image, labels, slot: $0) }
    without.rotate = 0...0
    without.color = ColorJitter(brightness: 1, contrast: 1, saturation: 1, hue: 0.5, probability: 0)
    without.blur = GaussianBlur(radius: 3, probability: 0)
    for (slot, expected) in expected.enumerated() {
      let example = apply(without, image, labels, slot: slot)
      XCTAssertEqual(example.pixels, expected.pixels)
      XCTAssertEqual(example.labels, expected.labels)
    }
  }

  /// At any scale, angle, flip and window a pixel's colour and its label come from the same place, to half a pixel.
  func testImageAndMaskTurnTogether() {
    let height = 40, width = 60
    let image = coded(height: height, width: width)
    let columns = map(height: height, width: width) { _, x in UInt8(x + 1) }
    let rows = map(height: height, width: width) { y, _ in UInt8(y + 1) }
    let augmentation = Augmentation(scale: 0.5...2, flip: true, crop: (33, 33), rotate: -40...40)
    var padding = 0
    for slot in 0..<200 {
      let example = apply(augmentation, image, columns, slot: slot)
      let other = apply(augmentation, image, rows, slot: slot)
      XCTAssertEqual(example.pixels, other.pixels)
      XCTAssertEqual(apply(augmentation, image, nil, slot: slot).labels, example.labels.map { $0 == 255 ? 255 : 0 })
      for at in 0..<33 * 33 {
        let color = Array(example.pixels[3 * at..<3 * at + 3])
        if example.labels[at] == LabelMap.ignore {
          padding += 1
          XCTAssertEqual(color, [0, 0, 0])
          XCTAssertEqual(other.labels[at], LabelMap.ignore)
        } else {
          XCTAssertEqual(color[0], Float(example.labels[at]), accuracy: 0.5001)
          XCTAssertEqual(color[1], Float(other.labels[at]), accuracy: 0.5001)
          XCTAssertEqual(color[2], 9, accuracy: 1e-4)
        }
      }
    }
    XCTAssertGreaterThan(padding, 0)
  }

  /// The angle read off the picture is the one drawn at index 4 of the slot, also where the picture is mirrored.
  func testAngles() {
    let size = 61, middle = 30 * 61 + 30
    let image = coded(height: size, width: size)
    var seen: [Double] = []
    for (flip, slots) in [(false, 0..<100), (true, 100..<140)] {
      for slot in slots {
        let example = apply(Augmentation(flip: flip, rotate: -30...75), image, nil, slot: slot)
        // How x of the source grows to the right and downwards.
        let right = Double(example.pixels[3 * (middle + 4)] - example.pixels[3 * (middle - 4)]) / 8
        let down = Double(example.pixels[3 * (middle + 4 * size)] - example.pixels[3 * (middle - 4 * size)]) / 8
        let mirrored =
          flip
          && philox.words(
            index: 1, item: UInt32(slot), step: 0, stream: .labeledAugmentation)[0].unitInterval < 0.5
        let angle = atan2(-down, mirrored ? -right : right) * 180 / .pi
        let word = philox.words(index: 4, item: UInt32(slot), step: 0, stream: .labeledAugmentation)[0]
        XCTAssertEqual(angle, -30 + 105 * word.unitInterval, accuracy: 0.01)
        seen.append(angle)
      }
    }
    XCTAssertLessThan(seen.min() ?? 0, -25)
    XCTAssertGreaterThan(seen.max() ?? 0, 70)
  }
}
