internal import CImageIO
import Foundation
import Transforms

/// The header of an image file.
public struct ImageHeader: Sendable, Equatable {
  public enum Format: Sendable { case jpeg, png }
  public let format: Format
  /// Of the picture as viewers show it: with its EXIF orientation applied.
  public let height: Int
  public let width: Int
  /// As stored: 1 grey or palette, 2 grey and alpha, 3 colour, 4 colour and alpha (PNG) or CMYK (JPEG).
  public let channels: Int
  /// Bits per channel, or per palette index.
  public let bits: Int
  /// Whether pixels are indices into a palette.
  public let palette: Bool
  /// EXIF's, 1 to 8; 1 for a picture that is shown as it is stored.
  public let orientation: Int

  /// As an image has them, whose palette stands for colours.
  var shownChannels: Int { palette ? 3 : channels }
  /// Whether the last channel is alpha.
  var hasAlpha: Bool { channels % 2 == 0 }

  /// Height and width before the orientation is applied.
  var stored: (height: Int, width: Int) {
    ExifOrientation.swapsSides(orientation) ? (width, height) : (height, width)
  }
}

/// JPEG and PNG files, told apart by their first bytes, not by their names.
///
/// All of them are read as viewers show them: turned and mirrored as their EXIF orientation says, masks too.
public enum ImageFile {
  /// The most bytes that the pixels of an image of 8-bit colour may take: 1.4 gigapixels. A file of a few bytes can
  /// claim a size that exhausts memory.
  public static let mostBytes = 4 << 30

  /// The header of a file.
  ///
  /// - Throws: ``DatasetError`` naming the file if it is no image, damaged, or larger than ``mostBytes``.
  public static func header(_ path: String) throws -> ImageHeader {
    try header(path, FileBytes.read(path)).0
  }

  /// An image in 8-bit colour, as ``ImageForm/color`` has it: grey and palettes become colours, alpha is dropped, of 16
  /// bits the high 8 are kept.
  ///
  /// JPEGs are decoded with the accurate integer transform and smooth chroma upsampling, as most libraries do.
  /// - Throws: ``DatasetError`` naming the file if it is no image, damaged, CMYK, or larger than ``mostBytes``.
  public static func readRGB(_ path: String) throws -> Raster { try read(path).image }

  /// An image in a form, and what else decoding has told.
  ///
  /// - Parameter accept: called with the header before memory is taken for the pixels; throws to leave the image alone.
  /// - Throws: ``DatasetError`` as ``readRGB(_:)``, also for an image of other channels than the form's.
  public static func read(
    _ path: String, _ form: ImageForm = .color, accept: (ImageHeader) throws -> Void = { _ in }
  ) throws -> (image: Raster, facts: ImageFacts) {
    try decode(FileBytes.read(path), path, form, accept: accept)
  }

  /// The same for a file's bytes; `path` is their name in messages.
  static func decode(
    _ bytes: [UInt8], _ path: String, _ form: ImageForm, accept: (ImageHeader) throws -> Void = { _ in }
  ) throws -> (image: Raster, facts: ImageFacts) {
    let header = try header(path, bytes).0
    try checkConvertible(path, header, form)
    try accept(header)
    let channels = form.channels, isWide = header.bits == 16, isWhole = form.isWhole && header.format == .png
    let bytesAPixel = channels * (isWhole && isWide ? 2 : 1)
    let (pixels, report) = try decode(path, header, bytesAPixel: bytesAPixel) { pixels, width, height, report in
      switch header.format {
      case .jpeg: u2pl_jpeg_decode(bytes, bytes.count, Int32(channels), width, height, pixels, report)
      case .png where isWhole:
        u2pl_png_decode_whole(bytes, bytes.count, Int32(channels), width, height, pixels, report)
      case .png: u2pl_png_decode(bytes, bytes.count, 3, width, height, pixels, report)
      }
    }
    let facts = ImageFacts(
      height: header.height, width: header.width, channels: header.shownChannels, orientation: header.orientation,
      flaw: try flaw(path, header, report), depth: isWide && !isWhole ? ImageFacts.Depth(report) : nil)
    let values: Raster.Values = isWhole && isWide ? .uint16(wide(pixels)) : .uint8(pixels)
    return (Raster(height: header.height, width: header.width, channels: channels, values: values), facts)
  }

