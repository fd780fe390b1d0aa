internal import HDF5
import Transforms

/// An image or a mask that another program has stored as an array: what its type and shape mean, where they leave no
/// doubt.
///
/// An image of 8-bit colour is height × width × 3, height × width (grey), or has one channel, or four of which the last,
/// alpha, is dropped; channels may come first. Its values are integers of 0 to 255, or floats of 0 to 1. An image of
/// another form has the form's channels, last or first, and keeps its type: 8 or 16-bit integers, or floats; other
/// integers become floats. A mask is height × width, or has one channel; its values are whole numbers of 0 to 255, in
/// whatever type.
struct PixelArray: Sendable, Equatable {
  enum Kind: Sendable { case image, mask }

  let kind: Kind
  /// Of an image: whether values keep their type.
  let isWhole: Bool
  let type: StoredType
  let height: Int
  let width: Int
  let channels: Int
  let isChannelsFirst: Bool

  /// What the values are: `int64 [64, 64]`.
  var description: String {
    let extents =
      channels == 1 ? [height, width] : isChannelsFirst ? [channels, height, width] : [height, width, channels]
    return PixelArray.describe(type, extents)
  }

  static func describe(_ type: StoredType, _ shape: [Int]) -> String {
    "\(type) [\(shape.map(String.init).joined(separator: ", "))]"
  }

  /// - Parameter place: names the dataset.
  /// - Throws: ``FileError`` that says what was found, and what it may be.
  init(_ kind: Kind, _ form: ImageForm, _ type: StoredType, _ shape: [Int], _ place: Place) throws {
    isWhole = kind == .image && form.isWhole
    func refuse(_ why: String) -> any Error {
      let wanted = kind == .image ? PixelArray.words(form) : PixelArray.maskForms
      return place.error("is \(PixelArray.describe(type, shape)): \(why); \(wanted)")
    }
    switch type {
    case .integer, .float: break
    case .boolean: if kind == .image { throw refuse("true and false are no colours") }
    case .other(let name):
      let isBytes = shape.count <= 1 && !name.hasSuffix("text")
      throw refuse(
        isBytes ? "a file's bytes are stored as np.frombuffer(data, dtype=np.uint8)" : "its elements are no numbers")
    }
    guard !shape.contains(where: { $0 <= 0 }), elementCount(shape) != nil else { throw refuse("it holds nothing") }
    self.kind = kind
    self.type = type
    switch shape.count {
    case 2: (height, width, channels, isChannelsFirst) = (shape[0], shape[1], 1, false)
    case 3:
      let allowed = kind == .mask ? [1] : form.channels != 3 ? [form.channels] : form.isWhole ? [1, 3] : [1, 3, 4]
      let first = allowed.contains(shape[0]), last = allowed.contains(shape[2])
      // Three channels at the end are this program's own form, whatever the height is.
      if last, !first || kind == .image && shape[2] == form.channels || shape[0] == 1 && shape[2] == 1 {
        (height, width, channels, isChannelsFirst) = (shape[0], shape[1], shape[2], false)
      } else if first, !last {
        (height, width, channels, isChannelsFirst) = (shape[1], shape[2], shape[0], true)
      } else if first, last {
        throw refuse("\(shape[0]) or \(shape[2]) may be the number of channels")
      } else if kind == .image {
        throw refuse(
          form.channels == 3
            ? "neither \(shape[0]) nor \(shape[2]) is a number of channels that a colour has; data.channels takes others"
            : "neither \(shape[0]) nor \(shape[2]) is data.channels, \(form.channels)")
      } else {
        throw refuse(
          "it has more than one channel; np.argmax(a, axis) makes class numbers of one channel for each class")
      }
    default: throw refuse("it has \(shape.count) \(shape.count == 1 ? "dimension" : "dimensions")")
    }
  }

  private static func words(_ form: ImageForm) -> String {
    guard form.isWhole else { return imageForms }
    let grey = [1, 3].contains(form.channels) ? " or [height, width]" : ""
    return
      "an image is [height, width, \(form.channels)]\(grey), also with its channels first, of integers or floats; or "
      + "uint8 [bytes], the bytes of a JPEG or PNG file"
  }

  private static let imageForms =
    "an image is uint8 [height, width, 3] or [height, width], also with its channels first, as other integers of 0 to "
    + "255 or as floats of 0 to 1; or uint8 [bytes], the bytes of a JPEG or PNG file"
  private static let maskForms =
    "a mask is uint8 [height, width], also of another type with whole numbers of 0 to 255; or uint8 [bytes], the bytes "
    + "of a PNG file"

