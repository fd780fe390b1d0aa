import Configuration
import Dataset
import Distributed
import Method
import Trainer
import Transforms

/// What reading every image and mask of a configuration once has found.
struct DataSurvey {
  /// What is known of one list.
  struct List {
    let role: ListRole
    var images = 0
    /// Of the images that could be read, by their number of pixels.
    var smallest: (height: Int, width: Int)?
    var largest: (height: Int, width: Int)?
    /// Pixels of each class, then of ignore; empty where masks are not needed.
    var pixels: [Int64] = []
    /// Images that show each class, then those with ignored pixels.
    var shownBy: [Int64] = []
    /// Images turned as their EXIF orientation says.
    var turned = 0
    /// Images of 16 bits of which more than the high byte is in use, and what their values use.
    var deep = 0
    var depth: ImageFacts.Depth?

    var shares: LabelShares { LabelShares(pixels: pixels, shownBy: shownBy) }
    var name: String { role == .validation ? "validation" : role.name }
    var isMasked: Bool { role != .unlabeled }
  }

  private(set) var lists: [List] = []
  /// All that cannot be trained on: lists, lines, files, masks.
  private(set) var problems: [String] = []
  /// What can be trained on, but not to a good end.
  private(set) var warnings: [String] = []
  /// What can be trained on, but is probably a mistake.
  private(set) var remarks: [String] = []
  /// How many images were read: one that several lists name is read once.
  private(set) var filesRead = 0

  /// An image, with its mask where a list needs it.
  private struct Job: Sendable {
    let set: any ImageSet
    let index: Int
    let masked: Bool
  }

  private struct Facts: Sendable {
    let height: Int
    let width: Int
    /// What decoding has told; nil for images that are not decoded.
    var image: ImageFacts?
    /// As ``List/pixels``.
    var pixels: [Int64] = []
  }

  /// Reads everything, shared out over the ranks. Collective.
  ///
  /// - Throws: ``CollectiveFailure`` where the lists themselves cannot be compared, as they differ between hosts.
  init(_ configuration: Configuration, ranks: Communicator) throws {
    var sets: [any ImageSet] = []
    var found: [String] = []
    do {
      let source = try DataSource(configuration.data)
      for role in [ListRole.labeled, .unlabeled, .validation] {
        do {
          guard let set = try source.open(role) else { continue }
          sets.append(set)
          lists.append(List(role: role))
          found += set.problems.map(\.description)
        } catch { found.append("\(error)") }
      }
    } catch { found.append("\(error)") }
    problems = try SharedWork.gather(found, ranks: ranks)
    let counts = sets.map { Int64($0.count) } + [Int64](repeating: -1, count: 3 - sets.count)
    guard try ranks.minimum(counts) == ranks.maximum(counts) else {
      problems.append("the ranks do not see the same files: is \(configuration.data.root) on all hosts?")
      lists = []
      return
    }
    let (jobs, jobOfEntry) = DataSurvey.jobs(sets, lists)
    filesRead = jobs.count
    let classes = configuration.data.classes
    let results = try SharedWork.run(jobs, label: "check", ranks: ranks) { try DataSurvey.read($0, classes: classes) }
    let first = SharedWork.share(of: jobs.count, ranks).lowerBound
    problems += try SharedWork.gather(
      results.compactMap { if case .failure(let error) = $0 { "\(error)" } else { nil } }, ranks: ranks)
    remarks = try SharedWork.gather(DataSurvey.flaws(results, jobs, first), ranks: ranks)
    let sizes = try sum(results, first, jobOfEntry, jobs: jobs.count, classes: classes, ranks)
    summarize(sets, jobOfEntry, sizes)
    try remarkChannels(results, configuration.data, ranks)
    if configuration.augment.crop == nil { requireOneSize(sets, jobOfEntry, sizes) }
    remark(sets, configuration)
  }

