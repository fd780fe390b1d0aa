import RunLogs
import Trainer
import Configuration
import Dataset
import Method
import Transforms

extension StepPlan.Work {
  /// Times semi-supervised steps of this process alone on images of noise.
  ///
  /// - Parameters:
  ///   - labeled, unlabeled: images of a step.
  ///   - steps: timed ones, of which the median counts; one before them compiles kernels.
  public static func measured(
    _ configuration: Configuration, height: Int, width: Int, labeled: Int, unlabeled: Int, steps: Int = 2
  ) throws -> StepPlan.Work {
    var alone = configuration
    (alone.batch.labeled, alone.batch.unlabeled) = (labeled, unlabeled)
    alone.schedule.epochs = 1
    alone.schedule.stepsPerEpoch = steps + 1
    alone.schedule.supervisedEpochs = 0
    let trainer = try U2PLTrainer(
      alone, schedule: Schedule(alone, labeledCount: labeled, unlabeledCount: unlabeled), ranks: .alone)
    let classes = alone.data.classes
    let examples = (0..<labeled + unlabeled).map { image in
      let pixels = (0..<height * width * alone.data.channels).map { i in
        let words = trainer.philox.words(counter: SIMD4(UInt32(i), UInt32(image), 0, 0))
        return Float(words[0].unitInterval * 4 - 2)
      }
      let labels = (0..<height * width).map { UInt8(($0 / 16 + image) % classes) }
      return Example(height: height, width: width, pixels: pixels, labels: labels)
    }
    let instruments = StepInstruments(trainer)
    var timed: [StepTimes] = []
    for step in 0...steps {
      instruments.startClock()
      let times = try instruments.step(
        Batch(
          step: step, labeled: Array(examples.prefix(labeled)), unlabeled: Array(examples.dropFirst(labeled)),
          identifiers: examples.map { _ in "noise" })
      ).times
      if step > 0 { timed.append(times) }
    }
    try trainer.close()
    let median = timed.sorted { $0.seconds < $1.seconds }[timed.count / 2]
    let backward = median.seconds(of: StepPhase.backward.rawValue)
    return StepPlan.Work(
      labeled: labeled, unlabeled: unlabeled, seconds: median.seconds, backwardShare: backward / median.seconds)
  }
}
