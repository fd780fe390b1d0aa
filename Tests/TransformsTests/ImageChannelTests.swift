import Compute
import Transforms
import XCTest

/// Images of other channels and types, their ranges and statistics, and the changes that suit them.
final class ImageChannelTests: XCTestCase {
  private let philox = Philox(seed: 5)

  private func draws(_ slot: Int = 0) -> Augmentation.Draws {
    .init(philox, .labeledAugmentation, slot: slot, step: 0)
  }

  /// An image of 16 bits whose values are those of an 8-bit one above 0x4100, in the low byte.
  private func twins(channels: Int) -> (narrow: Raster, wide: Raster, labels: LabelMap) {
    let (height, width) = (14, 19)
    let bytes = (0..<height * width * channels).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 + $0 / 7) }
    return (
      Raster(height: height, width: width, channels: channels, values: .uint8(bytes)),
      Raster(height: height, width: width, channels: channels, values: .uint16(bytes.map { 0x4100 + UInt16($0) })),
      LabelMap(height: height, width: width, values: (0..<height * width).map { UInt8($0 / 9 % 4) })
    )
  }

  private let all = Augmentation(
    scale: 0.7...1.4, flip: true, crop: (12, 9), rotate: -20...20,
    elastic: ElasticDeformation(amplitude: 2, spacing: 5, probability: 0.7), verticalFlip: true, quarterTurns: true,
    color: ColorJitter(brightness: 0.3, contrast: 0.4, saturation: 0, hue: 0, probability: 0.7),
    gamma: GammaChange(exponent: 0.6...1.6, probability: 0.7), blur: GaussianBlur(radius: 1, probability: 0.5),
    noise: GaussianNoise(deviation: 1...9, probability: 0.5))

  func testTheLowByteOf16BitsIsAsGoodAsItsTwin() {
    let range = PixelRange(low: 0x4100, high: 0x41FF)
    for channels in [1, 3, 4, 13] {
      let mean = (0..<channels).map { Float(90 + 5 * $0) }, std = (0..<channels).map { Float(40 + $0) }
      let (narrow, wide, labels) = twins(channels: channels)
      for augmentation in [Augmentation(), all] {
        for slot in 0..<6 {
          let a = augmentation.apply(
            narrow, labels, normalization: Normalization(mean: mean, std: std), draws: draws(slot))
          let b = augmentation.apply(
            wide, labels, normalization: Normalization(mean: mean, std: std, range: range), draws: draws(slot))
          XCTAssertEqual(a.pixels, b.pixels, "\(channels) channels, slot \(slot)")
          XCTAssertEqual(a.labels, b.labels)
          XCTAssertTrue(a.pixels.allSatisfy(\.isFinite))
        }
      }
      XCTAssertNotEqual(
        Normalization(mean: mean, std: std).pixels(of: wide), Normalization(mean: mean, std: std).pixels(of: narrow))
    }
  }

  func testRanges() {
    func values(_ values: Raster.Values, _ range: PixelRange?) -> [Float] {
      let image = Raster(height: 1, width: values.count, channels: 1, values: values)
      return Normalization(mean: [0], std: [1], range: range).pixels(of: image)
    }
    XCTAssertEqual(values(.uint8([0, 7, 255]), nil), [0, 7, 255])
    XCTAssertEqual(values(.uint16([0, 65_535]), nil), [0, 255])
    XCTAssertEqual(values(.int16([-32_768, 32_767]), nil), [0, 255])
    XCTAssertEqual(values(.float32([0, 0.5, 1]), nil), [0, 127.5, 255])
    // Hounsfield units: what lies beyond is cut off.
    XCTAssertEqual(
      values(.int16([-2000, -160, 40, 240, 3000]), PixelRange(low: -160, high: 240)), [0, 0, 127.5, 255, 255])
    XCTAssertEqual(values(.uint8([0, 50, 200]), PixelRange(low: 50, high: 150)), [0, 0, 255])
  }

  func testStatisticsOfAnImage() {
    let bare = Raster(
      height: 2, width: 3, channels: 2, values: .float32([0, 0, 10, 1, 20, 3, 0, 0, 30, 5, 0, 7]))
    func mean(_ values: [Float]) -> Float { values.reduce(0, +) / Float(values.count) }
    for nonZero in [false, true] {
      let normalization = Normalization(mean: [9, 9], std: [9, 9], statistics: .image(nonZero: nonZero))
      let pixels = normalization.pixels(of: bare)
      // Pixels 0 and 3 are 0 in both channels, pixel 5 in one only.
      let counted = nonZero ? [1, 2, 4, 5] : Array(0..<6)
      for c in 0..<2 {
        let values = counted.map { pixels[2 * $0 + c] }
        XCTAssertEqual(mean(values), 0, accuracy: 1e-6)
        XCTAssertEqual(mean(values.map { $0 * $0 }), 1, accuracy: 1e-5)
      }
      // Rows give the same as the whole.
      XCTAssertEqual(normalization.pixels(of: bare, rows: 1..<2), Array(pixels.suffix(6)))
      // Larger values of the same image are the same image.
      guard case .float32(let values) = bare.values else { return XCTFail("no floats") }
      let large = Raster(height: 2, width: 3, channels: 2, values: .float32(values.map { $0 * 64 }))
      XCTAssertEqual(normalization.pixels(of: large), pixels)
    }
    let flat = Raster(height: 1, width: 2, channels: 1, values: .uint16([7, 7]))
    XCTAssertEqual(Normalization(mean: [0], std: [1], statistics: .image(nonZero: false)).pixels(of: flat), [0, 0])
  }

  /// Turns and flips move pixels only: each pixel and its label stay together, and every way occurs.
  func testTurnsAndVerticalFlips() {
    let (height, width) = (6, 6)
    let labels = LabelMap(height: height, width: width, values: (0..<36).map { UInt8($0) })
    let image = Raster(height: height, width: width, channels: 1, values: .uint8(labels.values))
    let plain = Normalization(mean: [0], std: [1])
    var seen: Set<[UInt8]> = []
    for slot in 0..<64 {
      let example = Augmentation(verticalFlip: true, quarterTurns: true)
        .apply(image, labels, normalization: plain, draws: draws(slot))
      XCTAssertEqual(example.pixels, example.labels.map { Float($0) })
      XCTAssertEqual(Set(example.labels), Set(0..<36))
      seen.insert(example.labels)
    }
    XCTAssertEqual(seen.count, 8, "four turns, each as it is and upside down")
    // The first row of a quarter turn counter-clockwise is the last column from the top.
    XCTAssertTrue(seen.contains { $0.prefix(6) == [5, 11, 17, 23, 29, 35] })
    XCTAssertTrue(seen.contains { $0.prefix(6) == [30, 31, 32, 33, 34, 35] })
    // A crop that is not square keeps its sides; so does a whole image that is not square.
    for slot in 0..<16 {
      let cut = Augmentation(crop: (4, 3), quarterTurns: true)
        .apply(image, labels, normalization: plain, draws: draws(slot))
      XCTAssertEqual([cut.height, cut.width, cut.labels.count], [4, 3, 12])
      XCTAssertEqual(cut.pixels, cut.labels.map { Float($0) })
      let flat = Augmentation(quarterTurns: true).apply(
        image.part(rows: 0..<4, columns: 0..<6), nil, normalization: plain, draws: draws(slot))
      XCTAssertEqual([flat.height, flat.width], [4, 6])
    }
  }

  func testElasticDeformation() {
    let (height, width) = (40, 50)
    // Values tell the place: 4·x and 4·y.
    let pixels = (0..<height * width).flatMap { [UInt8(4 * ($0 % width)), UInt8(4 * ($0 / width))] }
    let image = Raster(height: height, width: width, channels: 2, values: .uint8(pixels))
    let labels = LabelMap(height: height, width: width, values: (0..<height * width).map { UInt8($0 % width) })
    let plain = Normalization(mean: [0, 0], std: [1, 1])
    let amplitude = 3.0
    let augmentation = Augmentation(elastic: ElasticDeformation(amplitude: amplitude, spacing: 8, probability: 1))
    let example = augmentation.apply(image, labels, normalization: plain, draws: draws())
    var greatest = 0.0, steepest: Float = 0
    for p in 0..<height * width where example.labels[p] != LabelMap.ignore {
      let (x, y) = (Double(example.pixels[2 * p]) / 4, Double(example.pixels[2 * p + 1]) / 4)
      let (dx, dy) = (abs(x - Double(p % width)), abs(y - Double(p / width)))
      greatest = max(greatest, dx, dy)
      XCTAssertLessThanOrEqual(max(dx, dy), amplitude + 0.51)
      XCTAssertLessThanOrEqual(abs(Double(example.labels[p]) - x), 1, "the mask moves with the image")
      if p % width > 0, example.labels[p - 1] != LabelMap.ignore {
        steepest = max(steepest, abs(example.pixels[2 * p] - example.pixels[2 * p - 2] - 4))
      }
    }
    XCTAssertGreaterThan(greatest, 0.5, "something moves")
    XCTAssertLessThan(steepest, 6, "smoothly")
    let again = augmentation.apply(image, labels, normalization: plain, draws: draws())
    XCTAssertEqual(again.pixels, example.pixels)
    XCTAssertNotEqual(augmentation.apply(image, labels, normalization: plain, draws: draws(1)).pixels, example.pixels)
    // Of an unlabeled image the pixels are the same, and 0 where it is.
    let unlabeled = augmentation.apply(image, nil, normalization: plain, draws: draws())
    XCTAssertEqual(unlabeled.pixels, example.pixels)
    XCTAssertEqual(unlabeled.labels.map { $0 == LabelMap.ignore }, example.labels.map { $0 == LabelMap.ignore })
  }

  func testGammaAndNoise() {
    let (height, width) = (30, 40)
    let image = Raster(
      height: height, width: width, channels: 1, values: .uint16((0..<height * width).map { UInt16($0 * 50) }))
    let plain = Normalization(mean: [100], std: [50])
    let before = plain.pixels(of: image)
    let gamma = Augmentation(gamma: GammaChange(exponent: 2...2, probability: 1))
      .apply(image, nil, normalization: plain, draws: draws()).pixels
    let (low, high) = (before.min()!, before.max()!)
    for (value, old) in zip(gamma, before) {
      let share = (old - low) / (high - low)
      XCTAssertEqual(value, low + (high - low) * share * share, accuracy: 1e-4)
    }
    let noise = Augmentation(noise: GaussianNoise(deviation: 5...5, probability: 1))
    let noisy = noise.apply(image, nil, normalization: plain, draws: draws()).pixels
    let added = zip(noisy, before).map { Double($0 - $1) * 50 }
    let mean = added.reduce(0, +) / Double(added.count)
    let deviation = (added.reduce(0) { $0 + $1 * $1 } / Double(added.count)).squareRoot()
    XCTAssertEqual(mean, 0, accuracy: 0.6)
    XCTAssertEqual(deviation, 5, accuracy: 0.5)
    XCTAssertEqual(noise.apply(image, nil, normalization: plain, draws: draws()).pixels, noisy)
    // Off, probability 0 and padding: nothing changes.
    let never = Augmentation(
      gamma: GammaChange(exponent: 2...2, probability: 0), noise: GaussianNoise(deviation: 5...5, probability: 0))
    XCTAssertEqual(never.apply(image, nil, normalization: plain, draws: draws()).pixels, before)
    var padded = noise
    padded.crop = (height + 2, width + 1)
    let example = padded.apply(image, nil, normalization: plain, draws: draws())
    for (p, label) in example.labels.enumerated() where label == LabelMap.ignore {
      XCTAssertEqual(example.pixels[p], 0)
    }
  }

  /// Brightness and contrast of one channel are those of a grey image in three.
  func testJitterOfAGreyImage() {
    let (height, width) = (9, 11)
    let grey = (0..<height * width).map { UInt8(truncatingIfNeeded: $0 * 13) }
    let one = Raster(height: height, width: width, channels: 1, values: .uint8(grey))
    let three = Raster(height: height, width: width, pixels: grey.flatMap { [$0, $0, $0] })
    let jitter = Augmentation(
      color: ColorJitter(brightness: 0.5, contrast: 0.5, saturation: 0, hue: 0, probability: 1))
    for slot in 0..<8 {
      let a = jitter.apply(one, nil, normalization: Normalization(mean: [100], std: [50]), draws: draws(slot))
      let b = jitter.apply(
        three, nil, normalization: Normalization(mean: [100, 100, 100], std: [50, 50, 50]), draws: draws(slot))
      for p in grey.indices { XCTAssertEqual(a.pixels[p], b.pixels[3 * p], accuracy: 1e-4) }
    }
  }

  func testPictures() {
    let wide = Raster(height: 1, width: 3, channels: 1, values: .uint16([1000, 1500, 2000]))
    XCTAssertEqual(wide.colors(), [0, 0, 0, 128, 128, 128, 255, 255, 255])
    XCTAssertEqual(wide.colors(PixelRange(low: 0, high: 4000)), [64, 64, 64, 96, 96, 96, 128, 128, 128])
    let five = Raster(height: 1, width: 1, channels: 5, values: .uint8([1, 2, 3, 4, 5]))
    XCTAssertEqual(five.colors(), [1, 2, 3])
  }
}
