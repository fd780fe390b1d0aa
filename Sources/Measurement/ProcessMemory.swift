import Files
import Foundation

/// What Linux says of memory, in bytes; 0 where it does not.
public enum ProcessMemory {
  /// The most this process has had in memory at a time.
  public static var peak: Int { field("VmHWM", of: "/proc/self/status") }
  /// What this process has in memory, pages it shares with others divided among them.
  public static var proportional: Int { field("Pss", of: "/proc/self/smaps_rollup") }
  /// What processes here can still have without swapping: of the host, or of the control groups of this process, such
  /// as those of a container or a batch job, where they leave less. With the group that sets the limit.
  public static var available: (bytes: Int, group: String?) {
    let ofHost = field("MemAvailable", of: "/proc/meminfo")
    guard let limit = ControlGroups().memoryAvailable, limit.value < ofHost || ofHost == 0 else { return (ofHost, nil) }
    return (limit.value, limit.folder)
  }

  private static func field(_ name: String, of path: String) -> Int {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) << 10
  }
}
