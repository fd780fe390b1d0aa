/// What one of a number of ranks sends: messages, and bytes. Each collective says beside its own code what it adds.
///
/// Every rank has a link of its own that carries both directions at once.
public struct Traffic: Sendable {
  public let ranks: Int
  /// Whether the communicator of all ranks carries what is added, whose `bytesSent` counts it; false for one of its parts.
  var countsAsHanded = true
  /// Messages that follow on each other: each waits for the one before.
  public private(set) var rounds = 0.0
  /// Bytes through the rank's link, in the direction that carries more.
  public private(set) var linkBytes = 0.0
  /// Bytes handed to MPI, as `Communicator.bytesSent` counts them: what an MPI collective sends is counted once, however often
  /// it is passed on.
  public private(set) var handedBytes = 0.0

  public init(ranks: Int) { self.ranks = ranks }

  var isPowerOfTwo: Bool { ranks & (ranks - 1) == 0 }
  /// Rounds in which something from one rank reaches all.
  var doublings: Double { Double((ranks - 1).bitWidth - (ranks - 1).leadingZeroBitCount) }
  /// The share of a vector that lies on other ranks when each holds an equal part.
  var otherShare: Double { Double(ranks - 1) / Double(ranks) }

  mutating func add(rounds: Double, linkBytes: Double, handedBytes: Double) {
    self.rounds += rounds
    self.linkBytes += linkBytes
    if countsAsHanded { self.handedBytes += handedBytes }
  }
}
