internal import CImageIO
import Transforms

/// The header of an image file.
public struct ImageHeader: Sendable, Equatable {
  public enum Format: Sendable { case jpeg, png }
  public let format: Format
  public let height: Int
  public let width: Int
  /// As stored: 1 grey or palette, 2 grey and alpha, 3 colour, 4 colour and alpha (PNG) or CMYK (JPEG).
  public let channels: Int
  /// Bits per channel, or per palette index.
  public let bits: Int
  /// Whether pixels are indices into a palette.
  public let palette: Bool
}

/// JPEG and PNG files, told apart by their first bytes, not by their names.
public enum ImageFile {
  /// The longest side read. A few bytes can claim a size that exhausts memory.
  public static let longestSide = 20_000

  /// The header of a file.
  ///
  /// - Throws: ``DatasetError`` naming the file if it is no image, damaged, or larger than ``longestSide``.
  public static func header(_ path: String) throws -> ImageHeader {
    try header(path, FileBytes.read(path)).0
  }

  /// An image in 8-bit colour: grey and palettes become colours, alpha is dropped, of 16 bits the high 8 are kept.
  ///
  /// JPEGs are decoded with the accurate integer transform and smooth chroma upsampling, as most libraries do.
  /// - Throws: ``DatasetError`` naming the file if it is no image, damaged, CMYK, or larger than ``longestSide``.
  public static func readRGB(_ path: String) throws -> RGBImage { try decodeRGB(FileBytes.read(path), path) }

  /// The same for a file's bytes; `path` is their name in messages.
  static func decodeRGB(_ bytes: [UInt8], _ path: String) throws -> RGBImage {
    let header = try header(path, bytes).0
    try checkConvertible(path, header)
    let pixels = try decode(path, header, channels: 3) { pixels, width, height, message in
      switch header.format {
      case .jpeg: u2pl_jpeg_decode(bytes, bytes.count, width, height, pixels, message)
      case .png: u2pl_png_decode(bytes, bytes.count, 3, width, height, pixels, message)
      }
    }
    return RGBImage(height: header.height, width: header.width, pixels: pixels)
  }

  /// A mask: the indices of a palette PNG, or the values of a grey one of at most 8 bits, as stored.
  ///
  /// - Throws: ``DatasetError`` naming the file if it is damaged or holds colours, 16-bit values or a JPEG.
  public static func readLabels(_ path: String) throws -> LabelMap { try decodeLabels(FileBytes.read(path), path) }

  /// The same for a file's bytes; `path` is their name in messages.
  static func decodeLabels(_ bytes: [UInt8], _ path: String) throws -> LabelMap {
    let header = try header(path, bytes).0
    guard header.format == .png else {
      throw FileBytes.problem(path, "a mask must be a PNG; JPEG compression alters class numbers")
    }
    guard header.channels == 1, header.bits <= 8 else {
      let kind = header.bits > 8 ? "\(header.bits)-bit values" : header.channels == 2 ? "grey with alpha" : "colours"
      throw FileBytes.problem(
        path,
        "the mask holds \(kind); save it as a palette or 8-bit grey PNG whose values are class numbers "
          + "(\(LabelMap.ignore) = ignore)")
    }
    let values = try decode(path, header, channels: 1) { pixels, width, height, message in
      u2pl_png_decode(bytes, bytes.count, 1, width, height, pixels, message)
    }
    return LabelMap(height: header.height, width: header.width, values: values)
  }

  static func checkConvertible(_ path: String, _ header: ImageHeader) throws {
    if header.format == .jpeg, header.channels == 4 {
      throw FileBytes.problem(path, "is a CMYK JPEG; convert it to RGB")
    }
  }

  /// - Returns: the header, and for a JPEG where the data of its first scan begins.
  static func header(_ path: String, _ bytes: [UInt8]) throws -> (ImageHeader, dataOffset: Int) {
    let format: ImageHeader.Format
    if bytes.isEmpty {
      throw FileBytes.problem(path, "the file is empty")
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      format = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
      format = .png
    } else {
      throw FileBytes.problem(path, "is neither a JPEG nor a PNG image, whatever its name says")
    }
    var raw = u2pl_image_header()
    try call(path, format) { message in
      format == .jpeg
        ? u2pl_jpeg_header(bytes, bytes.count, &raw, message) : u2pl_png_header(bytes, bytes.count, &raw, message)
    }
    let header = ImageHeader(
      format: format, height: Int(raw.height), width: Int(raw.width), channels: Int(raw.channels), bits: Int(raw.bits),
      palette: raw.palette != 0)
    guard header.width > 0, header.height > 0, header.width <= longestSide, header.height <= longestSide else {
      throw FileBytes.problem(
        path, "claims \(header.width)×\(header.height) pixels; sides may have 1 to \(longestSide)")
    }
    guard raw.dense != 0 || bytes.count >= leastBytes(header) else {
      throw FileBytes.problem(
        path,
        "claims \(header.width)×\(header.height) pixels, for which \(bytes.count) bytes are too few: it is damaged or "
          + "incomplete; copy or export it again")
    }
    return (header, raw.data_offset)
  }

  /// The fewest bytes that such an image can have. Decoders would allocate gigabytes for a small file whose header
  /// claims a large image.
  private static func leastBytes(_ header: ImageHeader) -> Int {
    switch header.format {
    // At least a bit for each block of 8×8 pixels.
    case .jpeg: header.height * header.width / 64 / 8
    // Deflate turns one byte into at most 1032.
    case .png: header.height * (header.width * header.channels * header.bits / 8) / 1032
    }
  }

  private static func decode(
    _ path: String, _ header: ImageHeader, channels: Int,
    _ body: (UnsafeMutablePointer<UInt8>, UInt32, UInt32, UnsafeMutablePointer<CChar>) -> Int32
  ) throws -> [UInt8] {
    let size = header.height * header.width * channels
    return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      try call(path, header.format) { message in
        body(buffer.baseAddress!, UInt32(header.width), UInt32(header.height), message)
      }
      count = size
    }
  }

  /// Runs one function of the shim and turns its message into an error that names the file.
  private static func call(
    _ path: String, _ format: ImageHeader.Format, _ body: (UnsafeMutablePointer<CChar>) -> Int32
  ) throws {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(U2PL_MESSAGE_SIZE)) { message in
      message.initialize(repeating: 0)
      guard body(message.baseAddress!) != 0 else { return }
      let name = format == .jpeg ? "JPEG" : "PNG"
      throw FileBytes.problem(
        path,
        "is damaged or incomplete as a \(name) (\(String(cString: message.baseAddress!))); copy or export it again")
    }
  }
}
