import Foundation
import Method
import Network
import Transforms

/// A test hook: a number that is not finite, or a rank that takes its time, at one step; or a disk that does.
///
/// - `U2PL_TEST_NAN=image:STEP:SLOT`: in the first pixel of the image in a global labeled slot.
/// - `U2PL_TEST_NAN=weight:STEP:NAME`: in the first element of a parameter of the student, on all ranks.
/// - `U2PL_TEST_NAN=gradient:STEP:NAME`: in the first element of its summed gradient, on all ranks.
/// - `U2PL_TEST_DELAY=RANK:STEP:SECONDS`: a rank sleeps before the step; `RANK:all:SECONDS` before every step.
/// - `U2PL_TEST_SLOW_DISK=SECONDS`: a checkpoint takes so much longer to be written.
struct InjectedFault {
  private enum Place: String { case image, weight, gradient }

  private var number: (place: Place, step: Int, name: String)?
  private var delay: (rank: Int, step: Int?, seconds: Double)?
  private(set) var secondsOfDisk = 0.0

  /// What the environment orders.
  ///
  /// - Throws: ``TrainingError`` unless `U2PL_TESTING=1` says that this run is one to damage.
  static func ordered() throws -> InjectedFault {
    var fault = InjectedFault()
    if let parts = try TestHook.parts(of: "U2PL_TEST_NAN", as: "image|weight|gradient:STEP:NAME") {
      guard let place = Place(rawValue: parts[0]), let step = Int(parts[1]) else {
        throw TrainingError(
          description: "U2PL_TEST_NAN: image:STEP:SLOT, weight:STEP:NAME or gradient:STEP:NAME is expected")
      }
      fault.number = (place, step, parts[2])
    }
    if let parts = try TestHook.parts(of: "U2PL_TEST_DELAY", as: "RANK:STEP:SECONDS") {
      guard let rank = Int(parts[0]), let seconds = Double(parts[2]) else {
        throw TrainingError(description: "U2PL_TEST_DELAY: RANK:STEP:SECONDS is expected")
      }
      fault.delay = (rank, Int(parts[1]), seconds)
    }
    if let parts = try TestHook.parts(of: "U2PL_TEST_SLOW_DISK", as: "SECONDS") {
      guard let seconds = Double(parts[0]) else {
        throw TrainingError(description: "U2PL_TEST_SLOW_DISK: SECONDS is expected")
      }
      fault.secondsOfDisk = seconds
    }
    return fault
  }

  /// Before a step.
  func apply(to batch: inout Batch, _ trainer: U2PLTrainer) {
    if let delay, delay.rank == trainer.ranks.rank, delay.step ?? batch.step == batch.step {
      Thread.sleep(forTimeInterval: delay.seconds)
    }
    guard let number, number.step == batch.step else { return }
    switch number.place {
    case .image:
      let slots = trainer.layout.localLabeled
      guard let slot = Int(number.name), slots.contains(slot) else { return }
      var labeled = batch.labeled
      labeled[slot - slots.lowerBound].pixels[0] = .nan
      batch = Batch(step: batch.step, labeled: labeled, unlabeled: batch.unlabeled, identifiers: batch.identifiers)
    case .weight:
      trainer.student.parameters.entry(number.name).map { trainer.student.parameters.storage($0)[0] = .nan }
      trainer.student.parameters.markChanged()
    case .gradient: break
    }
  }

  /// Between the backward pass and the update.
  func apply(toGradientOf parameters: Parameters, step: Int) {
    guard let number, number.place == .gradient, number.step == step else { return }
    parameters.entry(number.name).map { parameters.gradient($0)[0] = .nan }
  }
}

extension Parameters {
  fileprivate func entry(_ name: String) -> ParameterEntry? { entries.first { $0.name == name } }
}
