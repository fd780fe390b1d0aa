import Compute
import Distributed
import Foundation

/// The cores that launchers have bound processes to. Two `mpirun` on a host know nothing of each other, and both begin
/// with its first core.
struct BoundCores {
  /// A process, and the cores it is bound to.
  struct Holder: Equatable {
    let cores: Set<Int>
    let start: Start
    var process: Int32 { start.process }
  }

  /// When a process has begun; of two at once the one of the lower number is first.
  struct Start: Comparable {
    /// In ticks since the system's start.
    let time: Int
    let process: Int32

    static func < (a: Start, b: Start) -> Bool { (a.time, a.process) < (b.time, b.process) }
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
      return Holder(cores: cores, start: Start(time: started(name), process: process))
    }.sorted { $0.start < $1.start }
  }

  /// The time of a process's start by proc(5): the 22nd field, of which the second, its name, may hold spaces.
  private func started(_ process: String) -> Int {
    let fields = text("\(process)/stat").split(separator: ")").last?.split(separator: " ") ?? []
    return fields.count > 19 ? Int(fields[19]) ?? 0 : 0
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
  /// Finds out whether another run has taken this rank's cores. Under a launch, all ranks of a host on which one rank's
  /// cores are taken move to free cores, or are unbound if too few are free. Collective.
  ///
  /// - Returns: what to tell on this rank.
  static func settle(_ ranks: Communicator, isLaunched: Bool) throws -> [String] {
    let node = try ranks.host()
    let bound = BoundCores()
    let process = ProcessInfo.processInfo.processIdentifier
    let own = Set(try node.allGather([process]).elements)
    guard let binding = bound.binding(of: "self") else {
      if isLaunched { _ = try bound.move(node, from: nil, own) }
      return []
    }
    func what(_ other: Holder) -> String {
      "core\(binding.cores.count == 1 ? "" : "s") \(text(binding.cores)) of \(MPIEnvironment.host), to which rank "
        + "\(ranks.rank) is bound, \(binding.cores.count == 1 ? "is" : "are") taken by another run (process "
        + "\(other.process))"
    }
    if isLaunched {
      guard let move = try bound.move(node, from: binding, own) else { return [] }
      let now =
        move.cores.map {
          "this rank is on \($0.count == 1 ? "core" : "cores") \(text($0)) instead, which no other run has"
        }
        ?? "the ranks of this run are not bound there"
      return move.other.map { ["note: \(what($0)): \(now)"] } ?? []
    }
    let others = bound.others(than: own)
    guard let other = others.first(where: { !$0.cores.isDisjoint(with: binding.cores) }) else { return [] }
    let free = binding.wider.subtracting(others.reduce(into: Set<Int>()) { $0.formUnion($1.cores) })
    return [
      "warning: \(what(other)), and they share \(binding.cores.count == 1 ? "it" : "them"): start mpirun with "
        + "--bind-to none"
        + (free.isEmpty ? "" : ", or with --cpu-set \(text(free)), which \(free.count == 1 ? "is" : "are") free")
    ]
  }

  /// If the cores of any rank of this host are taken, gives all ranks of the host others. Of two runs that begin at the
  /// same time the older one stays where it is. Collective over the ranks of a host.
  ///
  /// - Parameters:
  ///   - binding: of this rank.
  ///   - own: the processes of this run on this host.
  /// - Returns: nil where nothing was to be done; else who has this rank's cores, and where it is now, nil where it is
  ///   not bound.
  private func move(
    _ node: Communicator, from binding: (cores: Set<Int>, wider: Set<Int>)?, _ own: Set<Int32>
  ) throws -> (other: Holder?, cores: Set<Int>?)? {
    let starts = own.map { Start(time: started("\($0)"), process: $0) }
    func older() -> [Holder] { others(than: own).filter { holder in starts.allSatisfy { holder.start < $0 } } }
    func taker(of cores: Set<Int>?) -> Holder? {
      cores.flatMap { cores in older().first { !$0.cores.isDisjoint(with: cores) } }
    }
    func isOnAnyRank(_ condition: Bool) throws -> Bool { try node.maximum([condition ? 1 : 0])[0] > 0 }
    let other = taker(of: binding?.cores)
    guard try isOnAnyRank(other != nil) else { return nil }
    let counts = try node.allGather([Int64(binding?.cores.count ?? 0)]).elements.map { Int($0) }
    // One rank looks for all, as others come and go.
    let held = others(than: own).reduce(into: Set<Int>()) { $0.formUnion($1.cores) }
    let free = Self.cores(try node.broadcast(Self.text((binding?.wider ?? []).subtracting(held)), from: 0)) ?? []
    let first = counts.prefix(node.rank).reduce(0, +)
    var chosen: Set<Int>?
    if !counts.contains(0), counts.reduce(0, +) <= free.count {
      chosen = Set(byCore(free)[first..<first + counts[node.rank]])
      ThreadPool.allow(chosen!)
    }
    // Another run may have chosen the same meanwhile.
    if try isOnAnyRank(chosen == nil || taker(of: chosen) != nil) {
      chosen = nil
      if let binding { ThreadPool.allow(binding.wider) }
    }
    return (other, chosen)
  }

  /// Hardware threads in an order in which those of one core are neighbours.
  private func byCore(_ cores: Set<Int>) -> [Int] {
    func first(_ core: Int) -> Int {
      let path = "\(root)/sys/devices/system/cpu/cpu\(core)/topology/thread_siblings_list"
      let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      return Self.cores(text.trimmingCharacters(in: .whitespacesAndNewlines))?.min() ?? core
    }
    return cores.map { (first($0), $0) }.sorted { $0 < $1 }.map(\.1)
  }
}
