import Compute
import Configuration
import Dataset
import Distributed
import Method
import Transforms

/// The lists a configuration names, opened and looked over.
public struct DataSets: Sendable {
  public let labeled: any ImageSet
  /// nil where no list is given.
  public let unlabeled: (any ImageSet)?
  public let validation: (any ImageSet)?
  /// Which labeled images belong together.
  package let labeledGroups: ImageGroups

  /// Opens the lists. Touches this process's file system only.
  ///
  /// - Throws: ``DatasetError`` naming list, line and file.
  public init(_ configuration: Configuration) throws {
    let source = try DataSource(configuration.data)
    labeled = try source.open(.labeled)!
    unlabeled = try source.open(.unlabeled)
    validation = try source.open(.validation)
    for set in [labeled, unlabeled, validation].compactMap({ $0 }) { try set.requireComplete() }
    labeledGroups = try ImageGroups(labeled, configuration.data.group)
    try requireSeparateGroups(configuration.data.group)
  }

  /// Labeled images, at most two of each group: below eight, the four folds cannot each have a group.
  package var countForFolds: Int { min(labeled.count, 2 * labeledGroups.count) }

  /// - Throws: ``DatasetError`` where a group has labeled and validation images: its images are alike, and an evaluation would
  ///   measure what was learned by heart.
  private func requireSeparateGroups(_ expression: String?) throws {
    guard let validation else { return }
    let others = try ImageGroups(validation, expression)
    guard labeledGroups.areSet, others.areSet else { return }
    let first = Dictionary(labeledGroups.names.enumerated().map { ($1, $0) }) { a, _ in a }
    for (index, name) in others.names.enumerated() {
      guard let known = first[name] else { continue }
      let place = { (set: any ImageSet, index: Int) in set.origin(index) ?? set.identifier(index) }
      throw DatasetError(
        description: "\(place(validation, index)): \(validation.identifier(index)) is for validation, and "
          + "\(labeled.identifier(known)) (\(place(labeled, known))) of the same \(expression == nil ? "volume" : "group"), "
          + "\(name), is labeled; images that belong together must be on one side: u2pl data split keeps them together")
    }
  }

  /// The validation list alone.
  public static func openValidation(_ configuration: Configuration) throws -> (any ImageSet)? {
    let set = try DataSource(configuration.data).open(.validation)
    try set?.requireComplete()
    return set
  }

  /// Looks every entry over, shared out over the ranks: headers and ends of images, sizes, every value of the masks, and, where
  /// `decodes` says so, every pixel of the images. Collective, so that a file damaged on one host ends all ranks with one
  /// message.
  ///
  /// - Returns: what was seen, the same on every rank.
  /// - Throws: ``CollectiveFailure`` on every rank.
  public func check(_ configuration: Configuration, ranks: Communicator) throws -> ImageReview {
    try check(configuration, verified: VerifiedImages(), ranks: ranks)
  }

  /// - Parameter verified: images that need not be decoded again.
  func check(_ configuration: Configuration, verified: VerifiedImages, ranks: Communicator) throws -> ImageReview {
    let data = configuration.data
    let sameSize = configuration.augment.crop == nil
    let trained = [labeled, unlabeled].compactMap { $0 }
    let lists = trained + [validation].compactMap { $0 }
    let jobs = ImageReview.jobs(lists, decodes: data.verify, ranks: ranks)
    var review = ImageReview(classes: data.classes, lists: lists.count)
    review.labeledForValidation = labeledImages(in: validation)
    review.labeledAndUnlabeled = configuration.u2pl.enabled ? labeledImages(in: unlabeled) : []
    review.groupsForValidation =
      configuration.u2pl.enabled ? try ranks.together { try unlabeledGroups(data.group) } : []
    try ranks.together {
      let first = try labeled.namingOrigin(of: 0) { try labeled.check(0) }
      review.first = first
      try ImageReview.run(jobs, classes: data.classes, verified: verified) { job, finding in
        guard !sameSize || job.list >= trained.count || finding.size == first else {
          throw DatasetError(
            description: "\(job.set.identifier(job.index)) is \(finding.size.width)×\(finding.size.height), "
              + "\(labeled.identifier(0)) \(first.width)×\(first.height): without augment.crop all training images must be of "
              + "one size; set it to the height and width to train on")
        }
        review.add(job, finding)
      }
    }
    review = try review.gathered(ranks)
    try ranks.together {
      let problem =
        review.masks[0].problem("labeled", data)
        ?? (validation == nil ? nil : review.masks[lists.count - 1].problem("validation", data))
        ?? review.typeProblem(data)
      if let problem { throw DatasetError(description: problem) }
    }
    return review
  }

