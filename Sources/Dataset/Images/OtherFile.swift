import Files

/// A file that is neither a JPEG nor a PNG: what its first bytes say it is, and what to do with it.
struct OtherFile {
  /// Such as `a WebP image`.
  let kind: String
  /// What to do, such as a command to type.
  let remedy: String

  /// - Returns: nil where the bytes tell nothing.
  init?(_ bytes: [UInt8], _ path: String) {
    guard
      let (kind, remedy) = Self.image(bytes, path) ?? Self.noImage(bytes, path) ?? Self.text(bytes, path)
        ?? Self.shifted(bytes, path)
    else { return nil }
    (self.kind, self.remedy) = (kind, remedy)
  }

  /// What a file is in the place of a text, such as `a NumPy array`; nil where its first bytes do not tell.
  static func notText(_ bytes: [UInt8], _ path: String) -> String? {
    if has([0xFF, 0xD8, 0xFF], bytes, at: 0) { return "a JPEG image" }
    if has([0x89, 0x50, 0x4E, 0x47], bytes, at: 0) { return "a PNG image" }
    return (image(bytes, path) ?? noImage(bytes, path))?.kind
  }

  private typealias Finding = (kind: String, remedy: String)

  // MARK: Images of other formats

  private static func image(_ bytes: [UInt8], _ path: String) -> Finding? {
    func begins(_ text: String, at offset: Int = 0) -> Bool { has(Array(text.utf8), bytes, at: offset) }
    func begins(_ start: [UInt8]) -> Bool { has(start, bytes, at: 0) }
    if begins("RIFF"), begins("WEBP", at: 8) {
      return ("a WebP image", convert(path, "webp") { "dwebp \($0) -o \($1)" } + " (package webp)")
    }
    if begins("ftyp", at: 4) { return container(bytes, path) }
    if begins([0x49, 0x49, 0x2A, 0]) || begins([0x4D, 0x4D, 0, 0x2A]) || begins([0x49, 0x49, 0x2B, 0])
      || begins([0x4D, 0x4D, 0, 0x2B])
    {
      return (
        "a TIFF image, or a camera's raw picture, which begins alike",
        "let its name end in .tif, or " + magick(path, "tif")
      )
    }
    // A BMP has a reserved field of zeros, and the size of its second header; two letters alone may begin a text.
    if begins("BM"), bytes.count > 26, bytes[6..<10].allSatisfy({ $0 == 0 }) {
      return ("a BMP image", magick(path, "bmp"))
    }
    if begins("GIF8") { return ("a GIF image", magick(path, "gif")) }
    if begins([0, 0, 0, 12] + Array("jP  ".utf8)) || begins([0xFF, 0x4F, 0xFF, 0x51]) {
      return (
        "a JPEG 2000 image", convert(path, "jp2") { "opj_decompress -i \($0) -o \($1)" } + " (package libopenjp2-tools)"
      )
    }
    if begins([0, 0, 0, 12] + Array("JXL ".utf8)) || begins([0xFF, 0x0A]) {
      return ("a JPEG XL image", convert(path, "jxl") { "djxl \($0) \($1)" } + " (package libjxl-tools)")
    }
    if begins("8BPS") { return ("a Photoshop document", magick(path, "psd")) }
    if begins([0x76, 0x2F, 0x31, 0x01]) { return ("an OpenEXR image", magick(path, "exr")) }
    if begins("#?RADIANCE") || begins("#?RGBE") { return ("a Radiance HDR image", magick(path, "hdr")) }
    if begins("FUJIFILMCCD-RAW") { return ("a camera's raw picture", magick(path, "raf")) }
    if begins([0x8A] + Array("MNG".utf8)) || begins([0x8B] + Array("JNG".utf8)) {
      return ("an MNG or JNG image", magick(path, "mng"))
    }
    if begins([0, 0, 1, 0]), bytes.count > 6, bytes[4] > 0 { return ("a Windows icon", magick(path, "ico")) }
    if bytes.count > 2, bytes[0] == UInt8(ascii: "P"), (0x31...0x37).contains(bytes[1]), isSpace(bytes[2]) {
      return ("a PNM image (PBM, PGM, PPM)", magick(path, "pnm"))
    }
    if begins("DICM", at: 128) {
      return ("a DICOM image", convert(path, "dcm") { "dcmj2pnm +on \($0) \($1)" } + " (package dcmtk)")
    }
    if begins("n+1\0", at: 344) || begins("ni1\0", at: 344) || begins("n+2\0", at: 4) {
      return ("a NIfTI volume", "let its name end in .nii")
    }
    if begins("NRRD") {
      return ("an NRRD volume", "write its slices as 8-bit PNGs, for instance with pynrrd in Python")
    }
    if begins("%PDF") { return ("a PDF document", convert(path, "pdf") { "pdftoppm -png -singlefile \($0) > \($1)" }) }
    return nil
  }