  /// Values of two bytes each, in this machine's order.
  private static func wide(_ bytes: [UInt8]) -> [UInt16] {
    [UInt16](unsafeUninitializedCapacity: bytes.count / 2) { values, count in
      _ = UnsafeMutableRawBufferPointer(values).copyBytes(from: bytes)
      count = bytes.count / 2
    }
  }

  /// A mask: the indices of a palette PNG, or the values of a grey one of at most 8 bits, as stored.
  ///
  /// - Throws: ``DatasetError`` naming the file if it is damaged or holds colours, 16-bit values or a JPEG.
  public static func readLabels(_ path: String) throws -> LabelMap { try decodeLabels(FileBytes.read(path), path) }

  /// The same for a file's bytes; `path` is their name in messages.
  package static func decodeLabels(_ bytes: [UInt8], _ path: String) throws -> LabelMap {
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
    let values = try decode(path, header, bytesAPixel: 1) { pixels, width, height, report in
      u2pl_png_decode(bytes, bytes.count, 1, width, height, pixels, report)
    }.pixels
    return LabelMap(height: header.height, width: header.width, values: values)
  }

  static func checkConvertible(_ path: String, _ header: ImageHeader, _ form: ImageForm) throws {
    if header.format == .jpeg, header.channels == 4 {
      throw FileBytes.problem(path, "is a CMYK JPEG; convert it to RGB: convert IN.jpg -colorspace sRGB OUT.png")
    }
    try form.require(header.shownChannels, hasAlpha: header.hasAlpha, path)
  }

  /// - Returns: the header, and for a JPEG where the data of its first scan begins.
  static func header(_ path: String, _ bytes: [UInt8]) throws -> (ImageHeader, dataOffset: Int) {
    let format: ImageHeader.Format
    if bytes.isEmpty {
      throw FileBytes.problem(path, "the file is empty; copy or download it again")
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      format = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
      format = .png
    } else if let other = OtherFile(bytes, path) {
      throw FileBytes.problem(
        path, "is neither a JPEG nor a PNG image, whatever its name says, but \(other.kind); \(other.remedy)")
    } else {
      throw FileBytes.problem(path, "is neither a JPEG nor a PNG image, whatever its name says; convert it to PNG")
    }
    var raw = u2pl_image_header()
    try withMessage { message in
      let failed =
        format == .jpeg
        ? u2pl_jpeg_header(bytes, bytes.count, &raw, message) : u2pl_png_header(bytes, bytes.count, &raw, message)
      guard failed == 0 else { throw damaged(path, format, String(cString: message)) }
    }
    let orientation = format == .jpeg ? ExifOrientation.ofJPEG(bytes) : ExifOrientation.ofPNG(bytes)
    let (height, width) = (Int(raw.height), Int(raw.width))
    let isTurned = ExifOrientation.swapsSides(orientation)
    let header = ImageHeader(
      format: format, height: isTurned ? width : height, width: isTurned ? height : width, channels: Int(raw.channels),
      bits: Int(raw.bits), palette: raw.palette != 0, orientation: orientation)
    guard width > 0, height > 0, height <= mostBytes / 3 / width else {
      throw FileBytes.problem(
        path,
        "claims \(width)×\(height) pixels, which take \(gibibytes(3 * Double(width) * Double(height))) of memory; at most "
          + "\(gibibytes(Double(mostBytes))) are read: cut it into tiles")
    }
    guard raw.dense != 0 || bytes.count >= leastBytes(header) else {
      throw FileBytes.problem(
        path,
        "claims \(width)×\(height) pixels, for which \(bytes.count) bytes are too few: it is damaged or "
          + "incomplete; copy or export it again")
    }
    return (header, raw.data_offset)
  }

