import Configuration
import Dataset
import Distributed
import Files
import Foundation
import Method
import Network
import Report
import Transforms

/// Pictures of an evaluation: the validation images on which the evaluated network is wrong most, and some unlabeled
/// ones. Each rank makes those of its own images, from the logits of the evaluation where it made a single pass.
struct EvaluationPictures {
  static let validationCount = 4
  static let unlabeledCount = 2

  let trainer: U2PLTrainer
  let sets: DataSets
  /// γ_t of the last step; thresholds by class where they are by class.
  let gamma: Double?
  let gammaOfClass: [Double?]
  /// The run's directory.
  let directory: String

  private var ranks: Communicator { trainer.ranks }
  private var classes: Int { trainer.configuration.data.classes }
  /// The entropy that the scale of colours ends with.
  var greatest: Double { min(log(Double(classes)), gamma.map { max(2 * $0, 0.1) } ?? .infinity) }

  /// One picture to make: an image of a list.
  private struct Job {
    let list: String
    let index: Int
    let stem: String
    let worst: WorstImages.Entry?
  }

  /// Makes and writes them. Collective. A picture that a rank cannot make is left out, and `warn` gets the reason.
  ///
  /// - Parameter worst: of this rank.
  /// - Returns: on rank 0 what `evaluation.json` says of them.
  func make(_ worst: WorstImages, warn: (String) -> Void) throws -> [EvaluationRecord.Picture] {
    let folder = EvaluationRecord.picturesPath(directory)
    do {
      try FileSystem.createDirectory(folder)
      if ranks.rank == 0 { try Self.removeTemporaries(in: folder) }
    } catch { warn("\(error)") }
    let jobs = try jobs(worst)
    let largest = try largest(of: worst)
    let kinds = Self.kinds
    var flags = [Int64](repeating: 0, count: jobs.count * kinds.count)
    for (number, job) in jobs.enumerated() {
      guard job.index % ranks.size == ranks.rank else { continue }
      do {
        for kind in try write(job, largest) { flags[number * kinds.count + kinds.firstIndex(of: kind)!] = 1 }
      } catch {
        warn("a picture for the report is left out: \(error)")
      }
    }
    flags = try ranks.sum(flags)
    guard ranks.rank == 0 else { return [] }
    return jobs.enumerated().compactMap { number, job in
      let files = kinds.enumerated().compactMap { place, kind in
        flags[number * kinds.count + place] > 0
          ? EvaluationRecord.Picture.File(kind: kind, name: Self.file(job.stem, kind)) : nil
      }
      guard !files.isEmpty, let set = set(job.list) else { return nil }
      return EvaluationRecord.Picture(
        list: job.list, name: set.identifier(job.index), errors: job.worst.map { Int($0.errors) },
        labeled: job.worst.map { Int($0.labeled) }, files: files)
    }
  }

  /// Removes what a killed run has left half written. No rank writes a picture before rank 0 gets to ``jobs(_:)``.
  private static func removeTemporaries(in folder: String) throws {
    for name in try FileSystem.entries(of: folder) where FileSystem.isTemporary(name) {
      let path = FileSystem.join(folder, name)
      guard unlink(path) == 0 || errno == ENOENT else { throw FileError.system("cannot be removed", path) }
    }
  }

  /// The kinds of pictures in the order in which they are shown.
  private static let kinds = ["image", "truth", "student", "teacher", "entropy", "reliable", "errors"]

  private static func file(_ stem: String, _ kind: String) -> String { "\(stem)-\(kind).png" }

  private func set(_ list: String) -> (any ImageSet)? { list == "validation" ? sets.validation : sets.unlabeled }

