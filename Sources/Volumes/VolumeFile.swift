import Files
import Foundation
import Transforms

/// A file of one image or of a stack of them: TIFF, NIfTI, NumPy array or HDF5, told apart by their first bytes.
///
/// It is opened for each read, so that a value can be kept and shared by threads.
public struct VolumeFile: Sendable {
  /// The most bytes that the pixels of a slice may take.
  public static let mostBytes = 4 << 30
  /// The most slices, and the most channels.
  public static let mostSlices = 1 << 16
  public static let mostChannels = 32

  public let path: String
  public let header: VolumeHeader
  private let reader: any SliceReader

  /// Of an HDF5 file the dataset that is read; nil for other formats.
  public var dataset: String? { (reader as? HDF5SliceReader)?.dataset }

  /// Reads the header.
  ///
  /// - Parameter dataset: of an HDF5 file, the path of the dataset; nil for the one that ``Purpose`` names.
  /// - Throws: ``FileError`` that names the file and the remedy: for a file of another kind, a damaged one, or one whose
  ///   images are larger or have more channels than are read.
  public init(_ path: String, for purpose: Purpose = .image, dataset: String? = nil) throws {
    let descriptor = try OpenFile(path)
    let start = try descriptor.bytes(at: 0, count: min(16, descriptor.size))
    self.path = path
    switch Self.format(ofBytes: start) {
    case .tiff: reader = try TIFFReader(path)
    case .nifti: reader = try NIfTIReader(path)
    case .numpy: reader = try NumPyReader(path)
    case .hdf5: reader = try HDF5SliceReader(path, purpose, dataset)
    case nil:
      let what =
        start.isEmpty ? "the file is empty" : "is neither a TIFF, a NIfTI volume, a NumPy array nor an HDF5 file"
      throw FileError(description: "\(path): \(what); copy or export it again")
    }
    header = reader.header
  }

  /// What a file is read for, which decides which dataset of an HDF5 file is taken.
  public enum Purpose: Sendable {
    case image, mask
  }

  /// The format that a file's first 16 bytes show; nil for all others.
  public static func format(ofBytes start: [UInt8]) -> VolumeHeader.Format? {
    func begins(_ bytes: [UInt8]) -> Bool { start.starts(with: bytes) }
    if begins([0x49, 0x49, 0x2A, 0]) || begins([0x4D, 0x4D, 0, 0x2A]) || begins([0x49, 0x49, 0x2B, 0])
      || begins([0x4D, 0x4D, 0, 0x2B])
    {
      return .tiff
    }
    if begins([0x93] + Array("NUMPY".utf8)) { return .numpy }
    if begins([0x89] + Array("HDF".utf8)) { return .hdf5 }
    // A compressed file may be anything; NIfTI's header begins with its own length.
    let lengths: [[UInt8]] = [[0x5C, 1, 0, 0], [0, 0, 1, 0x5C], [0x1C, 2, 0, 0], [0, 0, 2, 0x1C]]
    return begins([0x1F, 0x8B]) || lengths.contains(where: begins) ? .nifti : nil
  }

  /// Whether a file's name ends as those of these formats do.
  public static func hasName(_ path: String) -> Bool {
    let name = path.lowercased()
    return endings.contains { name.hasSuffix($0) }
  }

  /// In small letters.
  public static let endings = [".tif", ".tiff", ".nii", ".nii.gz", ".npy", ".h5", ".hdf5"]

  /// One slice.
  ///
  /// - Parameter index: from 0.
  /// - Throws: ``FileError`` that names file, slice and pixel: also for NaN and infinity, and for numbers that no
  ///   ``PixelType`` holds exactly.
  public func slice(_ index: Int) throws -> Raster { try stored(index).raster() }

  /// One slice of a mask: whole numbers of 0 to 255, whatever their type.
  public func labels(_ index: Int) throws -> LabelMap { try stored(index).labels() }

  private func stored(_ index: Int) throws -> StoredPixels {
    guard (0..<header.slices).contains(index) else {
      let last = header.slices - 1
      throw FileError(
        description:
          "\(path): has no slice \(index): its slices are \(last == 0 ? "0 alone" : "0 to \(last)"); correct the list")
    }
    return try reader.stored(index)
  }
}

/// Reads slices of one format.
protocol SliceReader: Sendable {
  var header: VolumeHeader { get }

  /// The numbers of a slice that there is.
  func stored(_ index: Int) throws -> StoredPixels
}

extension SliceReader {
  /// The name of a slice in messages.
  static func place(_ path: String, _ index: Int, of slices: Int) -> String {
    slices == 1 ? path : "\(path), slice \(index)"
  }

  /// - Throws: ``FileError`` where images of this size are not read.
  static func requireReadable(_ path: String, slices: Int, height: Int, width: Int, channels: Int, size: Int) throws {
    func refuse(_ what: String) -> FileError { FileError(description: "\(path): \(what)") }
    guard slices > 0, height > 0, width > 0, channels > 0 else {
      throw refuse("is an array without any element; write it again")
    }
    guard channels <= VolumeFile.mostChannels else {
      throw refuse(
        "has \(channels) channels, and at most \(VolumeFile.mostChannels) are read; keep those that matter, or, if "
          + "they are slices, move that axis first (numpy.moveaxis(a, -1, 0)) or split the volume")
    }
    guard slices <= VolumeFile.mostSlices else {
      throw refuse("has \(slices) slices, and at most \(VolumeFile.mostSlices) are read; split it")
    }
    guard height <= VolumeFile.mostBytes / size / channels / width else {
      let bytes = Double(height) * Double(width) * Double(channels * size)
      throw refuse(
        "claims slices of \(width)×\(height) pixels, which take \(String(format: "%.3g", bytes / 0x1p30)) GiB of memory; at most "
          + "\(VolumeFile.mostBytes >> 30) GiB are read: cut it into tiles")
    }
  }
}
