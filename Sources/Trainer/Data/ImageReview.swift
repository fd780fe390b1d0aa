import Compute
import Configuration
import Dataset
import Distributed
import Foundation
import Synchronization
import Transforms

/// What looking all listed images over has found: nothing that cannot be trained on, which is an error, but what a user
/// should know of.
///
/// With `data.verify` each image is decoded once, whatever lists it is in, and each rank decodes its share, in all of
/// its threads. The same on all ranks, but for ``largest``.
public struct ImageReview: Sendable {
  /// Images that are damaged, but read as viewers show them: a line each, with list and line.
  public private(set) var flaws: [String] = []
  /// Images that were turned as their EXIF orientation says.
  public private(set) var turned = 0
  /// Images of 16 bits a channel of which more than the high byte is in use, and what their values use.
  public private(set) var deep = 0
  public private(set) var depth: ImageFacts.Depth?
  /// Of each ``PixelType``, in their order: the first image of this rank that was decoded now, empty for none.
  private var examples = [String](repeating: "", count: PixelType.allCases.count)
  /// Images of floats that have values outside of 0–1.
  private var beyondUnit = 0
  /// How many pixels of each class the masks of each list show; no pixel where masks need not be read, as those of
  /// generated images.
  public private(set) var masks: [LabelShares]
  /// Images of the validation list, and of the unlabeled one, that are labeled ones too.
  var labeledForValidation: [String] = []
  var labeledAndUnlabeled: [String] = []
  /// Volumes or groups with unlabeled and validation images.
  var groupsForValidation: [String] = []
  /// Height and width of the first labeled image, where training images were looked over.
  public internal(set) var first = (0, 0)
  /// Of the images of this rank's share, the one of most pixels.
  public private(set) var largest: (height: Int, width: Int, name: String)?
  /// Digests of the images that were decoded now.
  private(set) var stamps: [UInt64] = []

  /// One entry of a list, for this rank to look over.
  struct Job: Sendable {
    let set: any ImageSet
    /// The list's place among those that are looked over.
    let list: Int
    let index: Int
    /// Whether its image is decoded, or only its header read.
    let decodes: Bool
  }

  /// What one job has found.
  struct Finding: Sendable {
    var size: (height: Int, width: Int)
    var mask: LabelShares?
    var facts: ImageFacts?
    /// Of an image that was decoded.
    var type: PixelType?
    /// Whether it is of floats, any of which lies outside of 0–1.
    var isBeyondUnit = false
    var stamp: UInt64?
  }

  init(classes: Int, lists: Int) { masks = [LabelShares](repeating: LabelShares(classes: classes), count: lists) }

  /// Looks one list over. Collective.
  ///
  /// - Throws: ``CollectiveFailure`` on every rank.
  static func of(_ set: any ImageSet, classes: Int, decodes: Bool, ranks: Communicator) throws -> ImageReview {
    let jobs = jobs([set], decodes: decodes, ranks: ranks)
    var review = ImageReview(classes: classes, lists: 1)
    try ranks.together { try run(jobs, classes: classes, verified: VerifiedImages()) { review.add($0, $1) } }
    return try review.gathered(ranks)
  }

  /// The share of this rank of all entries. An image that several lists name is decoded for the first of them.
  static func jobs(_ sets: [any ImageSet], decodes: Bool, ranks: Communicator) -> [Job] {
    var known: Set<String> = []
    return sets.enumerated().flatMap { list, set in
      (0..<set.count).compactMap { index in
        // Every rank has to know what comes first.
        let isFirst = decodes && known.insert(set.source(index).image).inserted
        return index % ranks.size == ranks.rank ? Job(set: set, list: list, index: index, decodes: isFirst) : nil
      }
    }
  }

  /// Does the jobs in all threads, in rounds. Makes no MPI call.
  ///
  /// - Parameter each: called with what each has found, in their order.
  /// - Throws: ``DatasetError`` of the first job that fails, naming list and line.
  static func run(
    _ jobs: [Job], classes: Int, verified: VerifiedImages, each: (Job, Finding) throws -> Void
  ) throws {
    let round = 4 * max(1, ThreadPool.threads)
    for start in stride(from: 0, to: jobs.count, by: round) {
      let part = Array(jobs[start..<min(jobs.count, start + round)])
      let results = Mutex([Result<Finding, any Error>?](repeating: nil, count: part.count))
      parallelFor(part.count) { at in
        let result = Result { try look(part[at], classes, verified) }
        results.withLock { $0[at] = result }
      }
      Activity.advance()
      for (job, result) in zip(part, results.withLock { $0 }) {
        if let result { try each(job, try result.get()) }
      }
    }
  }

