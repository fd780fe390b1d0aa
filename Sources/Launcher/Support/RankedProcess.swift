import Compute
import Dataset
import Distributed
import Files
import Foundation
import HDF5
import Method
import Network
import RunLogs
import Trainer

/// Runs a command on all ranks. An error ends all of them within seconds and is reported once.
enum RankedProcess {
  /// Starts MPI, runs `body`, ends MPI.
  ///
  /// Rank 0 reports errors that all ranks throw together (``CollectiveFailure``, ``TrainingError``,
  /// ``NonFiniteNumber``, ``RunStopped``, ``IncompleteResult``), and all ranks end in order. Any other error, such as a
  /// damaged image, happens on one rank, which reports it and aborts the others.
  ///
  /// - Parameters:
  ///   - writesRun: whether it would write a run of its own where its launcher has started it several times, and MPI
  ///   sees one rank.
  ///   - threads: of a rank, as configured.
  static func run(writesRun: Bool = false, threads: Int? = nil, _ body: (Communicator) throws -> Void) throws {
    HeapMemory.keepWhatIsFreed()
    let ranks: Communicator
    let isLaunched = EventWriter(rank: 0) != nil
    let watch = StartWatch(isLaunched: isLaunched)
    let numbers = ProcessNumbers()
    let sharesMemory = MPISettings.apply(threads: threads, numbers)
    do { ranks = try MPIEnvironment.start(sharesMemory: sharesMemory) } catch {
      // MPI cannot tell which rank this is; its launcher can.
      let rank = MPIEnvironment.launchedRank
      tellLaunch("\(error)", code: 1, rank: rank ?? 0)
      let place = rank.map { "rank \($0) on " } ?? ""
      Communicator.alone.abort("u2pl: error: \(place)\(MPIEnvironment.host): \(error)", code: 1)
    }
    let started = StartedRanks(
      ProcessInfo.processInfo.environment, family: MPIEnvironment.family, trustsBatchScript: writesRun)
    watch.finish()
    numbers.clean()
    if let problem = started?.problem(seen: ranks.size) { leave(ranks, problem, code: 2) }
    do {
      if ranks.rank == 0 { EventWriter(rank: 0)?.tell(.connected(ranks: ranks.size)) }
      try body(ranks)
      MPIEnvironment.finish()
    } catch let failure as CollectiveFailure {
      let place = ranks.size > 1 && failure.rank > 0 ? "rank \(failure.rank): " : ""
      leave(ranks, failure.description, place: place, from: failure.rank, code: 2)
    } catch let error as TrainingError {
      leave(ranks, error.description, code: 1)
    } catch let error as NonFiniteNumber {
      leave(ranks, error.description, code: 1)
    } catch let stopped as RunStopped {
      if ranks.rank == 0 { say("\(stopped)") }
      MPIEnvironment.finish()
      exit(75)
    } catch let error as IncompleteResult {
      leave(ranks, error.description, code: 3)
    } catch {
      let place = ranks.size > 1 ? "rank \(ranks.rank) on \(MPIEnvironment.host): " : ""
      let code: Int32 = error is DatasetError ? 2 : 1
      tellLaunch("\(error)", code: code, rank: ranks.rank)
      ranks.abort("u2pl: error: \(place)\(error)", code: code)
    }
  }

  /// - Parameters:
  ///   - place: goes before the message where people read it.
  ///   - rank: the rank that has failed; nil where all have.
  private static func leave(
    _ ranks: Communicator, _ message: String, place: String = "", from rank: Int = 0, code: Int32
  ) -> Never {
    if ranks.rank == rank { tellLaunch(message, code: code, rank: rank) }
    if ranks.rank == 0 { show("u2pl: error: \(place)\(message)", isError: true) }
    MPIEnvironment.finish()
    exit(code)
  }

  /// Tells the reason for this process's end to the launch that has started it, if there is one.
  ///
  /// - Parameter step: the steps that were done.
  static func tellLaunch(_ message: String, code: Int32, rank: Int, step: Int = Activity.record[.step]) {
    guard let events = EventWriter(rank: rank) else { return }
    let host = ProcessInfo.processInfo.hostName
    events.tell(.failed(.init(host: host, step: step, message: message, code: code)))
    events.flush()
  }

