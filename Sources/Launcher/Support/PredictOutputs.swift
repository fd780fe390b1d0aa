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
  /// What the overlay shows from black to full; nil for ``Raster/shownRange``.
  let shownRange: PixelRange?
  /// Of the colours in the overlay.
  let opacity: Double
  /// Attributes of files of probabilities: how they were computed.
  let attributes: [String: AttributeValue]

  private var kinds: [PredictedImage.Kind] {
    [.index] + (writesColor ? [.color] : []) + (writesOverlay ? [.overlay] : [])
      + (writesProbabilities ? [.probabilities] : [])
  }

  private var legendPath: String { "\(directory)/classes.csv" }

  // MARK: Before

  /// Makes the folders and finds errors that would otherwise occur later. One rank calls this.
  ///
  /// - Parameter overwrite: whether results of an earlier run may be replaced; an input never is.
  /// - Throws: ``ConfigurationFailure``.
  func prepare(for images: [PredictInputs.Image], overwrite: Bool) throws {
    // Checked before anything is made, so that a refusal leaves nothing behind.
    let results = images.flatMap(paths)
    let there = ([legendPath] + results)
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
      results.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path }
        + kinds.map { "\(directory)/\($0.rawValue)" })
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

  /// The files of an image's result. A volume that cannot be read has those of an image; what is wrong is said when it is its turn.
  private func paths(_ image: PredictInputs.Image) -> [String] {
    guard let volume = try? VolumeMasks(image.path) else { return kinds.map { path($0, image.name) } }
    let images = volume.images
    return [path(of: volume, image.name)]
      + (images.count == 1 ? kinds.dropFirst().map { path($0, image.name) } : [])
  }

  /// Where the masks of a volume go.
  func path(of volume: VolumeMasks, _ name: String) -> String {
    "\(directory)/\(PredictedImage.Kind.index.rawValue)/\(name)\(volume.ending)"
  }

  /// Begins the files of one image.
  ///
  /// - Parameter writesIndex: false where the classes go to the file of a volume.
  /// - Throws: a ``DatasetError`` that names a file that cannot be written.
  func begin(_ name: String, _ image: Raster, writesIndex: Bool = true) throws -> PredictedImage {
    try PredictedImage(self, name, image, writesIndex: writesIndex)
  }

  fileprivate func path(_ kind: PredictedImage.Kind, _ name: String) -> String {
    "\(directory)/\(kind.rawValue)/\(name).\(kind.suffix)"
  }
}

/// The files of one image's result, written from its first row to its last.
final class PredictedImage {
  enum Kind: String {
    case index, color, overlay, probabilities

    var suffix: String { self == .probabilities ? "h5" : "png" }
  }

  private let outputs: PredictOutputs
  private let name: String
  private let image: Raster
  private let shownRange: PixelRange
  private let index: PNGWriter?
  private let color: PNGWriter?
  private let overlay: PNGWriter?
  /// Pixels that have been written.
  private var done = 0
  /// The colours of the classes; and per class the share of the image that the overlay leaves, and what is added to it. Black
  /// colours, which a background has, leave the image as it is.
  private let colors: [UInt8]
  private let mixes: [(keep: Float, add: [Float])]

  fileprivate init(_ outputs: PredictOutputs, _ name: String, _ image: Raster, writesIndex: Bool) throws {
    (self.outputs, self.name, self.image) = (outputs, name, image)
    shownRange = outputs.shownRange ?? (outputs.writesOverlay ? image.shownRange : image.type.range)
    colors = outputs.palette.flatMap { $0 }
    mixes = outputs.palette.map { color in
      let weight = color == [0, 0, 0] ? 0 : Float(outputs.opacity)
      return (1 - weight, color.map { Float($0) * weight + 0.5 })
    }
    func writer(_ kind: Kind, _ pixels: PNGWriter.Kind) throws -> PNGWriter {
      try PNGWriter(outputs.path(kind, name), height: image.height, width: image.width, pixels)
    }
    index = writesIndex ? try writer(.index, .palette(outputs.palette)) : nil
    color = outputs.writesColor ? try writer(.color, .color) : nil
    overlay = outputs.writesOverlay ? try writer(.overlay, .color) : nil
  }

  /// Writes the classes of the next rows: any number of whole rows.
  func write(classes: [UInt8]) throws {
    // Some rows at a time: pictures of all of a large image would take more memory than the image.
    let step = max(1, (1 << 20) / image.width) * image.width
    for start in stride(from: 0, to: classes.count, by: step) {
      let part = Array(classes[start..<min(start + step, classes.count)])
      try index?.write(part)
      try color?.write(colored(part))
      try overlay?.write(overlaid(part))
      done += part.count
    }
  }

  /// - Parameter probabilities: classes × height × width.
  func write(probabilities: [Float]) throws {
    var contents = CheckpointContents()
    contents.attributes = outputs.attributes
    contents.attributes["classes"] = .string(outputs.classNames.joined(separator: "\n"))
    contents.datasets["probabilities"] = StoredDataset(
      shape: [outputs.classNames.count, image.height, image.width], values: .float32(probabilities))
    try CheckpointFile.write(contents, to: outputs.path(.probabilities, name))
  }

  /// Gives the files their names.
  func finish() throws {
    try index?.finish()
    try color?.finish()
    try overlay?.finish()
  }

  private func colored(_ classes: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 3 * classes.count) { pixels, count in
      for (at, c) in classes.enumerated() {
        for channel in 0..<3 { pixels[3 * at + channel] = colors[3 * Int(c) + channel] }
      }
      count = 3 * classes.count
    }
  }

  private func overlaid(_ classes: [UInt8]) -> [UInt8] {
    // Whole rows.
    let rows = done / image.width..<(done + classes.count) / image.width
    var result = image.part(rows: rows, columns: 0..<image.width).colors(shownRange)
    result.withUnsafeMutableBufferPointer { pixels in
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
