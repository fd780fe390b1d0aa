import Foundation
import Transforms
import Volumes

/// Generated volumes, written as NIfTI files in the layout `folder`, for trying the program on volumes without downloading any.
public struct VolumeShapes: Sendable {
  private let slices: Int
  private let size: Int
  private let seed: UInt64

  /// - Parameters:
  ///   - size: rows and columns of a slice.
  public init(slices: Int, size: Int, seed: UInt64) { (self.slices, self.size, self.seed) = (slices, size, seed) }

  /// Writes `images/NAME.nii.gz`, `labels/NAME.nii.gz`, the list `LIST.txt` with a volume a line, and `classes.txt`.
  ///
  /// - Parameters:
  ///   - directory: created when it does not exist.
  ///   - role: volumes of different roles are different ones.
  /// - Throws: ``DatasetError`` naming what cannot be written.
  public func write(to directory: String, _ role: ListRole, count: Int) throws {
    for folder in ["images", "labels"] {
      do {
        try FileManager.default.createDirectory(
          atPath: "\(directory)/\(folder)", withIntermediateDirectories: true)
      } catch {
        throw FileBytes.problem("\(directory)/\(folder)", "cannot be created: \(error.localizedDescription)")
      }
    }
    var names: [String] = []
    for index in 0..<count {
      let name = "\(role.name)-\(String(format: "%03d", index))"
      let scene = VolumeScene(
        slices: slices, size: size, seed: seed, number: role.firstGeneratedImage + index)
      try OpenVolumes.translated {
        let shape = (slices: slices, rows: size, columns: size)
        try NIfTIWriter.write(
          .int16(scene.values), shape, VolumeScene.spacing, to: "\(directory)/images/\(name).nii.gz")
        try NIfTIWriter.write(
          .uint8(scene.labels), shape, VolumeScene.spacing, to: "\(directory)/labels/\(name).nii.gz")
      }
      names.append(name)
    }
    try FileBytes.write(Data(names.map { $0 + "\n" }.joined().utf8), to: "\(directory)/\(role.name).txt")
    try FileBytes.write(
      Data(VolumeScene.classNames.map { $0 + "\n" }.joined().utf8), to: "\(directory)/classes.txt")
  }
}
