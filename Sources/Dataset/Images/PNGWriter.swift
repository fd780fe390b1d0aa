internal import CImageIO
import Files
import Foundation

/// A PNG that is written from its first row to its last, so that a large picture need not be in memory.
///
/// The file has its name when it is complete; until then, and after an error, an older one of that name stays.
public final class PNGWriter {
  /// What the bytes of a pixel are.
  public enum Kind {
    /// Red, green and blue.
    case color
    /// 1 to 4 channels: grey, grey and alpha, colour, colour and alpha, of 8 bits, or of 16 in this machine's order of
    /// bytes.
    case values(channels: Int, bits: Int)
    case grey
    /// The number of a colour. RGB triples that viewers show numbers in; at most 256 are used, and numbers past the end
    /// are shown in VOC's colours.
    case palette([[UInt8]])
  }

  private let path: String
  private let temporary: String
  private let rowBytes: Int
  private var descriptor: Int32
  private var writer: OpaquePointer?

  /// - Throws: ``DatasetError`` naming the file if it cannot be written, as all of this does.
  public init(_ path: String, height: Int, width: Int, _ kind: Kind) throws {
    self.path = path
    // Not after the file's own name, which may be as long as names can be.
    temporary = FileSystem.temporaryPath(for: FileSystem.join(FileSystem.directory(of: path), "png"))
    var channels = 1, bits = 8
    var palette: [UInt8] = []
    switch kind {
    case .color: channels = 3
    case .values(let count, let depth): (channels, bits) = (count, depth)
    case .grey: break
    case .palette(let colors):
      // All 256 entries are written: readers reject indices that have no entry, and 255 is one.
      palette = (0..<256).flatMap { index in
        index < colors.count && colors[index].count == 3 ? colors[index] : ImageFile.vocPalette[index]
      }
    }
    rowBytes = width * channels * bits / 8
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileBytes.problem(path, "cannot be written: \(FileBytes.reason())") }
    writer = u2pl_png_begin(descriptor)
    guard let writer else { throw FileBytes.problem(path, "cannot be written: out of memory") }
    let failed = palette.withUnsafeBufferPointer { colors in
      u2pl_png_head(
        writer, UInt32(width), UInt32(height), Int32(channels), Int32(bits), colors.isEmpty ? nil : colors.baseAddress,
        Int32(colors.count / 3))
    }
    try require(failed)
  }

  deinit {
    u2pl_png_free(writer)
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporary)
  }

  /// Writes the next rows, one or several.
  public func write(_ pixels: [UInt8]) throws {
    precondition(pixels.count % rowBytes == 0)
    try require(u2pl_png_rows(writer, pixels, UInt32(pixels.count / rowBytes)))
  }

  /// Gives the file its name, after its last row.
  public func finish() throws {
    try require(u2pl_png_end(writer))
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0, rename(temporary, path) == 0 else {
      let reason = FileBytes.reason()
      unlink(temporary)
      throw FileBytes.problem(path, "cannot be written: \(reason)")
    }
  }

  private func require(_ failed: Int32) throws {
    guard failed != 0 else { return }
    throw FileBytes.problem(path, "cannot be written: \(String(cString: u2pl_png_message(writer)))")
  }
}
