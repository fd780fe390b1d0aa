import Network

// Line 10 of docs/method.md: when the teacher follows the student, and how closely.

extension U2PLTrainer {
  /// Whether the teacher follows from the first step on, whatever images it learns from.
  private var followsFromBeginning: Bool { configuration.teacher.start == .beginning }

  /// The network to evaluate: the teacher once it follows the student, else the student.
  public var evaluated: Segmenter { evaluatesTeacher ? teacher : student }

  package var evaluatesTeacher: Bool { semiSupervisedSteps > 0 || followsFromBeginning && step > 0 }

  /// Before a semi-supervised step: a teacher that has not followed so far starts as a copy of the student, once.
  func startTeacher() {
    guard configuration.semantics.teacherCopy == .equations else {
      if isStudent { teacher.parameters.copyValues(from: student.parameters) }
      return
    }
    if semiSupervisedSteps == 0, !followsFromBeginning { teacher.parameters.copy(from: student.parameters) }
  }

  /// With `semantics.teacher_copy` published: through the first semi-supervised epoch, the teacher has the student's parameters.
  private var isStudent: Bool {
    configuration.semantics.teacherCopy == .published
      && schedule.epoch(ofStep: step) == schedule.epoch(ofStep: schedule.firstSemiSupervisedStep)
  }

  /// With `semantics.supervised_teacher` published: before pseudo-labels begin, the teacher's running statistics are of labeled
  /// images, by the parameters that it started with.
  var teacherSeesLabeledImages: Bool {
    configuration.semantics.supervisedTeacher == .published && configuration.u2pl.enabled && semiSupervisedSteps == 0
  }

  /// a of this step.
  private var averagingFactor: Double {
    if isStudent { return 0 }
    return ExponentialMovingAverage.factor(
      step: followsFromBeginning ? step : semiSupervisedSteps,
      limit: configuration.u2pl.emaDecay ?? ExponentialMovingAverage.limit(totalSteps: schedule.totalSteps))
  }

  /// The teacher of this step's update and its factor; nil for a supervised step in which it does not follow.
  func average(semiSupervised: Bool) -> (teacher: Parameters, factor: Double)? {
    // Where evidence takes all weight from pseudo-labels for a while, the teacher goes on following.
    let follows = semiSupervised || followsFromBeginning || semiSupervisedSteps > 0
    return follows ? (teacher.parameters, averagingFactor) : nil
  }

  /// After the update: running statistics, where they follow too. In a supervised step the teacher sees no images of its own.
  func followBuffers(semiSupervised: Bool) {
    guard configuration.teacher.buffers == .ema || !semiSupervised,
      let average = average(semiSupervised: semiSupervised)
    else { return }
    ExponentialMovingAverage.updateBuffers(average.teacher, from: student.parameters, factor: average.factor)
  }
}