  /// Ignores errors: output into a file on a full disk must not end the command.
  static func show(_ text: String, isError: Bool) {
    try? (isError ? FileHandle.standardError : .standardOutput).write(contentsOf: Data((text + "\n").utf8))
  }

  /// Shows a line at once, also through mpirun's pipes.
  static func say(_ line: String) { show(line, isError: false) }

  /// Gives this rank its threads: those asked for, those that a resumed run had, or the node's cores shared out.
  /// Collective.
  ///
  /// - Returns: facts for the log; warnings are shown by rank 0.
  static func setThreads(_ wanted: Int?, resumed: Int? = nil, ranks: Communicator) throws -> ProcessFacts {
    let isLaunched = EventWriter(rank: ranks.rank) != nil
    let bindings = try BoundCores.settle(ranks, isLaunched: isLaunched)
    let quota = ControlGroups().cores
    let cores = try ranks.nodeCores(quota: quota.map { .init(cores: $0.value, group: $0.folder) })
    let threads = wanted ?? resumed ?? cores.threadsPerRank
    let isResumed = wanted == nil && resumed != nil
    ThreadPool.threads = threads
    var facts = ProcessFacts.here()
    (facts.rank, facts.ranks) = (ranks.rank, ranks.size)
    facts.version = Version.text
    facts.lines = [
      "host \(facts.host), pid \(facts.pid), rank \(ranks.rank) of \(ranks.size)",
      "\(cores.ranks) ranks on this node share \(cores.shared) of its \(cores.online) cores; this one may use \(cores.own) "
        + "(\(facts.binding)), and runs \(threads) threads"
        + (quota.map { String(format: "; the control group %@ allows %g cores", $0.folder, $0.value) } ?? ""),
      "\(facts.cpu); oneDNN \(facts.oneDNN), OpenBLAS kernels \(facts.blas), MPI \(facts.mpi), u2pl \(facts.version)",
    ]
    if MPIEnvironment.yields == true {
      facts.lines.append("ranks that wait let go of their cores (mpi_yield_when_idle)")
    }
    var warnings: [String] = []
    if !MPIEnvironment.sharesMemory {
      warnings.append(
        "note: the ranks of a host have process numbers of their own, as containers give them, and cannot share memory: "
          + "each has a memory bank of its own and sends through TCP; docker run --pid=host --ipc=host lets them share")
    }
    if cores.ranks * threads > cores.shared {
      warnings.append(
        "warning: \(cores.ranks) ranks × \(threads) threads\(isResumed ? ", as the run had," : "") on \(cores.shared) "
          + "cores: more threads than cores slow each other down; "
          + (threads > cores.threadsPerRank
            ? "--set compute.threads=\(cores.threadsPerRank)"
              + (isResumed ? " takes fewer, with other bits; fewer ranks keep the bits" : "")
            : "start fewer ranks"))
    } else if isResumed, threads != cores.threadsPerRank {
      warnings.append(
        "note: \(threads) threads a rank, as the run had, so that it computes the same bits; this rank's share of the "
          + "cores would be \(cores.threadsPerRank): --set compute.threads=\(cores.threadsPerRank) takes it, with other bits"
      )
    } else if wanted == nil, cores.bound < cores.online, cores.ranks * threads < min(cores.online, cores.allowed) {
      warnings.append(
        "note: mpirun has bound \(cores.ranks == 1 ? "this rank" : "these ranks") to \(cores.bound) of \(cores.online) "
          + "cores; mpirun --bind-to none lets u2pl use all, and keeps apart from others that mpirun binds to the same")
    }
    // Each host may have its own.
    let told = try ranks.allGather(bindings.joined(separator: "\n"))
    if ranks.rank == 0 { (warnings + told.filter { !$0.isEmpty }).forEach(say) }
    facts.lines += warnings + bindings
    return facts
  }
}

/// The work is done, except for files that could not be read; all ranks throw this together.
struct IncompleteResult: Error, CustomStringConvertible {
  let description: String
}