  /// Groups that have unlabeled and validation images.
  private func unlabeledGroups(_ expression: String?) throws -> [String] {
    guard let unlabeled, let validation else { return [] }
    let (own, others) = (try ImageGroups(unlabeled, expression), try ImageGroups(validation, expression))
    guard own.areSet, others.areSet else { return [] }
    return Set(own.names).intersection(others.names).sorted()
  }

  /// The images of another list that are labeled ones too, each once.
  private func labeledImages(in list: (any ImageSet)?) -> [String] {
    guard let list else { return [] }
    let known = Set((0..<labeled.count).map { labeled.source($0).image })
    return Set((0..<list.count).map { list.source($0).image }).intersection(known).sorted()
  }

  /// Counts the pixels of each class in every labeled mask, shared out over the ranks, where `data.balance` needs it.
  /// Collective.
  ///
  /// - Parameter folds: what is held out and so not drawn; nil for nothing.
  package func balance(
    _ configuration: Configuration, philox: Philox, folds: HeldOutFolds?, ranks: Communicator
  ) throws -> ClassBalance? {
    let share = configuration.data.balance, classes = configuration.data.classes
    guard share > 0 else { return nil }
    var table = [Int64](repeating: 0, count: labeled.count * classes)
    try ranks.together {
      for index in stride(from: ranks.rank, to: labeled.count, by: ranks.size) {
        Activity.advance()
        let (_, labels) = try labeled.namingOrigin(of: index) { try labeled.labeledImage(index) }
        for label in labels.values where label != LabelMap.ignore { table[index * classes + Int(label)] += 1 }
      }
    }
    table = try ranks.sum(table)
    return ClassBalance(
      share: share,
      pixels: (0..<labeled.count).map { Array(table[$0 * classes..<($0 + 1) * classes]) }, philox: philox,
      folds: folds)
  }
}

extension BatchLoader {
  /// A loader of this rank's share of every batch from `firstStep` on.
  ///
  /// - Parameters:
  ///   - folds: what is held out of the labeled list; nil for nothing.
  ///   - balance: of the run, from ``DataSets/balance(_:philox:folds:ranks:)``.
  package convenience init(
    _ sets: DataSets, _ trainer: U2PLTrainer, firstStep: Int, folds: HeldOutFolds? = nil, balance: ClassBalance? = nil
  ) {
    let configuration = trainer.configuration, layout = trainer.layout, philox = trainer.philox
    func sampler(
      _ set: any ImageSet, _ batch: Int, _ stream: RandomStream, _ folds: HeldOutFolds? = nil
    ) -> GlobalSampler {
      GlobalSampler(
        count: set.count, batch: batch, shuffle: configuration.data.shuffle, philox: philox, stream: stream,
        folds: folds)
    }
    let unlabeled = configuration.u2pl.enabled ? sets.unlabeled : nil
    let augmentation = Augmentation(configuration.augment)
    self.init(
      labeled: .init(
        sets.labeled, sampler(sets.labeled, configuration.batch.labeled, .labeledOrder, folds),
        slots: layout.localLabeled, augmentation: augmentation, balance: balance),
      unlabeled: unlabeled.map {
        .init(
          $0, sampler($0, configuration.batch.unlabeled, .unlabeledOrder), slots: layout.localUnlabeled,
          augmentation: augmentation, firstStep: trainer.schedule.firstSemiSupervisedStep)
      },
      steps: firstStep..<trainer.schedule.totalSteps, normalization: Normalization(configuration), philox: philox)
  }
}

extension Augmentation {
  init(_ augment: Configuration.Augment) {
    self.init(
      scale: augment.scale, flip: augment.flip, crop: augment.crop.map { ($0.height, $0.width) },
      rotate: augment.rotate,
      elastic: augment.elastic.map {
        ElasticDeformation(amplitude: $0.amplitude, spacing: $0.spacing, probability: augment.elasticProbability)
      },
      verticalFlip: augment.verticalFlip, quarterTurns: augment.quarterTurns,
      color: augment.color.map { ColorJitter($0, probability: augment.colorProbability) },
      gamma: augment.gamma.map { GammaChange(exponent: $0, probability: augment.gammaProbability) },
      blur: augment.blur.map { GaussianBlur(radius: $0, probability: augment.blurProbability) },
      noise: augment.noise.map { GaussianNoise(deviation: $0, probability: augment.noiseProbability) })
  }
}