  /// What there is to read, each once, and by list and entry which of these it is.
  private static func jobs(_ sets: [any ImageSet], _ lists: [List]) -> (jobs: [Job], jobOfEntry: [[Int]]) {
    var jobs: [Job] = []
    var known: [String: Int] = [:]
    var jobOfEntry = sets.map { [Int](repeating: 0, count: $0.count) }
    // Masked ones first: an unlabeled image may have been read with its mask.
    for masked in [true, false] {
      for (l, set) in sets.enumerated() where lists[l].isMasked == masked {
        for index in 0..<set.count {
          let source = set.source(index)
          let keys = masked ? [source.image + "\n" + (source.mask ?? "")] : [source.image]
          if let job = keys.compactMap({ known[$0] }).first {
            jobOfEntry[l][index] = job
            continue
          }
          jobOfEntry[l][index] = jobs.count
          for key in keys + [source.image] { known[key] = known[key] ?? jobs.count }
          jobs.append(Job(set: set, index: index, masked: masked))
        }
      }
    }
    return (jobs, jobOfEntry)
  }

  private static func read(_ job: Job, classes: Int) throws -> Facts {
    try job.set.namingOrigin(of: job.index) {
      let (image, facts) = try job.set.decoded(job.index)
      guard job.masked else { return Facts(height: image.height, width: image.width, image: facts) }
      let labels = try job.set.labels(job.index)
      try job.set.requireSameSize(job.index, image: (image.height, image.width), labels)
      var counts = [Int64](repeating: 0, count: 256)
      for value in labels.values { counts[Int(value)] += 1 }
      return Facts(
        height: image.height, width: image.width, image: facts,
        pixels: Array(counts[..<classes]) + [counts[Int(LabelMap.ignore)]])
    }
  }

  /// What is lost, or tripled, where all images have another number of channels than they are taken to have. Collective.
  private mutating func remarkChannels(
    _ results: [Result<Facts, any Error>], _ data: Configuration.Data, _ ranks: Communicator
  ) throws {
    let stored = results.compactMap {
      if case .success(let facts) = $0 { facts.image.map { Int64($0.channels) } } else { nil }
    }
    let least = try ranks.minimum([stored.min() ?? .max])[0], most = try ranks.maximum([stored.max() ?? 0])[0]
    guard data.channels == 3, most > 0 else { return }
    if most <= 2 {
      remarks.append(
        "all images are grey, and read as three channels of the same: data.channels: 1 takes them as they are, in a third "
          + "of the memory" + (most == 2 ? "; alpha is dropped" : ""))
    } else if least == 4 {
      remarks.append("all images have 4 channels, of which alpha is dropped: data.channels: 4 takes them as they are")
    }
  }

  /// Images that are damaged, but read as viewers show them.
  private static func flaws(_ results: [Result<Facts, any Error>], _ jobs: [Job], _ first: Int) -> [String] {
    results.enumerated().compactMap { i, result in
      guard case .success(let facts) = result, let flaw = facts.image?.flaw else { return nil }
      let job = jobs[first + i]
      return (job.set.origin(job.index).map { "\($0): " } ?? "") + "\(job.set.source(job.index).image): \(flaw)"
    }
  }

  /// Adds up what all ranks have found in the files of a list's images. Collective.
  private mutating func sumFacts(
    _ l: Int, _ results: [Result<Facts, any Error>], _ first: Int, _ jobOfEntry: [Int], _ ranks: Communicator
  ) throws {
    var counts: [Int64] = [0, 0]
    var depth = ImageFacts.Depth(greatest: 0, used: 0, isDoubled: false)
    for job in jobOfEntry where results.indices.contains(job - first) {
      guard case .success(let facts) = results[job - first], let image = facts.image else { continue }
      if image.orientation > 1 { counts[0] += 1 }
      guard let found = image.depth, found.loss != nil else { continue }
      counts[1] += 1
      depth = depth.union(found)
    }
    counts = try ranks.sum(counts)
    let all = try ranks.allGather([Int64(depth.greatest), Int64(depth.used)]).elements
    (lists[l].turned, lists[l].deep) = (Int(counts[0]), Int(counts[1]))
    guard counts[1] > 0 else { return }
    lists[l].depth = stride(from: 0, to: all.count, by: 2).map { at in
      ImageFacts.Depth(greatest: Int(all[at]), used: Int(all[at + 1]), isDoubled: false)
    }.reduce(depth) { $0.union($1) }
  }