  private static func look(_ job: Job, _ classes: Int, _ verified: VerifiedImages) throws -> Finding {
    try job.set.namingOrigin(of: job.index) {
      let stamp = job.decodes ? job.set.stamp(job.index) : nil
      // Headers, and masks, are read each time.
      var shares: LabelShares?
      let size = try job.set.check(job.index) { mask in
        shares = LabelShares(classes: classes)
        shares!.add(mask)
      }
      guard let stamp, !verified.contains(stamp) else { return Finding(size: size, mask: shares) }
      let (image, facts) = try job.set.decoded(job.index)
      var isBeyondUnit = false
      if case .float32(let values) = image.values { isBeyondUnit = values.contains { $0 < 0 || $0 > 1 } }
      return Finding(
        size: size, mask: shares, facts: facts, type: image.type, isBeyondUnit: isBeyondUnit, stamp: stamp)
    }
  }

  mutating func add(_ job: Job, _ finding: Finding) {
    if let stamp = finding.stamp { stamps.append(stamp) }
    if let mask = finding.mask { masks[job.list].add(mask) }
    let (height, width) = finding.size
    if height * width > (largest.map { $0.height * $0.width } ?? 0) {
      largest = (height, width, job.set.source(job.index).image)
    }
    if let type = finding.type, let place = PixelType.allCases.firstIndex(of: type), examples[place].isEmpty {
      examples[place] = job.set.source(job.index).image
    }
    if finding.isBeyondUnit { beyondUnit += 1 }
    guard let facts = finding.facts else { return }
    if let flaw = facts.flaw {
      let place = job.set.origin(job.index).map { "\($0): " } ?? ""
      flaws.append("\(place)\(job.set.source(job.index).image): \(flaw)")
    }
    if facts.orientation > 1 { turned += 1 }
    if let depth = facts.depth, depth.loss != nil {
      deep += 1
      self.depth = self.depth?.union(depth) ?? depth
    }
  }

  /// What all ranks have found. Collective.
  func gathered(_ ranks: Communicator) throws -> ImageReview {
    var all = ImageReview(classes: 0, lists: 0)
    (all.largest, all.first, all.masks) = (largest, first, masks)
    (all.labeledForValidation, all.labeledAndUnlabeled) = (labeledForValidation, labeledAndUnlabeled)
    all.groupsForValidation = groupsForValidation
    for list in all.masks.indices { try all.masks[list].sum(over: ranks) }
    all.flaws = try ranks.allGather(flaws.map { $0.replacing("\n", with: " ") }.joined(separator: "\n"))
      .flatMap { $0.split(separator: "\n").map(String.init) }
    let sums = try ranks.sum([Int64(turned), Int64(deep)])
    (all.turned, all.deep) = (Int(sums[0]), Int(sums[1]))
    let names = try ranks.allGather(examples.map { $0.replacing("\n", with: " ") }.joined(separator: "\n"))
    for part in names.map({ $0.split(separator: "\n", omittingEmptySubsequences: false) }) {
      for (place, name) in part.enumerated() where all.examples[place].isEmpty { all.examples[place] = String(name) }
    }
    all.beyondUnit = Int(try ranks.sum([Int64(beyondUnit)])[0])
    let depths = try ranks.allGather([Int64(depth?.greatest ?? 0), Int64(depth?.used ?? 0)]).elements
    if all.deep > 0 {
      all.depth = stride(from: 0, to: depths.count, by: 2).map { at in
        ImageFacts.Depth(greatest: Int(depths[at]), used: Int(depths[at + 1]), isDoubled: false)
      }.reduce(ImageFacts.Depth(greatest: 0, used: 0, isDoubled: false)) { $0.union($1) }
    }
    all.stamps = try ranks.allGather(stamps).elements
    return all
  }

