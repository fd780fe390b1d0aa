import Foundation

/// What Linux says of memory, in bytes; 0 where it does not.
public enum ProcessMemory {
  /// The most this process has had in memory at a time.
  public static var peak: Int { field("VmHWM", of: "/proc/self/status") }
  /// What this process has in memory, pages it shares with others divided among them.
  public static var proportional: Int { field("Pss", of: "/proc/self/smaps_rollup") }
  /// What processes here can still have without swapping: of the host, or of the container where that has a limit.
  public static var available: Int {
    let ofHost = field("MemAvailable", of: "/proc/meminfo")
    guard let limit = number("/sys/fs/cgroup/memory.max"), let used = number("/sys/fs/cgroup/memory.current") else {
      return ofHost
    }
    return min(ofHost, max(0, limit - used))
  }

  private static func number(_ path: String) -> Int? {
    let text = try? String(contentsOfFile: path, encoding: .utf8)
    return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  private static func field(_ name: String, of path: String) -> Int {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) << 10
  }
}
