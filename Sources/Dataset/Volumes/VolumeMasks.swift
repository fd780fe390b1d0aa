import Transforms
import Volumes

/// A volume whose masks are predicted, and the file that they go to.
public struct VolumeMasks: Sendable {
  private let file: VolumeFile

  /// - Returns: nil for a JPEG or PNG, and for one slice of a volume.
  /// - Throws: ``DatasetError`` naming the file.
  public init?(_ path: String) throws {
    guard ImagePlace.isVolume(path) else { return nil }
    file = try OpenVolumes.open(path, .image)
  }

  /// The images of the volume, in order.
  public var images: [ImagePlace] {
    let count = file.header.slices
    return count == 1
      ? [ImagePlace(file.path)] : (0..<count).map { ImagePlace(SliceName(file: file.path, slice: $0).text) }
  }

  /// How the name of the file of masks ends, such as `.nii.gz`.
  public var ending: String { MaskVolume.ending(file.header.format) }

  /// Writes the masks of all images: a NIfTI with the volume's header, a TIFF with its tags of GeoTIFF, a NumPy array, or an HDF5
  /// file with the dataset `label`.
  ///
  /// - Throws: ``DatasetError`` naming the file.
  public func write(_ masks: [LabelMap], to path: String) throws {
    try OpenVolumes.translated { try MaskVolume.write(masks, to: path, like: file) }
  }
}