  /// HEIF and its relatives, and films, are boxes of one kind, with a brand in the first.
  private static func container(_ bytes: [UInt8], _ path: String) -> Finding {
    let brand = String(decoding: bytes.dropFirst(8).prefix(4), as: UTF8.self)
    switch brand {
    case "avif", "avis":
      return ("an AVIF image", convert(path, "avif") { "heif-convert \($0) \($1)" } + " (package libheif-examples)")
    case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "mif2", "msf1", "miaf":
      return ("a HEIC image", convert(path, "heic") { "heif-convert \($0) \($1)" } + " (package libheif-examples)")
    case "crx ": return ("a camera's raw picture", magick(path, "cr3"))
    default:
      return (
        "a film (\(printable(brand)))", "write its frames, for instance with ffmpeg -i \(quoted(path)) frame-%05d.png"
      )
    }
  }

  // MARK: No images

  private static func noImage(_ bytes: [UInt8], _ path: String) -> Finding? {
    let magic: [(start: [UInt8], kind: String, remedy: String)] = [
      ([0x1F, 0x8B], "a gzip archive", "unpack it: gunzip -S '' or tar -xzf \(quoted(path))"),
      ([0x50, 0x4B, 3, 4], "a zip archive", "unpack it: unzip \(quoted(path))"),
      ([0x50, 0x4B, 5, 6], "an empty zip archive", "copy or download it again"),
      (Array("7z".utf8) + [0xBC, 0xAF], "a 7z archive", "unpack it: 7z x \(quoted(path))"),
      (Array("Rar!".utf8), "a RAR archive", "unpack it: unrar x \(quoted(path))"),
      ([0xFD] + Array("7zXZ".utf8), "an xz archive", "unpack it with xz or tar -xJf"),
      ([0x28, 0xB5, 0x2F, 0xFD], "a zstd archive", "unpack it with unzstd"),
      (Array("BZh".utf8), "a bzip2 archive", "unpack it with bunzip2"),
      (
        [0x93] + Array("NUMPY".utf8), "a NumPy array",
        "let its name end in .npy"
      ),
      (
        [0x89] + Array("HDF".utf8), "an HDF5 file",
        "take it as data.root, with data.kind: hdf5, where it holds a data set"
      ),
      (
        Array("MATLAB 5.0".utf8), "a MATLAB file",
        "write its arrays as PNGs, for instance with scipy.io.loadmat in Python"
      ),
      (
        [0, 5, 0x16, 7], "a companion file of macOS, no image",
        "take it out of the list; the image has the name without ._"
      ),
      (Array("RIFF".utf8), "a film or a sound (RIFF)", "write its frames, for instance with ffmpeg"),
      ([0x7F] + Array("ELF".utf8), "a program", "correct the list"),
    ]
    if let found = magic.first(where: { has($0.start, bytes, at: 0) }) { return (found.kind, found.remedy) }
    if bytes.count >= 8, bytes.allSatisfy({ $0 == 0 }) {
      return (
        "nothing but zeros: room was made for it and never filled, as by a copy or download that broke off",
        "copy or download it again"
      )
    }
    return nil
  }

