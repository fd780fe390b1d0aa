internal import CNIfTI
import Files
import Foundation
import Transforms

/// NIfTI-1 and NIfTI-2 in one file, compressed or not.
///
/// The axis of slices is the one that the header names (slice_dim), else the third. Of the other two, the first runs along
/// the columns of a slice and the second along its rows, as they are stored. A fourth axis, or a fifth, are channels.
struct NIfTIReader: SliceReader {
  let header: VolumeHeader
  private let path: String
  private let layout: Layout

  /// Where voxels are, and how slices are cut from them.
  private struct Layout {
    /// Of the first three axes.
    let extent: [Int]
    /// Images behind each other in the file.
    let volumes: Int
    /// Values that stand side by side in a voxel: 3 for colours.
    let samples: Int
    /// Of the first three axes: slices, rows, columns.
    let sliceAxis: Int, rowAxis: Int, columnAxis: Int
    let number: StoredNumber
    let isSwapped: Bool
    let scale: NumberScale
    let dataOffset: Int

    var voxel: Int { number.size * samples }
    var planeBytes: Int { extent[0] * extent[1] * voxel }
  }

  init(_ path: String) throws {
    self.path = path
    let file = try GzipFile(path)
    let start = try file.take(upTo: Int(U2PL_NIFTI_LARGEST_HEADER))
    let raw = try NIfTIHeader.parse(start, path)
    func problem(_ what: String) -> FileError { FileError(description: "\(path): \(what)") }
    guard let (number, samples) = Self.numbers[raw.datatype] else {
      throw problem(
        "its voxels are \(Self.otherTypes[raw.datatype] ?? "of the unknown type \(raw.datatype)"), which are not read; save "
          + "them as 16-bit integers or as float32")
    }
    let extent = withUnsafeBytes(of: raw.extent) { $0.bindMemory(to: Int64.self).map(Int.init) }
    guard extent[5] == 1, extent[6] == 1, extent[3] == 1 || extent[4] == 1 else {
      throw problem(
        "has the axes \(extent.map(String.init).joined(separator: " × ")); three of space and one of channels are read: split it"
      )
    }
    let volumes = extent[3] * extent[4]
    let sliceAxis = raw.slice_axis > 0 ? Int(raw.slice_axis) - 1 : 2
    let plane = [0, 1, 2].filter { $0 != sliceAxis }
    layout = Layout(
      extent: Array(extent[..<3]), volumes: volumes, samples: samples, sliceAxis: sliceAxis, rowAxis: plane[1],
      columnAxis: plane[0], number: number, isSwapped: raw.swapped != 0,
      scale: samples == 1 ? NumberScale(slope: raw.slope, inter: raw.inter) : NumberScale(),
      dataOffset: Int(raw.data_offset))
    let (height, width) = (extent[plane[1]], extent[plane[0]])
    let channels = volumes * samples
    try Self.requireReadable(
      path, slices: extent[sliceAxis], height: height, width: width, channels: channels, size: number.size)
    // A plane is read whole, and planes may be larger than slices.
    try Self.requireReadable(
      path, slices: extent[2], height: extent[1], width: extent[0], channels: samples, size: number.size)
    // Extents are below 2³¹, and planes below 2³²; with 65536 of them and 32 channels this stays below 2⁵³.
    let bytes = layout.planeBytes * extent[2] * volumes
    guard file.isCompressed ? bytes <= 1040 * file.size : layout.dataOffset + bytes <= file.size else {
      throw problem(
        "claims \(extent[..<3].map(String.init).joined(separator: "×")) voxels, for which a file of \(file.size) bytes is too small: it is "
          + "damaged or incomplete; copy or download it again")
    }
    let scale = layout.scale
    let spacing = withUnsafeBytes(of: raw.spacing) { Array($0.bindMemory(to: Double.self)) }
    let directions = withUnsafeBytes(of: raw.direction) { Array($0.bindMemory(to: Int32.self)) }
    header = VolumeHeader(
      format: .nifti, slices: extent[sliceAxis], height: height, width: width, channels: channels,
      type: scale.isNone ? number.pixelType : .float32,
      storedType: number.rawValue + (scale.isNone ? "" : " · \(scale.slope) + \(scale.inter)"),
      spacing: spacing.allSatisfy { $0 > 0 }
        ? VolumeHeader.Spacing(slice: spacing[sliceAxis], row: spacing[plane[1]], column: spacing[plane[0]]) : nil,
      orientation: Self.words(directions[sliceAxis], directions[plane[1]], directions[plane[0]]),
      sliceAxis: sliceAxis + 1, hasAlpha: samples == 4 && volumes == 1)
  }

