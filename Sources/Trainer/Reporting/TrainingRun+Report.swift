import Checkpoint
import Configuration
import Dataset
import Distributed
import Foundation
import Liveness
import Method
import Report

extension TrainingRun {
  /// Shows an evaluation: pictures where there is time for them, the report, and what other programs read. Collective.
  ///
  /// - Parameters:
  ///   - worst: the images of this rank that pictures may be made of; nil on all ranks where there is no report.
  ///   - seconds: how long the evaluation has taken.
  func show(_ evaluation: FinishedEvaluation, _ worst: WorstImages?, _ seconds: Double) throws {
    guard let worst else {
      outputs?.evaluated(evaluation, nil)
      return
    }
    // Rank 0's clock decides for all.
    let images = Double(sets.validation?.count ?? 1) / Double(ranks.size)
    let passes = Double(EvaluationPictures.validationCount + 2 * EvaluationPictures.unlabeledCount)
    let isDue = pictureBudget.allows(
      estimate: seconds / max(1, images) * passes + 0.2, isLast: trainer.step == trainer.schedule.totalSteps)
    guard try ranks.broadcast([isDue ? 1.0 : 0], from: 0)[0] > 0 else { return update(evaluation, nil, []) }
    let start = ProcessInfo.processInfo.systemUptime
    Activity.begin("pictures")
    let pictures = EvaluationPictures(
      trainer: trainer, sets: sets, gamma: lastReport?.gamma, gammaOfClass: lastReport?.gammaOfClass ?? [],
      directory: directory.path)
    let made = try pictures.make(worst) { log.warn($0) }
    pictureBudget.spend(ProcessInfo.processInfo.systemUptime - start)
    update(evaluation, pictures, made)
  }

  /// Logs what report and status have cost so far. Called before the last line of the log, which says how the run
  /// ended, and before the last report, which shows that line.
  func logCostOfOutputs() {
    guard let outputs else { return }
    log.info(
      String(
        format: "report, status and events have taken %.2f s of processor time beside training, and pictures %.2f s",
        outputs.seconds, pictureBudget.spent))
  }

  /// Brings report, status and events up to date. On rank 0.
  private func update(
    _ evaluation: FinishedEvaluation, _ pictures: EvaluationPictures?, _ made: [EvaluationRecord.Picture]
  ) {
    guard ranks.rank == 0 else { return }
    // The pictures of an earlier evaluation stay until there are newer ones.
    var record = evaluationRecord ?? EvaluationRecord(run: directory.path) ?? EvaluationRecord()
    record.steps = trainer.step
    record.totalSteps = trainer.schedule.totalSteps
    record.confusion = evaluation.matrix.counts.map { Int($0) }
    record.palette = Array(configuration.data.colors.prefix(evaluation.matrix.classes))
    record.facts = attributes.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value.text) }
    if let pictures {
      record.pictureSteps = trainer.step
      record.gamma = pictures.gamma
      record.greatestEntropy = pictures.greatest
      record.pictures = made
    }
    evaluationRecord = record
    outputs?.evaluated(evaluation, record)
  }
}