  // MARK: Text in the place of an image

  private static func text(_ bytes: [UInt8], _ path: String) -> Finding? {
    let start = bytes.prefix(2048)
    // A byte order mark, and blank lines.
    let begin = start.starts(with: [0xEF, 0xBB, 0xBF]) ? start.dropFirst(3) : start
    guard !begin.contains(where: { $0 < 9 || $0 > 13 && $0 < 32 && $0 != 27 }) else { return nil }
    let words = String(decoding: begin, as: UTF8.self).trimmingPrefix(while: \.isWhitespace)
    let lower = words.lowercased()
    let name = quoted(path)
    if let pointer = StorePointer(bytes, path) {
      return ("the pointer of \(pointer.store), not the image", "fetch the images: \(pointer.remedy)")
    }
    if lower.contains("<svg") { return ("an SVG drawing", convert(path, "svg") { "rsvg-convert \($0) -o \($1)" }) }
    if lower.hasPrefix("<!doctype html") || lower.hasPrefix("<html") || lower.contains("<head")
      || lower.contains("<body")
    {
      return (
        "a web page, such as a server's answer to a download that needs a login or is not there",
        "look into it (less \(name)) and download the image again"
      )
    }
    if lower.hasPrefix("<") {
      return (
        "an XML text, such as a storage server's answer to a download that was refused or is not there",
        "look into it (less \(name)) and download the image again"
      )
    }
    guard String(validating: begin.dropLast(bytes.count > 2048 ? 4 : 0), as: UTF8.self) != nil, !words.isEmpty else {
      return nil
    }
    let first = words.prefix { !$0.isNewline }.prefix(40)
    return ("a text that begins with '\(first)'", "correct the list, or copy or download the image again")
  }

  /// An image with other bytes before it, as a program leaves them that saves an answer with its head.
  private static func shifted(_ bytes: [UInt8], _ path: String) -> Finding? {
    for offset in bytes.indices.prefix(4096) {
      let isJPEG = has([0xFF, 0xD8, 0xFF], bytes, at: offset)
      guard isJPEG || has([0x89, 0x50, 0x4E, 0x47], bytes, at: offset) else { continue }
      let name = quoted(path)
      return (
        "a \(isJPEG ? "JPEG" : "PNG") behind \(offset) other bytes",
        "cut them off: tail -c +\(offset + 1) \(name) > FILE && mv FILE \(name)"
      )
    }
    return nil
  }

  // MARK: Words

  private static func has(_ start: [UInt8], _ bytes: [UInt8], at offset: Int) -> Bool {
    bytes.count >= offset + start.count && bytes[offset..<offset + start.count].elementsEqual(start)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

  private static func magick(_ path: String, _ suffix: String) -> String {
    convert(path, suffix) { "convert \($0)'[0]' \($1)" } + " (package imagemagick)"
  }

  /// Renames the file after what it is and writes a PNG of the old name, so that a list still finds it, and once.
  private static func convert(_ path: String, _ suffix: String, _ command: (_ from: String, _ to: String) -> String)
    -> String
  {
    let (folder, name) = FileNames.split(path)
    // In a packed file there is no name to type.
    guard !path.contains(": images/"), !path.contains(": labels/") else {
      return "convert the image to PNG and pack it again"
    }
    let base = (folder.isEmpty && !path.hasPrefix("/") ? "" : folder + "/") + FileNames.stem(name)
    let (renamed, png) = (quoted("\(base).\(suffix)"), quoted("\(base).png"))
    let rename = renamed == quoted(path) ? "" : "mv \(quoted(path)) \(renamed) && "
    return "convert it: \(rename)\(command(renamed, png))"
  }

  private static func quoted(_ text: String) -> String { FileSystem.shellWord(text) }

  private static func printable(_ text: String) -> String {
    text.unicodeScalars.allSatisfy { $0.isASCII && $0.value >= 32 } ? text : "of an unknown kind"
  }
}
