/// The hardware and software of a rank, for the head of its log.
public struct ProcessFacts: Sendable {
  public var host = ""
  public var pid: Int32 = 0
  public var rank = 0
  public var ranks = 1
  public var threads = 1
  public var cpu = "unknown"
  /// The kernels OpenBLAS has chosen.
  public var blas = ""
  /// The version of OpenBLAS, as far as it says, and the kernels.
  public var openBLAS = ""
  public var oneDNN = ""
  public var mpi = ""
  /// Of this program.
  public var version = ""
  /// The cores this process may run on, such as `0-3,8`.
  public var binding = "unknown"
  /// Lines for people: all of the above, and more.
  public var lines: [String] = []

  public init() {}

  /// The bits of a mask as ranges.
  package static func cores(_ mask: [UInt8]) -> String {
    let set = (0..<mask.count * 8).filter { mask[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
    var ranges: [ClosedRange<Int>] = []
    for core in set {
      if let last = ranges.last, last.upperBound == core - 1 {
        ranges[ranges.count - 1] = last.lowerBound...core
      } else {
        ranges.append(core...core)
      }
    }
    return ranges.isEmpty
      ? "unknown"
      : ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
  }
}
