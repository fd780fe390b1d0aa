import Foundation

/// The limits of the control groups that this process is in, of version 1 and 2: a container's, or a batch job's. Each
/// level of the hierarchy may have one of its own, and the tightest counts.
package struct ControlGroups {
  /// A limit, and the folder of the group that sets it.
  package struct Limit<Value> {
    package let value: Value
    package let folder: String
  }

  private let root: String
  /// The folders of each controller's group and of those above it, the innermost first.
  private let memory: [(folder: String, isUnified: Bool)]
  private let cpu: [(folder: String, isUnified: Bool)]

  /// - Parameter root: goes before every path; for tests.
  package init(root: String = "") {
    self.root = root
    let groups = (try? String(contentsOfFile: root + "/proc/self/cgroup", encoding: .utf8)) ?? ""
    let mounts = MountTable(root: root).mounts
    var folders: [String: [(folder: String, isUnified: Bool)]] = ["memory": [], "cpu": []]
    for line in groups.split(separator: "\n") {
      // NUMBER:CONTROLLERS:PATH, without controllers for version 2; the path may hold colons.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { continue }
      let controllers = parts[1].split(separator: ",").map(String.init)
      for name in ["memory", "cpu"] where controllers.isEmpty || controllers.contains(name) {
        let mount = mounts.last {
          controllers.isEmpty ? $0.kind == "cgroup2" : $0.kind == "cgroup" && $0.options.contains(name)
        }
        guard let mount else { continue }
        folders[name]! += Self.levels(parts[2], mount).map { ($0, controllers.isEmpty) }
      }
    }
    (memory, cpu) = (folders["memory"]!, folders["cpu"]!)
  }

  /// The folders of a group and of those above it, as far as they can be seen.
  private static func levels(_ path: String, _ mount: MountTable.Mount) -> [String] {
    // A container without a name space of its own sees its group at the mount's root, under the path that the host
    // gives it.
    var rest = path
    if mount.root != "/", MountTable.holds(mount.root, rest) { rest = String(rest.dropFirst(mount.root.count)) }
    if rest.split(separator: "/").contains("..") { rest = "" }
    while rest.hasSuffix("/") { rest.removeLast() }
    var folders: [String] = []
    while !rest.isEmpty {
      folders.append(mount.point + rest)
      rest = String(rest[..<(rest.lastIndex(of: "/") ?? rest.startIndex)])
    }
    return folders + [mount.point]
  }

  /// Bytes that the processes of these groups can still have; nil where there is no limit. What a group holds of files
  /// that were not used lately can be given back, and does not count as used.
  package var memoryAvailable: Limit<Int>? {
    memory.compactMap { folder, isUnified -> Limit<Int>? in
      let names =
        isUnified
        ? ("memory.max", "memory.current", "inactive_file")
        : ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
      // Version 1 writes about 2^63 where there is no limit, version 2 "max".
      guard let most = number(folder, names.0), most < 1 << 60, let used = number(folder, names.1) else { return nil }
      let reclaimable = words(folder, "memory.stat").first { $0.first == names.2 }?.last.flatMap { Int($0) } ?? 0
      return Limit(value: max(0, most - used + min(used, reclaimable)), folder: folder)
    }.min { $0.value < $1.value }
  }

  /// The cores' worth of time that the processes of these groups may use together; nil where there is no limit.
  package var cores: Limit<Double>? {
    cpu.compactMap { folder, isUnified -> Limit<Double>? in
      var quota: Int?
      var period: Int?
      if isUnified {
        let numbers = words(folder, "cpu.max").first ?? []
        (quota, period) = (numbers.first.flatMap { Int($0) }, numbers.last.flatMap { Int($0) })
      } else {
        (quota, period) = (number(folder, "cpu.cfs_quota_us"), number(folder, "cpu.cfs_period_us"))
      }
      guard let quota, let period, quota > 0, period > 0 else { return nil }
      return Limit(value: Double(quota) / Double(period), folder: folder)
    }.min { $0.value < $1.value }
  }

  private func text(_ folder: String, _ name: String) -> String {
    (try? String(contentsOfFile: "\(root)\(folder)/\(name)", encoding: .utf8)) ?? ""
  }

  private func number(_ folder: String, _ name: String) -> Int? {
    Int(text(folder, name).trimmingCharacters(in: .whitespacesAndNewlines))
  }

  private func words(_ folder: String, _ name: String) -> [[String]] {
    text(folder, name).split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
  }
}
