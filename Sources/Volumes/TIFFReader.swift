internal import CTIFF
import Files
import Transforms

/// TIFF and BigTIFF. Each page is a slice; smaller copies of a page, as in tiled pictures of satellites, are passed over.
struct TIFFReader: SliceReader {
  let header: VolumeHeader
  private let path: String
  private let number: StoredNumber
  private let pages: [u2pl_tiff_page]

  init(_ path: String) throws {
    self.path = path
    let file = try TIFFHandle(path)
    var pages: [u2pl_tiff_page] = []
    while let page = try file.next() {
      if page.reduced != 0, !pages.isEmpty { continue }
      pages.append(page)
      guard pages.count <= VolumeFile.mostSlices else {
        throw file.problem("has more than \(VolumeFile.mostSlices) pages; split it")
      }
    }
    guard let first = pages.first else { throw file.problem("has no page; export it again") }
    number = try Self.number(first, file)
    for (index, page) in pages.enumerated() {
      guard Self.isAlike(page, first) else {
        throw file.problem(
          "page \(index) has \(Self.description(page)), and page 0 has \(Self.description(first)): the pages of a volume are "
            + "alike; split it: tiffsplit")
      }
    }
    self.pages = pages
    header = VolumeHeader(
      format: .tiff, slices: pages.count, height: Int(first.height), width: Int(first.width),
      channels: Int(first.samples),
      type: number.pixelType, storedType: number.rawValue, hasAlpha: first.alpha != 0 && first.samples > 1)
    try Self.requireReadable(
      path, slices: header.slices, height: header.height, width: header.width, channels: header.channels,
      size: number.size)
    for page in pages { try Self.requireData(page, file) }
  }

  func stored(_ index: Int) throws -> StoredPixels {
    let page = pages[index]
    let size = header.height * header.width * header.channels * number.size
    let file = try TIFFHandle(path)
    try Self.requireData(page, file)
    let bytes = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      // libtiff leaves what it does not decode; a file must not show what memory has held.
      buffer.initialize(repeating: 0)
      try file.decode(page, into: buffer)
      count = size
    }
    return StoredPixels(
      height: header.height, width: header.width, channels: header.channels, number: number, bytes: bytes,
      place: Self.place(path, index, of: pages.count))
  }

  private static func isAlike(_ a: u2pl_tiff_page, _ b: u2pl_tiff_page) -> Bool {
    a.width == b.width && a.height == b.height && a.samples == b.samples && a.bits == b.bits && a.format == b.format
      && a.photometric == b.photometric && a.orientation == b.orientation
  }

  private static func description(_ page: u2pl_tiff_page) -> String {
    let kind = ["", "unsigned", "signed", "float"]
    let format = kind.indices.contains(Int(page.format)) ? kind[Int(page.format)] : "unknown"
    return "\(page.width)×\(page.height) pixels of \(page.samples) × \(page.bits) bits (\(format))"
  }

  private static func number(_ page: u2pl_tiff_page, _ file: TIFFHandle) throws -> StoredNumber {
    guard page.orientation == 1 else {
      throw file.problem(
        "its orientation is \(page.orientation): rows or columns are stored in another order than they are shown; write it "
          + "as it is shown: convert IN.tif -auto-orient OUT.tif (package imagemagick)")
    }
    switch page.photometric {
    // White or black is 0, RGB, YCbCr, which libtiff turns into RGB where it is compressed as JPEG.
    case 0, 1, 2: break
    case 6 where page.compression == 7: break
    case 3:
      // Numbers, as those of palette PNGs that are masks.
      guard page.bits == 8, page.samples == 1 else { throw file.problem("has a palette of \(page.bits) bits; use 8") }
    default:
      let names: [Int32: String] = [
        4: "a transparency mask", 5: "CMYK", 6: "YCbCr", 8: "CIE Lab", 32803: "a raw picture",
      ]
      throw file.problem(
        "holds \(names[page.photometric] ?? "colours of kind \(page.photometric)"), of which values are not read; convert it: "
          + "convert IN.tif -colorspace sRGB OUT.tif (package imagemagick)")
    }
    let number: StoredNumber? =
      switch (page.format, page.bits) {
      case (1, 8): .uint8
      case (1, 16): .uint16
      case (1, 32): .uint32
      case (1, 64): .uint64
      case (2, 8): .int8
      case (2, 16): .int16
      case (2, 32): .int32
      case (2, 64): .int64
      case (3, 16): .float16
      case (3, 32): .float32
      case (3, 64): .float64
      default: nil
      }
    guard let number else {
      throw file.problem(
        "has \(description(page)); values of 8, 16 and 32 bits are read: convert IN.tif -depth 8 OUT.tif (package imagemagick)"
      )
    }
    return number
  }

  /// Refuses a page that is too large for the file: decoders would allocate gigabytes for a few bytes.
  private static func requireData(_ page: u2pl_tiff_page, _ file: TIFFHandle) throws {
    let pixels = Int(page.width) * Int(page.height) * Int(page.samples) * Int(page.bits) / 8
    // The factor by which a compression can shrink values.
    let factor: [Int32: Int] = [
      1: 1, 5: 2600, 7: 1 << 13, 8: 1040, 32946: 1040, 32773: 64, 34925: 1 << 16, 50000: 1 << 16, 50001: 1 << 16,
    ]
    guard pixels / factor[page.compression, default: 1 << 16] <= file.size else {
      throw file.problem(
        "claims \(description(page)), for which a file of \(file.size) bytes is too small: it is damaged or incomplete; copy or export it "
          + "again")
    }
  }
}

/// A TIFF that is open for reading.
final class TIFFHandle {
  private let open: OpenFile
  let file: OpaquePointer

  var size: Int { open.size }

  /// - Throws: ``FileError``.
  init(_ path: String) throws {
    open = try OpenFile(path)
    guard let file = u2pl_tiff_read(open.descriptor, path, UInt64(VolumeFile.mostBytes)) else {
      throw FileError(description: "\(path): out of memory")
    }
    self.file = file
  }

  deinit { u2pl_tiff_close(file) }

  /// The next page; nil after the last.
  func next() throws -> u2pl_tiff_page? {
    var page = u2pl_tiff_page()
    switch u2pl_tiff_next(file, &page) {
    case 0: return page
    case -1: return nil
    default: throw damaged()
    }
  }

  func decode(_ page: u2pl_tiff_page, into buffer: UnsafeMutableBufferPointer<UInt8>) throws {
    // A tile may be larger than a small image.
    let most = UInt64(buffer.count + (64 << 20))
    let failed = withUnsafePointer(to: page) {
      u2pl_tiff_decode(file, $0, buffer.baseAddress, UInt64(buffer.count), most)
    }
    if failed != 0 { throw damaged() }
  }

  private func damaged() -> FileError {
    let why = String(cString: u2pl_tiff_message(file))
    if why.contains("not configured") || why.contains("not implemented") || why.contains("Unknown compression") {
      return problem(
        "has a compression that this libtiff lacks (\(why)); write it with another: tiffcp -c lzw IN.tif OUT.tif, or "
          + "tifffile in Python")
    }
    return problem("is damaged or incomplete as a TIFF (\(why)); copy or export it again")
  }

  func problem(_ what: String) -> FileError { FileError(description: "\(open.path): \(what)") }
}
