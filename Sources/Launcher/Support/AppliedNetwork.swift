import Checkpoint
import Configuration
import Dataset
import Distributed
import Foundation
import Labeling
import Measurement
import Trainer
import Transforms

/// A trained network that `suggest` and `review` apply to images.
struct AppliedNetwork {
  let configuration: Configuration
  /// `student` or `teacher`.
  let group: String
  let predictor: ImagePredictor
  private let memory: InferenceMemory
  /// Ranks on this node.
  private let neighbours: Int

  /// Collective.
  init(_ options: NetworkOptions, ranks: Communicator) throws {
    let network = try options.load(mode: nil, ranks: ranks)
    configuration = network.configuration
    group = network.group
    var inference = Inference(configuration)
    if inference.mode == .centerCrop { inference.mode = .whole }
    predictor = ImagePredictor(network.segmenter, inference, configuration)
    memory = InferenceMemory(network.segmenter, inference, configuration)
    neighbours = try ranks.node().size
  }

  /// Makes sure that all ranks work on the same images. Collective.
  ///
  /// - Parameter images: the paths or lines of all images.
  /// - Throws: ``CollectiveFailure`` on every rank.
  func requireSame(_ images: [String], _ ranks: Communicator) throws {
    let own = images.joined(separator: "\n")
    let first = try ranks.broadcast(own, from: 0)
    try ranks.together {
      guard own == first else {
        throw ConfigurationFailure(
          description: "the ranks do not see the same files: is \(configuration.data.root) on all hosts?")
      }
    }
  }

  /// Reads an image, warns of flaws in its file, and makes sure that the network can be applied to it.
  func read(_ candidate: Candidates.Candidate) throws -> Raster {
    let (image, facts) = try candidate.read()
    if let flaw = facts?.flaw { RankedProcess.show("warning: \(candidate.path): \(flaw)", isError: true) }
    try admit(image, candidate.path)
    return image
  }

  /// - Throws: ``DatasetError`` where the image is too large for the memory there is.
  func admit(_ image: Raster, _ path: String) throws {
    try memory.require(
      height: image.height, width: image.width, path, probabilities: true,
      available: ProcessMemory.grantable / neighbours)
  }

  /// Summaries of images, and how many images could not be read; the same on all ranks.
  struct Survey {
    var images: [(index: Int, summary: ImageSummary)] = []
    var failures = 0
  }

  /// Makes a summary of each of `count` images; rank r takes images r, r + size, … Images that cannot be read are named
  /// and left out. Collective.
  func survey(
    _ count: Int, _ label: String, _ ranks: Communicator, _ body: (Int) throws -> ImageSummary
  ) throws -> Survey {
    var bar = ranks.rank == 0 ? ProgressBar(total: count, label: label) : nil
    var indices: [Int64] = []
    var numbers: [Float] = []
    var failures: Int64 = 0
    for (done, index) in stride(from: ranks.rank, to: count, by: ranks.size).enumerated() {
      do {
        numbers += try body(index).packed
        indices.append(Int64(index))
      } catch let error as DatasetError {
        failures += 1
        bar?.clear()
        RankedProcess.show("u2pl: error: \(error)", isError: true)
      }
      bar?.advance(to: (done + 1) * ranks.size)
    }
    bar?.finish()
    let all = (indices: try ranks.allGather(indices).elements, numbers: try ranks.allGather(numbers).elements)
    var survey = Survey(failures: Int(try ranks.sum([failures])[0]))
    let classes = configuration.data.classes
    let length = ImageSummary.packedCount(classes: classes, features: configuration.model.features)
    for (place, index) in all.indices.enumerated() {
      let packed = all.numbers[place * length..<(place + 1) * length]
      survey.images.append((Int(index), ImageSummary(packed: packed, classes: classes)))
    }
    survey.images.sort { $0.index < $1.index }
    return survey
  }
}

/// What `suggest` reads of a checkpoint besides its networks.
struct CheckpointState {
  let step: Int
  /// The confusion matrix of the last evaluation; nil where there was none, or one with another number of classes.
  let matrix: ConfusionMatrix?

  init(_ path: String, _ data: Configuration.Data) throws {
    let contents = try CheckpointFile.read(path, group: "metrics")
    if case .int(let step)? = contents.attributes["step"] { self.step = Int(step) } else { step = 0 }
    if case .int64(let counts)? = contents.datasets["metrics/confusion"]?.values,
      counts.count == data.classes * data.classes
    {
      matrix = ConfusionMatrix(classes: data.classes, counts: counts)
    } else {
      matrix = nil
    }
  }
}
