import Foundation
import Synchronization

/// What one rank is doing, in 128 bytes that other threads, and the other ranks of its node, read while the rank runs
/// and when it hangs.
///
/// The thread that talks to MPI writes all fields but `heartbeat` and `quiet`, which the watchdog's thread writes.
/// A name that is read while it changes may be torn; names are read only when nothing has changed for long.
package struct StatusRecord: @unchecked Sendable {
  package static let byteCount = 128
  private static let nameBytes = 32

  package enum Field: Int {
    /// Grows with every phase, completed MPI call and image: a rank that does anything moves it.
    case progress
    /// Grows for as long as the process runs.
    case heartbeat
    case step
    /// 1 inside a call of MPI that waits for other ranks.
    case isWaiting
    /// The rank that the call waits for, −1 where it waits for several.
    case partner
    /// When `progress` grew last: nanoseconds since 1970 on this rank's clock.
    case since
    /// Milliseconds for which `progress` has not grown, without those in which the process was suspended.
    case quiet
    /// The watchdog allows so many times its limit without progress in this phase.
    case patience
  }

  private let base: UnsafeMutableRawPointer

  /// - Parameter base: ``byteCount`` zeroed bytes, aligned to 64, that stay.
  package init(_ base: UnsafeMutableRawPointer) { self.base = base }

  package subscript(field: Field) -> Int {
    get { numbers[field.rawValue].load(ordering: .relaxed) }
    nonmutating set { numbers[field.rawValue].store(newValue, ordering: .relaxed) }
  }

  /// The name of the phase.
  package var phase: String {
    get { text(at: 64) }
    nonmutating set {
      var value = newValue
      value.withUTF8 { write($0, at: 64) }
    }
  }

  /// ``phase``, read in a way that a signal handler may use.
  package func withPhaseBytes(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    let start = (base + 64).assumingMemoryBound(to: UInt8.self)
    var count = 0
    while count < Self.nameBytes, start[count] != 0 { count += 1 }
    body(UnsafeBufferPointer(start: start, count: count))
  }

  /// The function of MPI that was called last.
  package var call: String { text(at: 64 + Self.nameBytes) }

  package func setCall(_ name: StaticString) {
    write(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), at: 64 + Self.nameBytes)
  }

  package func copy(to other: StatusRecord) { other.base.copyMemory(from: base, byteCount: Self.byteCount) }

  private var numbers: UnsafeMutablePointer<Atomic<Int>> { base.assumingMemoryBound(to: Atomic<Int>.self) }

  private func write(_ name: UnsafeBufferPointer<UInt8>, at offset: Int) {
    let length = min(name.count, Self.nameBytes - 1)
    if let start = name.baseAddress { (base + offset).copyMemory(from: start, byteCount: length) }
    base.storeBytes(of: 0, toByteOffset: offset + length, as: UInt8.self)
  }

  private func text(at offset: Int) -> String {
    let bytes = UnsafeRawBufferPointer(start: base + offset, count: Self.nameBytes)
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// The records of all ranks of a node, in memory that they share, and where every rank runs.
///
/// The memory is no MPI window: it has to be there until the process ends, whatever becomes of MPI before.
package struct StatusBoard: Sendable {
  package struct Place: Sendable, Equatable {
    package let host: String
    package let pid: Int32
  }

  /// By rank; of the ranks of this node, or of this one alone where memory cannot be shared.
  package let records: [Int: StatusRecord]
  /// Of every rank.
  package let places: [Place]

  /// Collective. From here on ``Activity`` writes into this rank's record.
  package init(_ ranks: Communicator) throws {
    let node = try ranks.node()
    let members = try node.allGather([Int32(ranks.rank)]).elements.map(Int.init)
    let pids = try ranks.allGather([getpid()]).elements
    places = zip(try ranks.allGather(MPIEnvironment.host), pids).map { Place(host: $0, pid: $1) }
    let base = try Self.share(members.count * StatusRecord.byteCount, node)
    var records: [Int: StatusRecord] = [:]
    if let base {
      for (i, rank) in members.enumerated() { records[rank] = StatusRecord(base + i * StatusRecord.byteCount) }
      Activity.move(to: records[ranks.rank]!)
    } else {
      records[ranks.rank] = Activity.record
    }
    self.records = records
  }

  /// Memory of a node, mapped until the process ends; nil on all of its ranks where any cannot have it. Collective.
  private static func share(_ byteCount: Int, _ node: Communicator) throws -> UnsafeMutableRawPointer? {
    // The name differs from those of other jobs on the node, also where containers number processes on their own, and
    // from what an ended job has left.
    let name = "u2pl-status-\(getpid())-\(DispatchTime.now().uptimeNanoseconds)"
    let path = try node.broadcast("\(SharedSpace.directory)/\(name)", from: 0)
    var isOurs = false
    if node.rank == 0 {
      let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      isOurs = descriptor >= 0
      // Zeros are written: a page without room on the file system would later end the process by a signal.
      let zeros = [UInt8](repeating: 0, count: byteCount)
      let isComplete = descriptor >= 0 && write(descriptor, zeros, byteCount) == byteCount
      if isOurs { close(descriptor) }
      if isOurs, !isComplete { unlink(path) }
    }
    try node.barrier()
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    var base: UnsafeMutableRawPointer?
    if descriptor >= 0 {
      base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
      if base == MAP_FAILED { base = nil }
      close(descriptor)
    }
    let areShared = try node.minimum([base == nil ? 0 : 1])[0] == 1
    if isOurs { unlink(path) }
    return areShared ? base : nil
  }
}
