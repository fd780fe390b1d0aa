import ArgumentParser
import Configuration
import Dataset
import Distributed
import Foundation
import Measurement
import Network
import Trainer
import Transforms

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Segments images with a checkpoint.",
    discussion: """
      IMAGES are JPEG, PNG, TIFF, NIfTI, NumPy or HDF5 files, folders (searched at any depth), or lists: text files whose \
      names end in .txt, a path, FILE#SLICE, or an ID of the data set a line. Results have the size of the image:

        DIR/index/NAME.png         the class of each pixel, in a palette PNG
        DIR/color/NAME.png         the colour of the class
        DIR/overlay/NAME.png       these colours over the image
        DIR/probabilities/NAME.h5  on request: float32 [classes, height, width]
        DIR/classes.csv            number, name and colour of each class

      For a TIFF, NIfTI, NumPy or HDF5 file, the classes of all slices are written to one file of the same format in \
      index/; a NIfTI keeps the header, a TIFF its GeoTIFF tags. Colours, overlays and probabilities are written only for \
      files with one slice.

      Under mpirun the images are shared out, and results are the same. An image that cannot be read is named and left \
      out; the exit code is then 3. For example:

        mpirun -n 4 u2pl predict --checkpoint BEST photos -o out
      """)

  @OptionGroup var options: NetworkOptions

  @Argument(help: ArgumentHelp("Images, folders of images, or lists of them.", valueName: "images"))
  var images: [String]

  @Option(name: .shortAndLong, help: ArgumentHelp("Where results go; made if it does not exist.", valueName: "dir"))
  var output: String

  enum Mode: String, ExpressibleByArgument, CaseIterable { case whole, sliding }

  @Option(help: "Whole images, or windows of augment.crop; else evaluate.mode, where a center_crop means whole.")
  var mode: Mode?

  @Flag(help: "Also writes the probability of each class.")
  var probabilities = false

  @Flag(inversion: .prefixedNo, help: "Whether to write the pictures in color/.")
  var color = true

  @Flag(inversion: .prefixedNo, help: "Whether to write the pictures in overlay/.")
  var overlay = true

  @Option(help: "How much of the overlay is colour, 0 to 1.")
  var opacity = 0.5

  @Option(
    help: ArgumentHelp(
      "Text file with red, green and blue (0 to 255) of a class a line; else the colours of Cityscapes, CamVid or VOC.",
      valueName: "file"))
  var palette: String?

  @Flag(help: "Replaces results of an earlier run.")
  var overwrite = false

  func validate() throws {
    guard (0...1).contains(opacity) else { throw ValidationError("--opacity \(opacity): from 0 to 1") }
  }

  func run() throws {
    try RankedProcess.run { ranks in
      let network = try options.load(
        mode: mode.flatMap { Configuration.Evaluate.Mode(rawValue: $0.rawValue) }, ranks: ranks)
      var inference = Inference(network.configuration)
      if inference.mode == .centerCrop { inference.mode = .whole }
      let outputs = try ranks.together { try makeOutputs(network, inference) }
      let images = try shareInputs(network.configuration.data.root, ranks)
      let neighbours = try ranks.node().size
      try ranks.together { if ranks.rank == 0 { try outputs.prepare(for: images, overwrite: overwrite) } }
      try ranks.together { try outputs.requireWritable() }

      let start = ProcessInfo.processInfo.systemUptime
      var isLossTold = false
      let memory = InferenceMemory(network.segmenter, inference, network.configuration)
      let failures = try predict(images, ranks) { image in
        let accept = { (height: Int, width: Int) in
          try memory.require(
            height: height, width: width, image.path, probabilities: probabilities,
            available: ProcessMemory.grantable / neighbours)
        }
        if let volume = try VolumeMasks(image.path) {
          return try write(volume, image.name, network, inference, outputs, accept)
        }
        let (picture, facts) = try ImagePlace(image.path).read(network.configuration.data.imageForm, accept: accept)
        if let flaw = facts.flaw { RankedProcess.show("warning: \(image.path): \(flaw)", isError: true) }
        if let loss = facts.depth?.loss, !isLossTold {
          isLossTold = true
          RankedProcess.show("warning: \(image.path), and perhaps more: \(loss)", isError: true)
        }
        try write(picture, image.name, network.segmenter, inference, outputs)
      }
      let seconds = ProcessInfo.processInfo.systemUptime - start
      let done = images.count - failures
      if ranks.rank == 0 {
        RankedProcess.say(
          "\(done) \(done == 1 ? "image" : "images") in "
            + String(format: "%.1f s, %.2f images/s", seconds, Double(done) / seconds)
            + "  (\(network.group), \(inference.description))  \(output)")
      }
      guard failures == 0 else {
        throw IncompleteResult(
          description:
            "\(failures) of \(images.count) images could not be read, as said above; the others are done")
      }
    }
  }

  private func makeOutputs(_ network: TrainedNetwork, _ inference: Inference) throws -> PredictOutputs {
    let data = network.configuration.data
    return PredictOutputs(
      directory: output, classNames: data.classNames ?? (0..<data.classes).map(String.init),
      palette: try palette.map { try Palette.read($0, classes: data.classes) }
        ?? data.colors,
      writesColor: color, writesOverlay: overlay, writesProbabilities: probabilities, shownRange: data.shownRange,
      opacity: opacity,
      attributes: [
        "checkpoint": .string(options.checkpoint), "network": .string(network.group),
        "evaluation": .string(inference.description),
      ])
  }

  /// The images as rank 0 finds them, so that all ranks share out one list. Collective.
  private func shareInputs(_ root: String, _ ranks: Communicator) throws -> [PredictInputs.Image] {
    var found: [PredictInputs.Image] = []
    try ranks.together {
      if ranks.rank == 0 { found = try PredictInputs(images, root: root, output: output).images }
    }
    let text = try ranks.broadcast(found.flatMap { [$0.path, $0.name] }.joined(separator: "\0"), from: 0)
    let parts = text.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
    return stride(from: 0, to: parts.count, by: 2).map { PredictInputs.Image(path: parts[$0], name: parts[$0 + 1]) }
  }

  /// Rank r takes images r, r + size, … Collective.
  ///
  /// - Returns: how many images could not be read, on all ranks.
  private func predict(
    _ images: [PredictInputs.Image], _ ranks: Communicator, _ body: (PredictInputs.Image) throws -> Void
  ) throws -> Int {
    var failures = 0
    var bar = ranks.rank == 0 ? ProgressBar(total: images.count, label: "predict") : nil
    for (done, number) in stride(from: ranks.rank, to: images.count, by: ranks.size).enumerated() {
      do { try body(images[number]) } catch let error as DatasetError {
        failures += 1
        bar?.clear()
        RankedProcess.show("u2pl: error: \(error)", isError: true)
      }
      // Ranks take turns, so that the first has done about as many as any.
      bar?.advance(to: (done + 1) * ranks.size)
    }
    bar?.finish()
    return Int(try ranks.sum([Int64(failures)])[0])
  }

  /// The classes of all slices of a volume in one file; of one slice also the pictures.
  private func write(
    _ volume: VolumeMasks, _ name: String, _ network: TrainedNetwork, _ inference: Inference, _ outputs: PredictOutputs,
    _ accept: (Int, Int) throws -> Void
  ) throws {
    let images = volume.images
    let masks = try images.map { image in
      let (picture, _) = try image.read(network.configuration.data.imageForm, accept: accept)
      var classes: [UInt8] = []
      if images.count == 1, outputs.writesColor || outputs.writesOverlay || outputs.writesProbabilities {
        try write(picture, name, network.segmenter, inference, outputs, keeping: { classes += $0 })
      } else {
        try inference.forEachBand(network.segmenter, picture) { classes += $0 }
      }
      return LabelMap(height: picture.height, width: picture.width, values: classes)
    }
    do { try volume.write(masks, to: outputs.path(of: volume, name)) } catch {
      throw OutputFailure(description: "\(error)")
    }
  }

  /// - Parameter keeping: given the classes of the next rows, where they go to another file than a PNG.
  private func write(
    _ image: Raster, _ name: String, _ network: Segmenter, _ inference: Inference, _ outputs: PredictOutputs,
    keeping: (([UInt8]) -> Void)? = nil
  ) throws {
    // No image's fault: the next result would fare no better.
    func writing<Result>(_ body: () throws -> Result) throws -> Result {
      do { return try body() } catch { throw OutputFailure(description: "\(error)") }
    }
    let result = try writing { try outputs.begin(name, image, writesIndex: keeping == nil) }
    if outputs.writesProbabilities {
      let logits = try inference.logits(network, image)
      let classes = logits.count / (image.height * image.width)
      let greatest = Inference.greatest(logits, classes: classes)
      keeping?(greatest)
      try writing {
        try result.write(classes: greatest)
        try result.write(probabilities: Inference.probabilities(logits, classes: classes))
      }
    } else {
      try inference.forEachBand(network, image) { classes in
        keeping?(classes)
        try writing { try result.write(classes: classes) }
      }
    }
    try writing { try result.finish() }
  }
}

/// A result that could not be written.
struct OutputFailure: Error, CustomStringConvertible {
  let description: String
}
