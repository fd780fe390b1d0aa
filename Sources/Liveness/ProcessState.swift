import Foundation

/// The state of a process, as the system reports it.
package enum ProcessState: String, Codable {
  case stopped, gone, wedged, computing, idle

  /// A process of this host.
  ///
  /// One thread in state D is enough for ``wedged``: the training thread then waits for it, by whatever means.
  package static func of(_ pid: Int32) -> ProcessState {
    guard let main = letter("/proc/\(pid)/stat") else { return .gone }
    switch main {
    case "T", "t": return .stopped
    case "Z", "X": return .gone
    default: break
    }
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
    if tasks.contains(where: { letter("/proc/\(pid)/task/\($0)/stat") == "D" }) { return .wedged }
    return main == "R" ? .computing : .idle
  }

  /// The state in a line `PID (NAME) STATE …`, where NAME may hold spaces and parentheses (proc(5)).
  private static func letter(_ path: String) -> Character? {
    guard let stat = FileManager.default.contents(atPath: path) else { return nil }
    return String(decoding: stat, as: UTF8.self).split(separator: ")").last?.split(separator: " ").first?.first
  }

  /// For messages.
  func description(pid: Int32) -> String {
    switch self {
    case .stopped: "stopped (process state T: by kill -STOP, a debugger, or a suspended job)"
    case .gone: "crashed (there is no process \(pid) any more)"
    case .wedged: "waiting for a disk or file system that does not answer (process state D)"
    case .computing: "computing (process state R)"
    case .idle: "idle, in no message (process state S)"
    }
  }
}
