import Transforms

/// What a file says of its images before any pixel is read.
public struct VolumeHeader: Sendable, Equatable {
  public enum Format: String, Sendable, CaseIterable {
    case tiff = "TIFF"
    case nifti = "NIfTI"
    case numpy = "NumPy array"
    case hdf5 = "HDF5 file"
  }

  /// How far apart neighbouring pixels are, in mm.
  public struct Spacing: Sendable, Equatable {
    public let slice: Double
    public let row: Double
    public let column: Double

    public init(slice: Double, row: Double, column: Double) {
      (self.slice, self.row, self.column) = (slice, row, column)
    }
  }

  public let format: Format
  /// At least 1.
  public let slices: Int
  public let height: Int
  public let width: Int
  /// 1 to 32.
  public let channels: Int
  /// The type of the pixels as they are read.
  public let type: PixelType
  /// The type of the numbers in the file, such as `float64`, followed by its scale where there is one.
  public let storedType: String
  /// Nil where the file has none.
  public let spacing: Spacing?
  /// Which way slices, rows and columns run in a patient, such as `slices run upwards, rows to the back, columns to the
  /// left`; nil where the file does not say.
  public let orientation: String?
  /// Of the file's axes of space, counted from 1, the one that slices are cut along; nil for formats that have no choice.
  public let sliceAxis: Int?
  /// Whether the last channel is alpha.
  public let hasAlpha: Bool

  init(
    format: Format, slices: Int, height: Int, width: Int, channels: Int, type: PixelType, storedType: String,
    spacing: Spacing? = nil, orientation: String? = nil, sliceAxis: Int? = nil, hasAlpha: Bool = false
  ) {
    self.format = format
    self.slices = slices
    self.height = height
    self.width = width
    self.channels = channels
    self.type = type
    self.storedType = storedType
    self.spacing = spacing
    self.orientation = orientation
    self.sliceAxis = sliceAxis
    self.hasAlpha = hasAlpha
  }
}
