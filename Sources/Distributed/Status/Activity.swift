import Foundation

/// What this process is doing, published for the watchdogs, and the time it spends in MPI.
///
/// Written by the one thread that talks to MPI; ``record`` may be read by others.
package enum Activity {
  /// Where it is published.
  package private(set) nonisolated(unsafe) static var record: StatusRecord = {
    let base = UnsafeMutableRawPointer.allocate(byteCount: StatusRecord.byteCount, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0, count: StatusRecord.byteCount)
    return StatusRecord(base)
  }()

  /// Nanoseconds in MPI calls since the last ``takeWaits()``, by call.
  private nonisolated(unsafe) static var waits: [(call: StaticString, nanoseconds: UInt64)] = []

  /// Begins a phase.
  ///
  /// - Parameter patience: the watchdog allows so many times its limit without progress.
  package static func begin(_ phase: String, step: Int? = nil, patience: Int = 1) {
    record.phase = phase
    if let step { record[.step] = step }
    record[.patience] = patience
    advance()
  }

  /// A piece of work is done, such as one image of many: the process goes on.
  package static func advance() {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    record[.since] = now.tv_sec * 1_000_000_000 + now.tv_nsec
    record[.progress] += 1
  }

  /// Seconds in MPI calls since the last call of this function, by MPI call.
  package static func takeWaits() -> [(call: String, seconds: Double)] {
    defer { for i in waits.indices { waits[i].nanoseconds = 0 } }
    return waits.filter { $0.nanoseconds > 0 }.map { ("\($0.call)", Double($0.nanoseconds) * 1e-9) }
  }

  /// Makes an MPI call, during which the process counts as waiting. Nested calls are part of the outer one.
  static func call(_ name: StaticString, with partner: Int?, _ body: () -> Int32) -> Int32 {
    guard record[.isWaiting] == 0 else { return body() }
    record.setCall(name)
    record[.partner] = partner ?? -1
    record[.isWaiting] = 1
    let start = DispatchTime.now().uptimeNanoseconds
    let code = body()
    let elapsed = DispatchTime.now().uptimeNanoseconds - start
    record[.isWaiting] = 0
    // Calls are compared by address: a literal has only one.
    if let i = waits.firstIndex(where: { $0.call.utf8Start == name.utf8Start }) {
      waits[i].nanoseconds += elapsed
    } else {
      waits.append((name, elapsed))
    }
    advance()
    return code
  }

  static func move(to other: StatusRecord) {
    record.copy(to: other)
    record = other
  }
}
