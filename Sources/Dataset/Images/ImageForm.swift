public import Transforms

/// The form in which a data set hands its images out.
public struct ImageForm: Sendable, Equatable {
  /// Of every image.
  public let channels: Int
  /// Whether a PNG's values of 16 bits stay as they are; else their high byte is kept. Arrays of values keep their type;
  /// else they become 8-bit ones, integers of 0 to 255 and floats of 0 to 1. Only 8-bit colour, 3 channels, is not whole.
  public let isWhole: Bool

  public init(channels: Int, isWhole: Bool) {
    precondition(channels > 0 && (isWhole || channels == 3))
    (self.channels, self.isWhole) = (channels, isWhole)
  }

  /// 8-bit colour: grey is tripled, alpha is dropped.
  public static let color = ImageForm(channels: 3, isWhole: false)

  /// Whether an image is taken that has as many channels.
  ///
  /// - Parameter hasAlpha: whether the last of an even number of up to four is alpha, which may be dropped.
  func takes(_ stored: Int, hasAlpha: Bool) -> Bool {
    stored == channels || channels == 3 && stored == 1 || hasAlpha && stored - 1 == channels
      || hasAlpha && channels == 3 && stored == 2
  }

  /// - Throws: ``DatasetError`` naming the file where ``takes(_:hasAlpha:)`` says no.
  func require(_ stored: Int, hasAlpha: Bool, _ path: String) throws {
    guard !takes(stored, hasAlpha: hasAlpha) else { return }
    let count = "\(stored) \(stored == 1 ? "channel" : "channels")"
    throw FileBytes.problem(
      path,
      "has \(count), and data.channels is \(channels): set data.channels to \(stored) if all images have as many, or "
        + "convert this one")
  }

  /// An image as it is stored in this form's channels.
  ///
  /// - Parameters:
  ///   - firstRow: of the image that `image` is a part of.
  ///   - path: names it in messages.
  /// - Throws: ``DatasetError`` where it has other channels, or a value that is no finite number.
  func fit(_ image: Raster, hasAlpha: Bool, firstRow: Int = 0, _ path: String) throws -> Raster {
    try require(image.channels, hasAlpha: hasAlpha, path)
    if let bad = image.firstNonFinite {
      throw FileBytes.problem(
        path,
        "the value at pixel (x \(bad.column), y \(firstRow + bad.row)), channel \(bad.channel), is \(bad.value), which is no finite "
          + "number; replace such values, as with numpy.nan_to_num")
    }
    return image.channels == channels ? image : image.taking(channels)
  }
}

extension Raster {
  /// The first `count` channels, or the first so many times where there are fewer.
  fileprivate func taking(_ count: Int) -> Raster {
    let stored = channels
    func taken<Value>(_ values: [Value]) -> [Value] {
      var result: [Value] = []
      result.reserveCapacity(height * width * count)
      for p in 0..<height * width {
        for c in 0..<count { result.append(values[p * stored + (stored < count ? 0 : c)]) }
      }
      return result
    }
    let taken: Values =
      switch values {
      case .uint8(let values): .uint8(taken(values))
      case .uint16(let values): .uint16(taken(values))
      case .int16(let values): .int16(taken(values))
      case .float32(let values): .float32(taken(values))
      }
    return Raster(height: height, width: width, channels: count, values: taken)
  }
}
