internal import HDF5
import Transforms
import Volumes

/// A slice of a volume as an array of a ``PackedFile``: its pixels, the channels of each side by side, in their type.
struct PackedSlice {
  /// [height, width, channels]; [height, width] for one channel.
  let shape: [Int]
  let type: ElementType

  var bytes: Int { shape.reduce(type.size, *) }
}

extension ImagePlace {
  /// How an image is packed; nil for a JPEG or PNG, of which the file is packed.
  ///
  /// - Throws: ``DatasetError`` as ``check(_:)``.
  func packedImage(_ form: ImageForm) throws -> PackedSlice? {
    guard let header = try header(.image) else { return nil }
    let (height, width) = try check(form)
    let type: ElementType =
      switch header.type {
      case .uint8: .uint8
      case .uint16: .uint16
      case .int16: .int16
      case .float32: .float32
      }
    return PackedSlice(shape: [height, width] + (form.channels == 1 ? [] : [form.channels]), type: type)
  }

  /// How a mask is packed; nil for a PNG.
  func packedMask() throws -> PackedSlice? {
    try header(.mask).map { PackedSlice(shape: [$0.height, $0.width], type: .uint8) }
  }
}

extension Raster.Values {
  /// In this machine's byte order.
  var bytes: [UInt8] {
    switch self {
    case .uint8(let values): values
    case .uint16(let values): values.withUnsafeBytes { Array($0) }
    case .int16(let values): values.withUnsafeBytes { Array($0) }
    case .float32(let values): values.withUnsafeBytes { Array($0) }
    }
  }
}