  /// The same on all ranks.
  private func jobs(_ worst: WorstImages) throws -> [Job] {
    let own = worst.entries.flatMap { [Int64($0.image), $0.errors, $0.labeled] }
    let (all, _) = try ranks.allGather(own)
    let entries = stride(from: 0, to: all.count, by: 3).map { at in
      worst.entries.first { $0.image == Int(all[at]) }
        ?? WorstImages.Entry(image: Int(all[at]), errors: all[at + 1], labeled: all[at + 2], logits: nil)
    }
    func stem(_ list: String, _ number: Int) -> String { "step-\(trainer.step)-\(list)-\(number + 1)" }
    var jobs = entries.sorted(by: WorstImages.Entry.isWorse).prefix(worst.count).enumerated().map { number, entry in
      Job(list: "validation", index: entry.image, stem: stem("validation", number), worst: entry)
    }
    if let count = sets.unlabeled?.count, count > 0 {
      let wanted = min(Self.unlabeledCount, count)
      jobs += (0..<wanted).map { number in
        Job(list: "unlabeled", index: number * count / wanted, stem: stem("unlabeled", number), worst: nil)
      }
    }
    return jobs
  }

  /// The size of the largest image that any rank has evaluated, the same on all ranks: some may have evaluated none.
  private func largest(of worst: WorstImages) throws -> Configuration.Size {
    let own = worst.largest, ownArea = Int64(own.height * own.width)
    let area = try ranks.maximum([ownArea])[0]
    let height = try ranks.maximum([ownArea == area ? Int64(own.height) : 0])[0]
    return Configuration.Size(height: Int(height), width: Int(area / height))
  }

  // MARK: One image

  /// - Returns: the kinds that have been written.
  private func write(_ job: Job, _ largest: Configuration.Size) throws -> [String] {
    guard let set = set(job.list) else { return [] }
    let (image, truth, inference) = try example(set, job, largest)
    let answer = try inference.answer(trainer.evaluated, image, knowing: job.worst?.logits)
    let student =
      trainer.evaluatesTeacher ? try inference.classes(trainer.student, image) : answer.classes
    let frames = PictureFrames(image, trainer.configuration.data.shownRange)
    let palette = trainer.configuration.data.colors
    var written: [String] = []
    func path(_ kind: String) -> String {
      written.append(kind)
      return FileSystem.join(EvaluationRecord.picturesPath(directory), Self.file(job.stem, kind))
    }
    func write(_ kind: String, _ picture: Raster) throws { try ImageFile.writePNG(picture, to: path(kind)) }
    func write(_ kind: String, classes: [UInt8]) throws {
      try ImageFile.writePNG(frames.classes(classes), palette: palette, to: path(kind))
    }
    try write("image", frames.image())
    if let truth { try write("truth", classes: truth) }
    try write("student", classes: student)
    if trainer.evaluatesTeacher { try write("teacher", classes: answer.classes) }
    try write(
      "entropy",
      frames.entropy(answer.entropy, classes: answer.classes, greatest: greatest, threshold: threshold))
    if gamma != nil || !gammaOfClass.isEmpty {
      try write("reliable", frames.reliability(answer.entropy, classes: answer.classes, threshold: threshold))
    }
    if let truth { try write("errors", frames.errors(answer.classes, truth: truth)) }
    return written
  }

  private func threshold(_ label: UInt8) -> Double? {
    gammaOfClass.isEmpty ? gamma : Int(label) < gammaOfClass.count ? gammaOfClass[Int(label)] : nil
  }

  /// The image of a job, and how the network is applied to it. Of an unlabeled image that is larger than any evaluated one, the
  /// middle: there may be no memory for a pass over all of it.
  private func example(
    _ set: any ImageSet, _ job: Job, _ largest: Configuration.Size
  ) throws -> (image: Raster, truth: [UInt8]?, Inference) {
    if job.worst != nil {
      let (image, labels, inference) = try Evaluator(trainer.configuration, ranks: ranks).example(set, job.index)
      return (image, labels.values, inference)
    }
    let inference = Inference(trainer.configuration)
    let image = try set.image(job.index)
    let fits = image.height * image.width <= largest.height * largest.width
    if fits || trainer.configuration.evaluate.mode == .sliding { return (image, nil, inference) }
    return (image.centered(largest), nil, inference.normalizing(as: image))
  }
}
