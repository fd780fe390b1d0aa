import Compute
import Distributed
import Foundation

/// The cores that launchers have bound processes to. Two `mpirun` on a host know nothing of each other, and both begin
/// with its first core.
struct BoundCores {
  /// A process, and the cores it is bound to.
  struct Holder: Equatable {
    let process: Int32
    let cores: Set<Int>
  }

  private let root: String

  /// - Parameter root: goes before every path; for tests.
  init(root: String = "") { self.root = root }

  /// The cores that a process is bound to, and those of the nearest process above it that may use others too; nil where
  /// it is bound to none. A container's share of the cores is no binding: all processes in it have the same.
  func binding(of process: String) -> (cores: Set<Int>, wider: Set<Int>)? {
    guard let own = status(process), let cores = own.cores else { return nil }
    var parent = own.parent
    for _ in 0..<64 {
      guard let number = parent, number > 0, let above = status("\(number)"), let theirs = above.cores else {
        return nil
      }
      if theirs != cores { return theirs.isSuperset(of: cores) ? (cores, theirs) : nil }
      parent = above.parent
    }
    return nil
  }

  /// Bound processes of this program that do not belong to this job.
  ///
  /// - Parameter own: those that do.
  func others(than own: Set<Int32>) -> [Holder] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root + "/proc")) ?? []
    let program = text("self/comm")
    guard !program.isEmpty else { return [] }
    return names.compactMap { name -> Holder? in
      guard let process = Int32(name), !own.contains(process), text("\(name)/comm") == program,
        let cores = binding(of: name)?.cores
      else { return nil }
      return Holder(process: process, cores: cores)
    }.sorted { $0.process < $1.process }
  }

  private func text(_ name: String) -> String {
    (try? String(contentsOfFile: "\(root)/proc/\(name)", encoding: .utf8)) ?? ""
  }

  /// The parent of a process, and its cores, by proc(5).
  private func status(_ process: String) -> (parent: Int32?, cores: Set<Int>?)? {
    let lines = text("\(process)/status").split(separator: "\n")
    guard !lines.isEmpty else { return nil }
    // One that has ended, and that nobody has asked about, is still listed.
    if let state = lines.first(where: { $0.hasPrefix("State:") }), state.contains("Z (") || state.contains("X (") {
      return nil
    }
    func field(_ name: String) -> Substring? {
      lines.first { $0.hasPrefix(name + ":") }?.split(whereSeparator: \.isWhitespace).dropFirst().first
    }
    return (field("PPid").flatMap { Int32($0) }, field("Cpus_allowed_list").flatMap { Self.cores(String($0)) })
  }

  /// Reads `0-3,8`.
  static func cores(_ text: String) -> Set<Int>? {
    var found: Set<Int> = []
    for range in text.split(separator: ",") {
      let ends = range.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, (0...65536).contains(first), first <= last, last <= 65536
      else {
        return nil
      }
      found.formUnion(first...last)
    }
    return found.isEmpty ? nil : found
  }

  /// Writes what ``cores(_:)`` reads.
  static func text(_ cores: Set<Int>) -> String {
    var ranges: [ClosedRange<Int>] = []
    for core in cores.sorted() {
      if let last = ranges.last, last.upperBound == core - 1 {
        ranges[ranges.count - 1] = last.lowerBound...core
      } else {
        ranges.append(core...core)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(
      separator: ",")
  }
}

extension BoundCores {
  /// Looks whether this rank's cores are taken by another run, and under a launch unbinds the ranks of the host where
  /// one's are. Collective.
  ///
  /// - Returns: what to tell on this rank.
  static func settle(_ ranks: Communicator, isLaunched: Bool) throws -> [String] {
    let node = try ranks.host()
    let own = Set(try node.allGather([ProcessInfo.processInfo.processIdentifier]).elements)
    let bound = BoundCores()
    let binding = bound.binding(of: "self")
    var taken: [Holder] = []
    if let binding { taken = bound.others(than: own).filter { !$0.cores.isDisjoint(with: binding.cores) } }
    let isTaken = try node.maximum([taken.isEmpty ? 0 : 1])[0] > 0
    if isLaunched, isTaken, let binding { ThreadPool.allow(binding.wider) }
    guard let binding, let other = taken.first else { return [] }
    let what =
      "core\(binding.cores.count == 1 ? "" : "s") \(text(binding.cores)) of \(MPIEnvironment.host), to which rank "
      + "\(ranks.rank) is bound, \(binding.cores.count == 1 ? "is" : "are") taken by another run (process \(other.process))"
    if isLaunched { return ["note: \(what): the ranks of this run are not bound there"] }
    let others = bound.others(than: own).reduce(into: Set<Int>()) { $0.formUnion($1.cores) }
    let free = binding.wider.subtracting(others)
    return [
      "warning: \(what), and they share \(binding.cores.count == 1 ? "it" : "them"): start mpirun with --bind-to none"
        + (free.isEmpty ? "" : ", or with --cpu-set \(text(free)), which \(free.count == 1 ? "is" : "are") free")
    ]
  }
}
