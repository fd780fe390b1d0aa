import Foundation

extension ProcessMemory {
  /// Bytes that this process can still have: what is available, and no more than its own limit (`ulimit -v`) leaves.
  public static var grantable: Int {
    guard let limit = addressSpaceLimit else { return available.bytes }
    return min(available.bytes, max(0, limit - addressSpace))
  }

  /// Of `ulimit -v`, nil where there is none.
  private static var addressSpaceLimit: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < UInt64(Int.max) else {
      return nil
    }
    return Int(limit.rlim_cur)
  }

  /// Bytes of address space that this process has taken.
  private static var addressSpace: Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (text.split(separator: " ").first.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
