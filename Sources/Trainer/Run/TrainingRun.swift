import Checkpoint
import Configuration
import Dataset
import Distributed
import Files
import Foundation
import HDF5
import Liveness
import Method
import Report
import RunLogs

/// A run from its first step, or from a checkpoint, to its last: steps, metrics, evaluations, checkpoints, logs.
public final class TrainingRun {
  /// What to go on from.
  public struct Resume: Sendable {
    public enum Source: Sendable, Equatable {
      /// The newest checkpoint of the run directory that verifies; from the start where there is none at all.
      case latest
      case path(String)
    }

    let source: Source
    /// Arguments `KEY=VALUE` whose keys may change although the rest of the run is no continuation then.
    let changing: [String]

    public init(_ source: Source, changing: [String] = []) { (self.source, self.changing) = (source, changing) }
  }

  /// What computes the run.
  public struct Provenance {
    /// Put into every checkpoint, such as the program's version.
    public var attributes: [String: AttributeValue]
    /// Gives this rank its threads, and returns what the head of its log tells of the process. Collective.
    ///
    /// Its argument is the number of threads that a resumed run had; nil where it is not known.
    public var start: (_ threads: Int?) throws -> ProcessFacts

    public init(
      attributes: [String: AttributeValue] = [:], start: @escaping (_ threads: Int?) throws -> ProcessFacts
    ) {
      (self.attributes, self.start) = (attributes, start)
    }
  }

  let configuration: Configuration
  let ranks: Communicator
  let directory: RunDirectory
  let sets: DataSets
  let trainer: U2PLTrainer
  private let instruments: StepInstruments
  private let replicas: ReplicaGuard
  /// What pseudo-labels count by; nil where they count in full.
  let evidence: EvidenceKeeper?
  private let watchdog: Watchdog
  /// On rank 0, until the process ends.
  private let lock: FileLock?
  let log: RankLog
  /// On rank 0 under a launch.
  let events: EventWriter?
  let attributes: [String: AttributeValue]
  let numericFacts: NumericFacts
  /// On rank 0.
  let lists: ListDigests
  let say: (String) -> Void
  private let flippedBit: FlippedBit?
  /// On rank 0.
  private(set) var records: RunRecords?
  /// On rank 0, once the run has its directory.
  private(set) var outputs: RunOutputs?
  var pictureBudget = PictureBudget()
  /// Of the last step that this process has done.
  private(set) var lastReport: StepReport?
  /// On rank 0: what was written of the last evaluation.
  var evaluationRecord: EvaluationRecord?
  var resumedFrom: String?
  private var best: (meanIoU: Double, step: Int)?
  private var lastMatrix: ConfusionMatrix?
  /// Whether the evaluation after the last step is still to be made, because a signal came first.
  private var owesEvaluation = false

