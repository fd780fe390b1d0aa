import RunLogs
import XCTest

final class StragglersTests: XCTestCase {
  /// A step in which each rank works `own` seconds in each phase, and all wait for the slowest at the end of every phase but
  /// the first, whose waiting falls into the second, as data loading's does.
  private func step(_ own: [[Double]]) -> [StepTimes] {
    let forwardEnd = own.map { $0[0] + $0[1] }.max()!
    let backwardEnd = own.map { $0[2] }.max()!
    return own.map { work in
      let forward = forwardEnd - work[0] - work[1]
      let backward = backwardEnd - work[2]
      return StepTimes(
        seconds: forwardEnd + backwardEnd,
        phases: [
          PhaseTime(phase: "data", seconds: work[0]), PhaseTime(phase: "forward", seconds: work[1] + forward),
          PhaseTime(phase: "backward", seconds: work[2] + backward),
        ],
        waits: [PhaseTime(phase: "forward", seconds: forward), PhaseTime(phase: "backward", seconds: backward)])
    }
  }

  /// So many steps of so many ranks; `own` gives a rank's work in each phase of a step.
  private func logs(_ steps: Int, _ ranks: Int, _ own: (_ step: Int, _ rank: Int) -> [Double]) -> [Int: [Int:
    StepTimes]]
  {
    var logs: [Int: [Int: StepTimes]] = [:]
    for number in 0..<steps {
      let times = step((0..<ranks).map { own(number, $0) })
      for rank in 0..<ranks { logs[rank, default: [:]][number] = times[rank] }
    }
    return logs
  }

  func testAStragglerIsFoundByItsOwnWork() throws {
    // Rank 2 loads its data slowly; the others wait for it in the forward phase.
    let found = Stragglers(
      logs(11, 4) { step, rank in [rank == 2 ? 0.5 : 0.1, 0.3, 0.2 + 0.001 * Double((rank + step) % 4)] })
    XCTAssertEqual(found.steps, 11)
    let straggler = try XCTUnwrap(found.straggler)
    XCTAssertEqual(straggler.rank, 2)
    XCTAssertEqual(straggler.othersWaitedMore, 0.4, accuracy: 0.005)
    XCTAssertEqual(straggler.share, 0.4 / 1.003, accuracy: 0.01)
    XCTAssertEqual(found.phases.map(\.name), ["data", "forward", "backward"])
    XCTAssertEqual(found.phases[0].rank, 2)
    XCTAssertEqual(found.phases[0].own, 0.5, accuracy: 1e-9)
    XCTAssertEqual(found.phases[0].others, 0.1, accuracy: 1e-9)
    XCTAssertEqual(found.phases[0].shareOfSteps, 1)
    XCTAssertEqual(found.phases[1].excess, 0, accuracy: 1e-9, "waiting is no work")
  }

  func testNoStragglerWhereTheSlowestChanges() throws {
    let found = Stragglers(logs(30, 3) { step, rank in [0.1, (rank + step) % 3 == 0 ? 0.6 : 0.3, 0.2] })
    XCTAssertNil(found.straggler)
    XCTAssertNotNil(found.slowest)
    XCTAssertEqual(found.phases[1].shareOfSteps, 1 / 3, accuracy: 1e-9)
  }

  func testNoStragglerAmongEquals() {
    let found = Stragglers(logs(5, 2) { _, rank in [0.1, 0.3 + 0.005 * Double(rank), 0.2] })
    XCTAssertNil(found.straggler)
    XCTAssertEqual(found.slowest?.rank, 1)
  }

  /// One rank's log is shorter: only the steps of all count. Without waits none does.
  func testOnlyStepsOfAllRanks() {
    var some = logs(9, 2) { _, rank in [0.1, rank == 0 ? 0.6 : 0.2, 0.2] }
    for step in 4..<9 { some[1]![step] = nil }
    XCTAssertEqual(Stragglers(some).steps, 4)
    XCTAssertEqual(Stragglers(some).straggler?.rank, 0)
    for step in 0..<4 { some[0]![step] = StepTimes(seconds: 1, phases: [], waits: nil) }
    XCTAssertEqual(Stragglers(some).steps, 0)
    XCTAssertNil(Stragglers([:]).straggler)
    XCTAssertNil(Stragglers([0: some[0]!]).straggler)
  }
}