  func stored(_ index: Int) throws -> StoredPixels {
    let layout = layout
    let channels = header.channels, value = layout.voxel, pixel = value * layout.volumes
    var bytes = [UInt8](repeating: 0, count: header.height * header.width * pixel)
    let file = try GzipFile(path)
    let planes = layout.sliceAxis == 2 ? index..<index + 1 : 0..<layout.extent[2]
    let end = layout.dataOffset + layout.planeBytes * layout.extent[2] * layout.volumes
    let whole =
      file.isCompressed && end <= DecompressedVolumes.most / 2
      ? try DecompressedVolumes.bytes(file.open) {
        let bytes = try file.take(end)
        // What follows the last voxel is the checksum.
        try file.finish()
        return bytes
      } : nil
    // Bytes from a voxel to the next along each axis of a plane; along the third the next is in another plane.
    let steps = [value, layout.extent[0] * value, 0]
    for volume in 0..<layout.volumes {
      for plane in planes {
        let start = layout.dataOffset + (volume * layout.extent[2] + plane) * layout.planeBytes
        let (source, base) = try whole.map { ($0, start) } ?? (file.plane(at: start, layout.planeBytes), 0)
        // The voxels of this plane that belong to the slice: rows × columns of them, and where they go.
        let rows = layout.rowAxis == 2 ? plane..<plane + 1 : 0..<header.height
        for row in rows {
          let line = base + index * steps[layout.sliceAxis] + row * steps[layout.rowAxis]
          for column in 0..<header.width {
            let from = line + column * steps[layout.columnAxis]
            let to = (row * header.width + column) * pixel + volume * value
            for i in 0..<value { bytes[to + i] = source[from + i] }
          }
        }
      }
    }
    if whole == nil, file.isCompressed, planes.upperBound == layout.extent[2] { try file.finish() }
    return StoredPixels(
      height: header.height, width: header.width, channels: channels, number: layout.number,
      isSwapped: layout.isSwapped,
      scale: layout.scale, bytes: bytes, place: Self.place(path, index, of: header.slices))
  }

  // MARK: What codes mean

  private static let numbers: [Int32: (StoredNumber, samples: Int)] = [
    2: (.uint8, 1), 4: (.int16, 1), 8: (.int32, 1), 16: (.float32, 1), 64: (.float64, 1), 128: (.uint8, 3),
    256: (.int8, 1), 512: (.uint16, 1), 768: (.uint32, 1), 1024: (.int64, 1), 1280: (.uint64, 1), 2304: (.uint8, 4),
  ]

  private static let otherTypes: [Int32: String] = [
    1: "single bits", 32: "complex numbers", 1536: "floats of 128 bits", 1792: "complex numbers",
    2048: "complex numbers",
  ]

  /// NIFTI_L2R … NIFTI_S2I are 1 to 6.
  private static func words(_ slice: Int32, _ row: Int32, _ column: Int32) -> String? {
    let names: [Int32: String] = [
      1: "to the right", 2: "to the left", 3: "to the front", 4: "to the back", 5: "upwards", 6: "downwards",
    ]
    guard let slice = names[slice], let row = names[row], let column = names[column] else { return nil }
    return "slices run \(slice), rows \(row), columns \(column)"
  }
}

/// The header of a NIfTI file.
enum NIfTIHeader {
  static func parse(_ bytes: [UInt8], _ path: String) throws -> u2pl_nifti {
    var raw = u2pl_nifti()
    var message = [CChar](repeating: 0, count: Int(U2PL_NIFTI_MESSAGE))
    guard u2pl_nifti_header(bytes, bytes.count, &raw, &message) == 0 else {
      let text = message.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      throw FileError(description: "\(path): \(text)")
    }
    return raw
  }
}

/// A file that zlib decompresses, or passes on where it is not compressed.
final class GzipFile {
  let open: OpenFile
  private let file: OpaquePointer
  let isCompressed: Bool

  /// Bytes of the file as it is.
  var size: Int { open.size }

  init(_ path: String) throws {
    open = try OpenFile(path)
    isCompressed = try open.bytes(at: 0, count: min(2, open.size)) == [0x1F, 0x8B]
    guard let file = u2pl_gzip_read(open.descriptor) else { throw FileError.system("cannot be opened", path) }
    self.file = file
  }

  deinit { u2pl_gzip_close(file) }

  /// Bytes at a place of the decompressed file.
  func plane(at offset: Int, _ count: Int) throws -> [UInt8] {
    guard u2pl_gzip_seek(file, Int64(offset)) == 0 else { throw damaged() }
    return try take(count)
  }

  /// As many bytes as there are, and no more than `count`.
  func take(upTo count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
      let got = u2pl_gzip_take(file, buffer.baseAddress, count)
      guard got >= 0 else { throw damaged() }
      done = Int(got)
    }
  }

  func take(_ count: Int) throws -> [UInt8] {
    let bytes = try take(upTo: count)
    guard bytes.count == count else { throw damaged() }
    return bytes
  }

  /// Reads on to the end, so that the checksum is looked at.
  func finish() throws {
    while try !take(upTo: 1 << 16).isEmpty {}
  }

  private func damaged() -> FileError {
    let what = isCompressed ? "its compressed data is damaged or incomplete" : "ends before its last voxel"
    return FileError(description: "\(open.path): \(what); copy or download it again")
  }
}