  /// Adds up what all ranks have found in the masks of each list.
  ///
  /// - Returns: height and width of each job's image, 0 where it cannot be read.
  private mutating func sum(
    _ results: [Result<Facts, any Error>], _ first: Int, _ jobOfEntry: [[Int]], jobs: Int, classes: Int,
    _ ranks: Communicator
  ) throws -> [Int64] {
    var sizes = [Int64](repeating: 0, count: 2 * jobs)
    for (i, result) in results.enumerated() {
      guard case .success(let facts) = result else { continue }
      (sizes[2 * (first + i)], sizes[2 * (first + i) + 1]) = (Int64(facts.height), Int64(facts.width))
    }
    for l in lists.indices { try sumFacts(l, results, first, jobOfEntry[l], ranks) }
    for (l, list) in lists.enumerated() where list.isMasked {
      var pixels = [Int64](repeating: 0, count: classes + 1), shownBy = pixels
      for job in jobOfEntry[l] where results.indices.contains(job - first) {
        guard case .success(let facts) = results[job - first] else { continue }
        for (c, count) in facts.pixels.enumerated() where count > 0 {
          pixels[c] += count
          shownBy[c] += 1
        }
      }
      (lists[l].pixels, lists[l].shownBy) = (try ranks.sum(pixels), try ranks.sum(shownBy))
    }
    return try ranks.sum(sizes)
  }

  private mutating func summarize(_ sets: [any ImageSet], _ jobOfEntry: [[Int]], _ sizes: [Int64]) {
    for (l, set) in sets.enumerated() {
      lists[l].images = set.count
      let read = jobOfEntry[l].map { (height: Int(sizes[2 * $0]), width: Int(sizes[2 * $0 + 1])) }
        .filter { $0.height > 0 }
      lists[l].smallest = read.min { $0.height * $0.width < $1.height * $1.width }
      lists[l].largest = read.max { $0.height * $0.width < $1.height * $1.width }
    }
  }

  /// Without a crop images have to fit into one batch.
  private mutating func requireOneSize(_ sets: [any ImageSet], _ jobOfEntry: [[Int]], _ sizes: [Int64]) {
    var expected: (name: String, height: Int64, width: Int64)?
    for (l, set) in sets.enumerated() where lists[l].role != .validation {
      for (index, job) in jobOfEntry[l].enumerated() {
        let (height, width) = (sizes[2 * job], sizes[2 * job + 1])
        guard height > 0 else { continue }
        guard let first = expected else {
          expected = (set.identifier(index), height, width)
          continue
        }
        guard (height, width) != (first.height, first.width) else { continue }
        problems.append(
          (set.origin(index).map { "\($0): " } ?? "")
            + "\(set.identifier(index)) is \(width)×\(height), \(first.name) \(first.width)×\(first.height): without "
            + "augment.crop all training images must be of one size")
      }
    }
  }

  private mutating func remark(_ sets: [any ImageSet], _ configuration: Configuration) {
    var images: [ListRole: Set<String>] = [:]
    for (l, set) in sets.enumerated() {
      let all = (0..<set.count).map { set.source($0).image }
      images[lists[l].role] = Set(all)
      let repeated = all.count - Set(all).count
      if repeated > 0 {
        remarks.append("the \(lists[l].name) list names \(count(repeated, "image")) more than once")
      }
    }
    for (list, name, other) in [
      (ListRole.validation, "validation", ListRole.labeled), (.validation, "validation", .unlabeled),
      (.unlabeled, "unlabeled", .labeled),
    ] {
      let shared = (images[list] ?? []).intersection(images[other] ?? []).sorted()
      if !shared.isEmpty { remarks.append(ImageReview.shared(shared, name, with: other.name)) }
    }
    for list in lists {
      let name = " of the \(list.name) list"
      remarks += [
        ImageReview.depthWarning(list.deep, list.depth, of: name), ImageReview.orientationNote(list.turned, of: name),
      ].compactMap { $0 }
    }
    for list in lists where list.isMasked && list.shownBy.count > 1 {
      let shares = list.shares
      if let problem = shares.problem(list.name, configuration.data) {
        problems.append(problem)
      } else if list.role == .labeled {
        if let warning = shares.warning(configuration) { warnings.append(warning) }
      } else if !shares.absent.isEmpty {
        remarks.append("no image of the \(list.name) list shows \(configuration.data.names(of: shares.absent))")
      }
    }
  }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