  /// Opens everything a run needs. Collective.
  ///
  /// - Parameters:
  ///   - directory: made if it does not exist.
  ///   - say: shows a line to the user; called on rank 0 only.
  /// - Throws: ``CollectiveFailure`` on every rank when any finds something wrong.
  public init(
    _ given: Configuration, directory: RunDirectory, resume: Resume?, ranks: Communicator,
    provenance: Provenance, say: @escaping (String) -> Void
  ) throws {
    self.ranks = ranks
    self.directory = directory
    self.say = ranks.rank == 0 ? say : { _ in }
    let events = ranks.rank == 0 ? EventWriter(rank: 0) : nil
    self.events = events
    Activity.begin("start-up", step: 0, patience: TrainingRun.longPatience)
    watchdog = try Watchdog(
      seconds: given.watchdog.seconds, directory: "\(directory.path)/status", ranks: ranks)
    let (flippedBit, fault) = try ranks.together { (try FlippedBit.ordered(), try InjectedFault.ordered()) }
    self.flippedBit = flippedBit
    // What is read is to be the newest: whoever is at the run has to be at its end.
    var early: FileLock?
    try ranks.together {
      guard ranks.rank == 0, resume != nil, FileManager.default.fileExists(atPath: directory.logsPath) else { return }
      early = try directory.lock(isLaunched: events != nil, begins: false)
    }
    let point = try resume.flatMap { try ResumePoint.find($0.source, in: directory, ranks: ranks) }
    let facts = try provenance.start(point?.threads)
    numericFacts = try NumericFacts(facts, ranks)
    // A resumed run has its weights from the checkpoint.
    if point == nil { try ranks.together { try given.requireWeights() } }
    sets = try ranks.together { try DataSets(given) }
    let sets = self.sets
    let known = point?.knowingRange(given) ?? given
    if case .percentiles(_, found: nil) = known.data.range {
      say("data.range: finding the percentiles, for which every training image is read twice")
    }
    let configuration = try sets.findingRange(known, ranks: ranks)
    self.configuration = configuration
    lists = ranks.rank == 0 ? ListDigests(sets) : ListDigests()
    var attributes = provenance.attributes.merging(numericFacts.attributes) { own, _ in own }
    for (key, list) in lists.lists { attributes[ListDigests.attributes[key]!] = .string(list.text) }
    self.attributes = attributes
    let schedule = Schedule(
      configuration, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
    try ranks.together { try configuration.requireSeveralValues() }
    guard schedule.totalSteps <= Int(UInt32.max) else {
      throw TrainingError(description: "\(schedule.totalSteps) steps are more than 2^32; lower schedule.epochs")
    }
    trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    instruments = StepInstruments(trainer, fault: fault)
    replicas = ReplicaGuard(trainer)
    evidence = EvidenceKeeper(trainer, sets)
    var verified = try VerifiedImages(
      path: resume != nil && configuration.data.verify ? directory.verifiedPath : nil, ranks: ranks)
    let images = [sets.labeled, sets.unlabeled, sets.validation].reduce(0) { $0 + ($1?.count ?? 0) }
    if configuration.data.verify, configuration.data.kind != .shapes, images > TrainingRun.fewImages {
      self.say("checking \(images) images once; a resume leaves out those that have not changed (data.verify)")
    }
    let review = try sets.check(configuration, verified: verified, ranks: ranks)
    verified.insert(review.stamps)
    lock = try ranks.together {
      try directory.create()
      guard ranks.rank == 0 else { return nil }
      return try early ?? directory.lock(isLaunched: events != nil, begins: resume == nil)
    }
    log = try ranks.together { try RankLog(directory: directory.logsPath, rank: ranks.rank) }
    watchdog.attach(log)
    log.start(facts)
    if case .percentiles(let percentiles, let found?) = configuration.data.range {
      let text =
        "data.range: percentiles \(percentiles.lowerBound) and \(percentiles.upperBound) of the training images are "
        + "\(found.lowerBound) and \(found.upperBound)"
      say(text)
      log.info(text)
    }
    CrashNote.listen(log)
    if let weakness = lock?.weakness {
      let note = "the file system \(weakness): another train in \(directory.path) might not be noticed"
      self.say("note: \(note)")
      log.info(note)
    }
    try withLastWords {
      if let resume, let point { try restore(point, resume) } else { try start(resume) }
      records = try ranks.together {
        guard ranks.rank == 0 else { return nil }
        try directory.removeTemporaries()
        try directory.write(configuration: configuration.yaml())
        return try RunRecords(
          directory, keep: configuration.checkpoint.keep,
          resumption: resume.map { _ in .init(step: trainer.step, evaluatesAgain: owesEvaluation) }, fault: fault,
          log: log, say: self.say)
      }
      if let events { records?.tell(events) }
      if ranks.rank == 0 {
        outputs = RunOutputs(
          configuration, directory, totalSteps: schedule.totalSteps, firstStep: trainer.step
        ) { [log, say = self.say] text in
          say("warning: \(text)")
          log.warn(text)
        }
      }
    }
    configuration.warnings(review, sets).forEach(warn)
    for note in review.notes {
      self.say("note: \(note)")
      log.info(note)
    }
    if !review.stamps.isEmpty { keep(verified) }
    let unlabeled = configuration.u2pl.enabled ? sets.unlabeled?.count ?? 0 : 0
    self.say(
      "\(sets.labeled.count) labeled, \(unlabeled) unlabeled, \(sets.validation?.count ?? 0) validation images; "
        + "\(trainer.student.parameters.values.count) parameters; \(schedule.epochs) epochs of "
        + "\(schedule.stepsPerEpoch) steps, "
        + (configuration.u2pl.enabled
          ? "pseudo-labels from step \(schedule.firstSemiSupervisedStep)"
            + (configuration.schedule.supervisedEpochs == nil && evidence != nil ? " at the latest" : "")
          : "supervised only")
        + "; \(directory.path)")
    events?.tell(
      .start(
        .init(
          step: trainer.step, totalSteps: schedule.totalSteps, ranks: ranks.size, host: facts.host,
          program: facts.version)))
  }

  private func warn(_ text: String) {
    say("warning: \(text)")
    log.warn(text)
  }

  /// So many are decoded before a user wonders.
  private static let fewImages = 2000

  /// On rank 0. What cannot be written ends no run: a resume decodes the images again.
  private func keep(_ verified: VerifiedImages) {
    guard ranks.rank == 0 else { return }
    do { try verified.write(to: directory.verifiedPath) } catch { log.warn("\(error)") }
  }

  /// Trains to the end. Collective.
  ///
  /// - Throws: ``TrainingError``, and ``RunStopped`` after a signal (see ``StopRequest``), on every rank alike;
  ///   anything else on one rank, whose caller then has to abort the job.
  public func run() throws { try withLastWords(train) }

  private func train() throws {
    if trainer.step == trainer.schedule.totalSteps, !owesEvaluation {
      say(
        "the run is finished: \(trainer.step) of \(trainer.schedule.totalSteps) steps; to train longer, raise schedule.epochs"
      )
    }
    let folds = evidence?.folds
    let balance = try sets.balance(configuration, philox: trainer.philox, folds: folds, ranks: ranks)
    func startLoader() -> BatchLoader {
      BatchLoader(sets, trainer, firstStep: trainer.step, folds: folds, balance: balance)
    }
    var loader = startLoader()
    defer { loader.stop() }
    var progress = Progress(trainer)
    var void = VoidSteps()
    var jumps = LossJumps(classes: configuration.data.classes)
    if owesEvaluation { try evaluateAndSave(evenSo: true) }
    while trainer.step < trainer.schedule.totalSteps {
      instruments.startClock()
      guard let batch = try loader.next() else {
        throw DatasetError(description: "step \(trainer.step): the loader has ended early")
      }
      let (report, times) = try instruments.step(batch)
      log.step(report.step, times)
      records?.append(report.metrics(seconds: times.seconds))
      if let warning = void.warning(report) { warn(warning) }
      if let warning = jumps.warning(report) { warn(warning) }
      outputs?.step(report, seconds: times.seconds)
      lastReport = report
      events?.tell(stepsDone: trainer.step)
      if let line = progress.line(report, seconds: times.seconds) {
        say(events == nil ? line : ProgressLine.marked(line))
      }
      flippedBit?.apply(to: trainer)
      if try measureEvidence() {
        loader.stop()
        loader = startLoader()
        progress.schedule = trainer.schedule
      }
      if let every = configuration.integrity.everySteps, trainer.step % every == 0 { try replicas.compare() }
      owesEvaluation = isEvaluationDue
      try evaluateAndSave(evenSo: false)
    }
    if let summary = void.summary { warn(summary) }
    if let missing = try finish("finished after \(trainer.step) steps") { throw TrainingError(description: missing) }
    events?.tell(.finished(step: trainer.step))
    events?.flush()
  }

  /// What comes after a step: an evaluation and a checkpoint, as far as they are due. A signal is answered first, by a
  /// checkpoint from which a resumed run makes the evaluation: that takes minutes, which a batch system need not leave.
  ///
  /// - Parameter evenSo: whether a checkpoint is written although none is due.
  /// - Throws: ``RunStopped`` on every rank after a signal, unless nothing is left to do.
  private func evaluateAndSave(evenSo: Bool) throws {
    var request = try stopRequest()
    if owesEvaluation, request == nil {
      owesEvaluation = try !evaluate()
      request = try stopRequest()
    }
    try checkpointIfDue(evenSo: evenSo || request != nil)
    guard let request, trainer.step < trainer.schedule.totalSteps || owesEvaluation else { return }
    let missing = try finish("stopped after \(trainer.step) steps: \(request)")
    if let missing { log.error(missing) }
    events?.tell(.stopped(step: trainer.step, message: request))
    events?.flush()
    throw RunStopped(
      description: "\(request): stopped after step \(trainer.step - 1), "
        + (missing
          ?? "whose end is in \(directory.checkpointPath(step: trainer.step)); --resume latest continues from it"
          + (owesEvaluation ? ", with the evaluation that is due" : "")))
  }

  /// Puts what ends the run into the log too.
  private func withLastWords(_ body: () throws -> Void) throws {
    do { try body() } catch let stopped as RunStopped { throw stopped } catch {
      // A checkpoint that is being written is finished first; the report shows it.
      Activity.begin("waiting for the checkpoint", patience: TrainingRun.longPatience)
      let error = try (error as? NonFiniteNumber).map { TrainingError(description: try report($0)) } ?? error
      records?.finishAfterFailure()
      logCostOfOutputs()
      log.error("\(error)", step: trainer.step)
      outputs?.finish()
      log.finish()
      events?.flush()
      throw error
    }
  }

  /// - Returns: what is missing on the disk, on every rank alike.
  private func finish(_ lastWords: String) throws -> String? {
    Activity.begin("waiting for the checkpoint", patience: TrainingRun.longPatience)
    let missing = try ranks.broadcast(records?.finish() ?? "", from: 0)
    logCostOfOutputs()
    log.info(lastWords)
    outputs?.finish()
    log.finish()
    try trainer.close()
    return missing.isEmpty ? nil : missing
  }

  /// Which rank was asked to stop, and how; every rank gets the same answer, so that all leave after the same step.
  private func stopRequest() throws -> String? {
    // The number of the signal above that of the rank, so that the greatest names both.
    let own = StopRequest.number
    let greatest = try ranks.maximum([own == 0 ? 0 : Int64(own) << 32 | Int64(ranks.rank)])[0]
    guard greatest > 0 else { return nil }
    let request = "rank \(greatest & 0xFFFF_FFFF) received \(StopRequest.name(Int32(greatest >> 32)))"
    log.info(request)
    return request
  }

  // MARK: Starting

  /// Begins at step 0. Collective.
  private func start(_ resume: Resume?) throws {
    if resume != nil { say("no checkpoint in \(directory.checkpointsPath) yet: starting from the beginning") }
    guard let weights = configuration.model.weights else { return }
    try trainer.load(weights: weights) { note in
      say(note)
      log.warn(note)
    }
    say("weights from \(weights)")
  }

  /// The best and the last evaluation so far, and whether one is owed, from rank 0 to all.
  func restoreEvaluation(_ contents: CheckpointContents?) throws {
    let isPending = contents?.attributes["evaluation_pending"] != nil
    owesEvaluation = try ranks.broadcast([isPending ? 1.0 : 0], from: 0)[0] > 0 && isEvaluationDue
    var numbers = [0.0, -1]
    if case .double(let value)? = contents?.attributes["best_mean_iou"],
      case .int(let step)? = contents?.attributes["best_step"]
    {
      numbers = [value, Double(step)]
    }
    numbers = try ranks.broadcast(numbers, from: 0)
    best = numbers[1] < 0 ? nil : (numbers[0], Int(numbers[1]))
    let classes = configuration.data.classes
    var counts = [Int64](repeating: -1, count: classes * classes)
    if case .int64(let stored)? = contents?.datasets["metrics/confusion"]?.values, stored.count == counts.count {
      counts = stored
    }
    counts = try ranks.broadcast(counts, from: 0)
    lastMatrix = counts.contains { $0 < 0 } ? nil : ConfusionMatrix(classes: classes, counts: counts)
  }

  // MARK: During the run

  /// Times `watchdog.seconds` that start-up and checkpoints may take without a sign of progress: disks are slow.
  private static let longPatience = 10

  /// The step after which the best evaluation so far was made.
  var bestStep: Int? { best?.step }

  private var isEvaluationDue: Bool {
    let (step, schedule) = (trainer.step, trainer.schedule)
    guard sets.validation != nil, step > 0, step % schedule.stepsPerEpoch == 0 else { return false }
    return step / schedule.stepsPerEpoch % configuration.evaluate.everyEpochs == 0 || step == schedule.totalSteps
  }

  /// - Returns: false when a signal has come before it was done; nothing is kept of it then.
  private func evaluate() throws -> Bool {
    guard let validation = sets.validation else { return true }
    let start = ProcessInfo.processInfo.systemUptime
    Activity.begin("evaluation")
    let evaluator = Evaluator(configuration, ranks: ranks)
    let worst = configuration.report ? WorstImages(count: EvaluationPictures.validationCount) : nil
    let matrix = try evaluator.evaluate(
      trainer.evaluated, on: validation, unless: { StopRequest.number != 0 }, keeping: worst
    ) { _ in Activity.advance() }
    guard let matrix else { return false }
    let seconds = ProcessInfo.processInfo.systemUptime - start
    lastMatrix = matrix
    let epoch = trainer.step / trainer.schedule.stepsPerEpoch
    let meanIoU = matrix.meanIntersectionOverUnion
    let network = trainer.evaluatesTeacher ? "teacher" : "student"
    if best == nil || meanIoU > best!.meanIoU { best = (meanIoU, trainer.step) }

    var evaluation = JSONLine()
    evaluation.add("network", network)
    evaluation.add("mean_iou", meanIoU)
    evaluation.add("pixel_accuracy", matrix.pixelAccuracy)
    evaluation.add("mean_accuracy", matrix.meanAccuracy)
    evaluation.add("iou", matrix.intersectionOverUnion)
    evaluation.add("mean_dice", matrix.meanDice)
    evaluation.add("dice", matrix.dice)
    evaluation.add("images", validation.count)
    evaluation.add("seconds", seconds)
    var line = JSONLine()
    line.add("step", trainer.step - 1)
    line.add("epoch", epoch - 1)
    line.add("evaluation", evaluation)
    records?.append(line)
    let text =
      String(
        format: "epoch %d/%d  mIoU %.2f %%  pixel accuracy %.2f %%  (%@, %d images, %.1f s)  best %.2f %%", epoch,
        trainer.schedule.epochs, meanIoU * 100, matrix.pixelAccuracy * 100, network, validation.count, seconds,
        best!.meanIoU * 100) + matrix.remark(configuration.data)
    say(text)
    log.info(text)
    try show(
      FinishedEvaluation(matrix: matrix, network: network, step: trainer.step, best: best!.meanIoU), worst, seconds)
    return true
  }

  /// Every so many steps, at the end, and after an evaluation better than all before: `best` has to lead somewhere.
  ///
  /// - Parameter evenSo: whether one is written although none is due.
  private func checkpointIfDue(evenSo: Bool) throws {
    let every = configuration.checkpoint.everySteps ?? trainer.schedule.stepsPerEpoch
    let due = trainer.step % every == 0 || trainer.step == trainer.schedule.totalSteps || best?.step == trainer.step
    guard due || evenSo else { return }
    // What is written now is what a run will be resumed from.
    Activity.begin("checkpoint", patience: TrainingRun.longPatience)
    try replicas.compare()
    try trainer.requireFiniteState()
    guard ranks.rank == 0 else { return }
    var contents = trainer.snapshot()
    contents.attributes.merge(attributes) { _, new in new }
    if let best {
      contents.attributes["best_mean_iou"] = .double(best.meanIoU)
      contents.attributes["best_step"] = .int(Int64(best.step))
    }
    if let lastMatrix {
      contents.datasets["metrics/confusion"] = StoredDataset(
        shape: [lastMatrix.classes, lastMatrix.classes], values: .int64(lastMatrix.counts))
    }
    if owesEvaluation { contents.attributes["evaluation_pending"] = .int(1) }
    evidence?.add(to: &contents)
    records?.submit(step: trainer.step, best: best?.step == trainer.step, contents)
  }
}
