import Checkpoint
import Dataset
import Foundation
import HDF5
import Trainer
import Transforms

/// The files that are written for a prediction.
struct PredictOutputs {
  let directory: String
  let classNames: [String]
  /// One colour a class.
  let palette: [[UInt8]]
  let writesColor: Bool
  let writesOverlay: Bool
  let writesProbabilities: Bool
  /// Of the colours in the overlay.
  let opacity: Double
  /// Attributes of files of probabilities: how they were computed.
  let attributes: [String: AttributeValue]

  private enum Kind: String {
    case index, color, overlay, probabilities

    var suffix: String { self == .probabilities ? "h5" : "png" }
  }

  private var kinds: [Kind] {
    [.index] + (writesColor ? [.color] : []) + (writesOverlay ? [.overlay] : [])
      + (writesProbabilities ? [.probabilities] : [])
  }

  private func path(_ kind: Kind, _ name: String) -> String { "\(directory)/\(kind.rawValue)/\(name).\(kind.suffix)" }
  private var legendPath: String { "\(directory)/classes.csv" }

  // MARK: Before

  /// Makes the folders and finds errors that would otherwise occur later. One rank calls this.
  ///
  /// - Parameter overwrite: whether results of an earlier run may be replaced; an input never is.
  /// - Throws: ``ConfigurationFailure``.
  func prepare(for images: [PredictInputs.Image], overwrite: Bool) throws {
    // Checked before anything is made, so that a refusal leaves nothing behind.
    let there = ([legendPath] + images.flatMap { image in kinds.map { path($0, image.name) } })
      .compactMap { path in Self.identity(path).map { (path, $0) } }
    if !there.isEmpty {
      let inputs = Dictionary(images.compactMap { image in Self.identity(image.path).map { ($0, image.path) } }) {
        a, _ in
        a
      }
      if let (path, identity) = there.first(where: { inputs[$0.1] != nil }) {
        throw ConfigurationFailure(
          description: "the result \(path) would replace the image \(inputs[identity] ?? ""); choose another -o")
      }
      guard overwrite else {
        throw ConfigurationFailure(
          description: "\(there[0].0) is there already"
            + (there.count > 1 ? ", and \(there.count - 1) more results" : "")
            + "; --overwrite replaces them, another -o leaves them alone")
      }
    }
    let folders = Set(
      images.flatMap { image in
        kinds.map { URL(fileURLWithPath: path($0, image.name)).deletingLastPathComponent().path }
      })
    for folder in folders.sorted() {
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw ConfigurationFailure(
          description: "\(folder): the folder for results cannot be made: \(error.localizedDescription)")
      }
    }
    try requireWritable()
    try writeLegend()
  }

  /// Finds out whether this rank sees the folders that another has made.
  func requireWritable() throws {
    for kind in kinds {
      let folder = "\(directory)/\(kind.rawValue)"
      guard access(folder, W_OK | X_OK) == 0 else {
        throw ConfigurationFailure(
          description: "\(folder): results cannot be written there: \(String(cString: strerror(errno)))")
      }
    }
  }

  private func writeLegend() throws {
    var text = "class,name,red,green,blue\n"
    for (number, name) in classNames.enumerated() {
      let quoted = name.contains { ",\"".contains($0) } ? "\"\(name.replacing("\"", with: "\"\""))\"" : name
      text += "\(number),\(quoted),\(palette[number].map(String.init).joined(separator: ","))\n"
    }
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: legendPath), options: .atomic)
    } catch {
      throw ConfigurationFailure(description: "\(legendPath): cannot be written: \(error.localizedDescription)")
    }
  }

  /// Which file a path leads to, nil where there is none.
  private static func identity(_ path: String) -> [UInt64]? {
    var status = stat()
    return stat(path, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : nil
  }

  // MARK: Writing

  /// - Parameters:
  ///   - classes: height × width.
  ///   - probabilities: classes × height × width, where they are written.
  /// - Throws: a ``DatasetError`` or ``CheckpointError`` that names the file.
  func write(_ name: String, _ image: RGBImage, classes: [UInt8], probabilities: [Float]?) throws {
    let labels = LabelMap(height: image.height, width: image.width, values: classes)
    try ImageFile.writePNG(labels, palette: palette, to: path(.index, name))
    if writesColor {
      let pixels = classes.flatMap { palette[Int($0)] }
      try ImageFile.writePNG(
        RGBImage(height: image.height, width: image.width, pixels: pixels), to: path(.color, name))
    }
    if writesOverlay { try ImageFile.writePNG(overlay(image, classes), to: path(.overlay, name)) }
    if let probabilities {
      var contents = CheckpointContents()
      contents.attributes = attributes
      contents.attributes["classes"] = .string(classNames.joined(separator: "\n"))
      contents.datasets["probabilities"] = StoredDataset(
        shape: [palette.count, image.height, image.width], values: .float32(probabilities))
      try CheckpointFile.write(contents, to: path(.probabilities, name))
    }
  }

  /// Colours over the image. Black ones, which a background has, leave it as it is.
  private func overlay(_ image: RGBImage, _ classes: [UInt8]) -> RGBImage {
    // Per class, the share of the image that is left and what is added to it.
    let mixes = palette.map { color -> (keep: Float, add: [Float]) in
      let weight = color == [0, 0, 0] ? 0 : Float(opacity)
      return (1 - weight, color.map { Float($0) * weight + 0.5 })
    }
    var result = image
    result.pixels.withUnsafeMutableBufferPointer { pixels in
      for (at, c) in classes.enumerated() {
        let mix = mixes[Int(c)]
        for channel in 0..<3 {
          pixels[3 * at + channel] = UInt8(Float(pixels[3 * at + channel]) * mix.keep + mix.add[channel])
        }
      }
    }
    return result
  }
}