  /// The type to read the values as.
  var memoryType: ElementType {
    switch type {
    case .integer(8, false): .uint8
    case .integer(16, false) where isWhole: .uint16
    case .integer(16, true) where isWhole: .int16
    case .float: isWhole ? .float32 : .float64
    default: .int64
    }
  }

  // MARK: Values

  /// As many rows as given, of the same width, type and channels.
  func part(height: Int) -> PixelArray { PixelArray(self, height: height) }

  private init(_ whole: PixelArray, height: Int) {
    (kind, type, isWhole, self.height) = (whole.kind, whole.type, whole.isWhole, height)
    (width, channels, isChannelsFirst) = (whole.width, whole.channels, whole.isChannelsFirst)
  }

  /// Bytes in this machine's order as values of ``memoryType``.
  func stored(_ bytes: [UInt8]) -> DatasetValues {
    func values<Value: BitwiseCopyable>() -> [Value] {
      let count = bytes.count / MemoryLayout<Value>.size
      return [Value](unsafeUninitializedCapacity: count) { values, initialized in
        _ = UnsafeMutableRawBufferPointer(values).copyBytes(from: bytes)
        initialized = count
      }
    }
    return switch memoryType {
    case .uint16: .uint16(values())
    case .int16: .int16(values())
    case .float32: .float32(values())
    default: .uint8(bytes)
    }
  }

  /// The values as bytes, in their order.
  ///
  /// - Parameter name: the dataset's name in messages.
  /// - Throws: ``DatasetError`` with the first value that is no byte, and where it is.
  func bytes(_ values: DatasetValues, _ name: String) throws -> [UInt8] {
    func refuse(_ value: String, _ index: Int, _ advice: String) -> DatasetError {
      refusal(name, value, index, advice)
    }
    switch values {
    case .uint8(let bytes): return bytes
    case .float64(let values):
      let factor = kind == .image ? 255.0 : 1
      let limit = kind == .image ? 1.0 : 255
      return try values.enumerated().map { index, value in
        guard value >= 0, value <= limit, kind == .image || value == value.rounded() else {
          throw refuse("\(value)", index, advice)
        }
        return UInt8((value * factor).rounded())
      }
    case .int64(let values):
      return try values.enumerated().map { index, value in
        guard let byte = UInt8(exactly: value) else { throw refuse("\(value)", index, advice) }
        return byte
      }
    default: return []
    }
  }

  private func refusal(_ name: String, _ value: String, _ index: Int, _ advice: String) -> DatasetError {
    let pixel = isChannelsFirst ? index % (height * width) : index / channels
    return FileBytes.problem(
      name,
      "is \(description) and has the value \(value) at pixel (x \(pixel % width), y \(pixel / width)): \(advice)")
  }

  private var advice: String {
    switch (kind, type) {
    case (.image, .float):
      "floats are of 0 to 1; store values of 0 to 255 as uint8, and undo a normalisation, which training does itself"
    case (.image, _): "integers are of 0 to 255; scale them to 8 bits, such as (a // 256).astype('uint8') for 16"
    case (.mask, _): "values are class numbers, or 255 for ignore; np.where(a < 0, 255, a).astype('uint8') mends −1"
    }
  }

  /// The image in its own channels.
  ///
  /// - Parameter name: the dataset's name in messages.
  /// - Throws: ``DatasetError`` with the first value that no image of the form has.
  func image(_ values: DatasetValues, _ name: String) throws -> Raster {
    func image(_ values: Raster.Values) -> Raster {
      Raster(height: height, width: width, channels: channels, values: values)
    }
    guard isWhole else { return image(.uint8(channelsLast(try bytes(values, name)))) }
    switch values {
    case .uint8(let values): return image(.uint8(channelsLast(values)))
    case .uint16(let values): return image(.uint16(channelsLast(values)))
    case .int16(let values): return image(.int16(channelsLast(values)))
    case .float32(let values): return image(.float32(channelsLast(values)))
    case .int64(let values):
      let floats = try values.enumerated().map { index, value in
        guard let float = Float(exactly: value) else {
          throw refusal(
            name, "\(value)", index, "integers of more than 16 bits have to be exact as float32, up to 2^24")
        }
        return float
      }
      return image(.float32(channelsLast(floats)))
    case .float64, .int32: throw FileBytes.problem(name, "is \(description), and was read as another type")
    }
  }

  private func channelsLast<Value>(_ values: [Value]) -> [Value] {
    guard isChannelsFirst, channels > 1 else { return values }
    let count = height * width
    var result: [Value] = []
    result.reserveCapacity(values.count)
    for p in 0..<count {
      for c in 0..<channels { result.append(values[c * count + p]) }
    }
    return result
  }
}