  /// What is wrong where each image's type says which of its values become 0 and 255, of the images that were decoded now: with
  /// types side by side, the same value would mean different things.
  ///
  /// - Returns: nil where nothing is.
  func typeProblem(_ data: Configuration.Data) -> String? {
    let seen = zip(PixelType.allCases, examples).filter { !$1.isEmpty }
    guard data.takesRangeOfType, seen.count > 1 else { return nil }
    return "data.range is not set, and images are of \(seen.count) types, each of which has another range: "
      + seen.map { "\($0.1) is \($0.0.rawValue)" }.joined(separator: ", ")
      + ". Save all with one type, or set data.range, such as --set data.range=[0, 4095]"
  }

  /// Where the type's range is most likely not that of the values.
  func rangeWarning(_ data: Configuration.Data) -> String? {
    guard data.takesRangeOfType else { return nil }
    if beyondUnit > 0 {
      return "data.range is not set, and \(beyondUnit) \(beyondUnit == 1 ? "image" : "images") of floats "
        + "\(beyondUnit == 1 ? "has" : "have") values outside of 0–1, which become 0 or 255; give the range of values, such as "
        + "--set data.range=[0, 4095] or --set 'data.range={percentiles: [0.5, 99.5]}'"
    }
    guard let place = PixelType.allCases.firstIndex(of: .int16), !examples[place].isEmpty else { return nil }
    return
      "data.range is not set, and images are int16 (\(examples[place])): -32768 and 32767 become 0 and 255, of which CT or MR "
      + "leave a few grey levels; give the range of values, such as --set data.range=[-160, 240] or --set "
      + "'data.range={percentiles: [0.5, 99.5]}'"
  }

  /// The lines that a user sees; of many flaws the first.
  public var warnings: [String] {
    var lines = flaws.prefix(Self.shownFlaws).map { $0 }
    if flaws.count > Self.shownFlaws {
      lines.append(
        "\(flaws.count - Self.shownFlaws) more images are damaged like that: u2pl data check CONFIG lists all")
    }
    if !labeledForValidation.isEmpty {
      lines.append(
        Self.shared(labeledForValidation, "validation")
          + ": evaluations measure in part what was trained on; take them out of one of the lists")
    }
    if !labeledAndUnlabeled.isEmpty {
      lines.append(
        Self.shared(labeledAndUnlabeled, "unlabeled")
          + ": the network learns a pseudo-label of what it has a mask for; take them out of the unlabeled list, "
          + "unless that is meant (u2pl data split makes lists that share nothing)")
    }
    if !groupsForValidation.isEmpty {
      let count = groupsForValidation.count
      lines.append(
        "\(count) \(count == 1 ? "volume or group has" : "volumes or groups have") unlabeled and validation images "
          + "(\(groupsForValidation.prefix(3).joined(separator: ", "))\(count > 3 ? ", …" : "")): the network has seen images "
          + "like those it is measured on; u2pl data split keeps them together")
    }
    return lines + [Self.depthWarning(deep, depth)].compactMap { $0 }
  }

  /// What is no fault, but may surprise.
  public var notes: [String] { [Self.orientationNote(turned)].compactMap { $0 } }

  private static let shownFlaws = 20

  /// Such as `2 images of the validation list are labeled ones too (a.jpg, b.jpg)`.
  ///
  /// - Parameter list: the name of the list that has them.
  public static func shared(_ images: [String], _ list: String, with other: String = "labeled") -> String {
    let names = images.prefix(3).joined(separator: ", ") + (images.count > 3 ? ", …" : "")
    let (what, others) =
      images.count == 1
      ? ("1 image", "is \(other == "unlabeled" ? "an" : "a") \(other) one")
      : ("\(images.count) images", "are \(other) ones")
    return "\(what) of the \(list) list \(others) too (\(names))"
  }

  /// - Parameter list: the list's name, such as ` of the labeled list`.
  public static func depthWarning(_ count: Int, _ depth: ImageFacts.Depth?, of list: String = "") -> String? {
    depth?.loss.map { "\(count) \(count == 1 ? "image" : "images")\(list) of 16 bits a channel: \($0)" }
  }

  public static func orientationNote(_ count: Int, of list: String = "") -> String? {
    guard count > 0 else { return nil }
    return
      "\(count) \(count == 1 ? "image" : "images")\(list) \(count == 1 ? "carries" : "carry") an EXIF orientation, and "
      + "\(count == 1 ? "is" : "are") read as viewers show \(count == 1 ? "it" : "them"); masks have to be drawn on that"
  }
}

extension Configuration.Data {
  /// Whether an image's type alone says which values become 0 and 255.
  fileprivate var takesRangeOfType: Bool { range == .type && normalize == .dataset }
}
