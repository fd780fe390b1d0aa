import Compute
import Distributed
import Files
import Method
import Network

// All ranks hold the same bits. Any difference is corruption, by memory, by a link or by a library that computes
// otherwise on one host, and from then on the run is worth nothing.

/// Compares the ranks' replicas of a trainer's state, at most once a step.
package final class ReplicaGuard {
  private let trainer: U2PLTrainer
  /// The step whose end the ranks last compared their state at.
  private var comparedAt = -1

  package init(_ trainer: U2PLTrainer) { self.trainer = trainer }

  /// A tensor that all ranks hold alike, by its path in a checkpoint, with its bytes.
  private struct Replica {
    let name: String
    let bytes: UnsafeRawBufferPointer
  }

  private func replicas() -> [Replica] {
    var all: [Replica] = []
    for (group, network) in [("student", trainer.student), ("teacher", trainer.teacher)] {
      for entry in network.parameters.entries where entry.kind != .counter {
        all.append(
          Replica(name: "\(group)/\(entry.name)", bytes: UnsafeRawBufferPointer(network.parameters.storage(entry))))
      }
    }
    for (group, values) in trainer.optimizer.state {
      for entry in trainer.student.parameters.entries where entry.kind == .parameter {
        all.append(
          Replica(
            name: "\(group)/\(entry.name)",
            bytes: UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: values[entry.range]))))
      }
    }
    return all
  }

  /// Compares student, teacher, the optimizer's state and memory bank of all ranks by a 64-bit digest of each tensor, once a step.
  /// Collective.
  ///
  /// - Throws: ``TrainingError`` on every rank, naming the first tensor that differs and the ranks that hold other bits of it
  ///   than most do.
  package func compare() throws {
    guard trainer.ranks.size > 1, comparedAt != trainer.step else { return }
    comparedAt = trainer.step
    let (bank, ranks) = (trainer.bank, trainer.ranks)
    let replicas = replicas()
    var digests = [Int64](repeating: 0, count: replicas.count)
    digests.withUnsafeMutableBufferPointer { digests in
      nonisolated(unsafe) let digests = digests
      parallelFor(replicas.count) { i in
        var digest = Digest(wide: true)
        digest.add(replicas[i].bytes)
        digests[i] = Int64(bitPattern: digest.value)
      }
    }
    let names = replicas.map(\.name) + ["bank"]
    // The ranks of a node share one bank, so its leader speaks for it; the others say what changes neither extreme.
    let bankDigest = bank.isLeader ? digestOfBank() : nil
    let smallest = try ranks.minimum(digests + [bankDigest ?? .max])
    let largest = try ranks.maximum(digests + [bankDigest ?? .min])
    let different = names.indices.filter { smallest[$0] != largest[$0] }
    guard let first = different.first else { return }
    let own = first < digests.count ? digests[first] : bankDigest
    throw try difference(names[first], among: different.count, own)
  }

  private func digestOfBank() -> Int64 {
    var digest = Digest(wide: true)
    trainer.bank.withSharedBytes { digest.add($0) }
    return Int64(bitPattern: digest.value)
  }

  private func difference(_ name: String, among count: Int, _ own: Int64?) throws -> TrainingError {
    let ranks = trainer.ranks
    let digests = try ranks.allGather([own ?? 0]).elements
    let holds = try ranks.allGather([own != nil]).elements
    let hosts = try ranks.allGather(MPIEnvironment.host)
    let holders = (0..<ranks.size).filter { holds[$0] }
    var groups: [Int64: [Int]] = [:]
    for rank in holders { groups[digests[rank], default: []].append(rank) }
    let largest = groups.values.max { $0.count < $1.count }!
    let place = { (rank: Int) in "rank \(rank) on \(hosts[rank])" }
    let who: String
    if largest.count * 2 > holders.count {
      let odd = holders.filter { !largest.contains($0) }.map(place).joined(separator: ", ")
      who =
        "\(odd) \(largest.count == holders.count - 1 ? "holds" : "hold") other bits of it than the other \(largest.count)"
    } else {
      who =
        "\(holders.map(place).joined(separator: " and ")) hold different bits of it, and it is unknown which are right"
    }
    return TrainingError(
      description: "step \(trainer.step - 1): the ranks' copies of \(name) differ: \(who)"
        + (count > 1 ? "; so do \(count - 1) more tensors" : "")
        + ". Memory or a message has been corrupted, or a host computes other numbers. Checkpoints are compared before "
        + "they are written: resume from the latest, without a host that does this again")
  }
}