  private static func gibibytes(_ bytes: Double) -> String { String(format: "%.3g GiB", bytes / 0x1p30) }

  /// The fewest bytes that such an image can have. Decoders would allocate gigabytes for a small file whose header
  /// claims a large image.
  private static func leastBytes(_ header: ImageHeader) -> Int {
    let (height, width) = header.stored
    switch header.format {
    // At least a bit for each block of 8×8 pixels.
    case .jpeg: return height * width / 64 / 8
    // Deflate turns one byte into at most 1032.
    case .png: return height * (width * header.channels * header.bits / 8) / 1032
    }
  }

  /// Pixels as they are shown.
  private static func decode(
    _ path: String, _ header: ImageHeader, bytesAPixel: Int,
    _ body: (UnsafeMutablePointer<UInt8>, UInt32, UInt32, UnsafeMutablePointer<u2pl_image_report>) -> Int32
  ) throws -> (pixels: [UInt8], report: u2pl_image_report) {
    let (height, width) = header.stored
    let size = height * width * bytesAPixel
    var report = u2pl_image_report()
    let stored = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      guard body(buffer.baseAddress!, UInt32(width), UInt32(height), &report) == 0 else {
        throw damaged(path, header.format, message(report))
      }
      count = size
    }
    let pixels = ExifOrientation.shown(
      stored, height: height, width: width, bytesAPixel: bytesAPixel, orientation: header.orientation)
    return (pixels, report)
  }

  /// Whether what is missing from a JPEG is little enough to take the picture as viewers show it: its last rows of
  /// blocks, or a tenth of it, but never more than half.
  private static func flaw(_ path: String, _ header: ImageHeader, _ report: u2pl_image_report) throws -> String? {
    guard header.format == .jpeg else { return nil }
    let rows = header.stored.height, lost = Int(report.lost_rows)
    guard lost <= max(Int(report.block_rows), rows / 10), lost <= rows / 2 else {
      throw damaged(path, .jpeg, "its data ends \(lost) of \(rows) rows before the image does")
    }
    var parts: [String] = []
    if lost > 0 {
      parts.append(
        "its data ends early, and the last \(lost) of \(rows) rows are grey, all or in part, as viewers show them")
    } else if report.unended != 0 {
      parts.append("its end marker is missing, but all of its pixels are there")
    }
    if report.extraneous > 0 { parts.append("it has \(report.extraneous) bytes too many, which are left out") }
    if report.odd_scan != 0 { parts.append("the header of its scan has odd numbers, which do not matter") }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  private static func damaged(_ path: String, _ format: ImageHeader.Format, _ why: String) -> DatasetError {
    let name = format == .jpeg ? "JPEG" : "PNG"
    let otherKinds = ["Unsupported JPEG", "Unsupported color", "Sorry", "Maximum supported"]
    guard !otherKinds.contains(where: why.hasPrefix) else {
      return FileBytes.problem(
        path, "is a \(name) of a kind that is not read (\(why)); convert it to an 8-bit PNG, or to a baseline JPEG")
    }
    return FileBytes.problem(path, "is damaged or incomplete as a \(name) (\(why)); copy or export it again")
  }

  private static func message(_ report: u2pl_image_report) -> String {
    withUnsafeBytes(of: report.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// Runs `body` with room for a message of the shim.
  private static func withMessage(_ body: (UnsafeMutablePointer<CChar>) throws -> Void) throws {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(U2PL_MESSAGE_SIZE)) { message in
      message.initialize(repeating: 0)
      try body(message.baseAddress!)
    }
  }
}

extension ImageFacts.Depth {
  fileprivate init(_ report: u2pl_image_report) {
    self.init(greatest: Int(report.greatest), used: Int(report.used), isDoubled: report.doubled != 0)
  }
}
