import ArgumentParser
import Configuration
import Dataset
import Distributed
import Foundation
import HDF5
import Method
import Trainer

extension DataCommand {
  struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes the images, masks and lists of a configuration into one HDF5 file.",
      discussion: """
        For cluster file systems that are slow with many small files: train on it with data.kind: hdf5. Images and masks \
        are the bytes of their files, so training computes the same. Under mpirun the ranks share the work.

        The file is FILE.partial until all of it has been read back and compared. Killed or failed, the command goes on \
        where it was when it is run again. For example:

          u2pl data pack configs/camvid.yaml --set data.root=PATH -o camvid.h5
        """)

    @OptionGroup var options: DataOptions

    @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file.h5"))
    var output: String

    @Flag(help: "Replace the file if it exists.")
    var force = false

    func run() throws {
      try RankedProcess.run { ranks in
        let configuration = try ranks.together { try options.load() }
        _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
        let start = ProcessInfo.processInfo.systemUptime
        let plan = try plan(configuration, ranks)
        let begun = try prepare(plan, ranks)
        let writer = try ranks.together {
          let writer = try PackWriter(plan, output)
          if ranks.rank == 0 { try writer.lock() }
          return writer
        }
        switch begun {
        case .images(let count):
          RankedProcess.say("\(PackWriter.partialPath(output)) has \(count) of \(plan.count) images already: going on")
        case .other(let problem): RankedProcess.say("starting from the beginning: \(problem)")
        case nil: break
        }
        // What rank 0 sees counts: another host may still have an older look at the file.
        let (missing, _) = try ranks.allGather(ranks.rank == 0 ? writer.missing : [])
        try all(missing, "pack", ranks) { try writer.write($0) }
        for flaw in try SharedWork.gather(writer.flaws.withLock { $0.sorted() }, ranks: ranks) where ranks.rank == 0 {
          RankedProcess.say("warning: \(flaw)")
        }
        try ranks.together { try writer.synchronize() }
        try all(Array(0..<plan.count), "verify", ranks) { try writer.verify($0) }
        try ranks.together { if ranks.rank == 0 { try writer.publish() } }
        guard ranks.rank == 0 else { return }
        let seconds = ProcessInfo.processInfo.systemUptime - start
        report(plan, configuration, seconds).forEach(RankedProcess.say)
      }
    }

    /// Opens the lists and asks for the sizes of all files. Collective.
    private func plan(_ configuration: Configuration, _ ranks: Communicator) throws -> PackPlan {
      var plan = try ranks.together {
        let kinds: [Configuration.Data.Kind] = [.voc, .cityscapes, .folder]
        guard kinds.contains(configuration.data.kind) else {
          throw ConfigurationFailure(
            description: "data.kind \(configuration.data.kind.rawValue) has no files to pack; "
              + "\(kinds.map(\.rawValue).joined(separator: ", ")) have")
        }
        let data = configuration.data
        let sets = try DataSets(configuration)
        let named = [
          (data.labeled, sets.labeled), (data.unlabeled, sets.unlabeled), (data.validation, sets.validation),
        ]
        return try PackPlan(
          named.compactMap { source, set in
            guard case .file(let name)? = source, let set = set as? FileSet else { return nil }
            return (name, set)
          })
      }
      guard try ranks.minimum([Int64(plan.count)]) == ranks.maximum([Int64(plan.count)]) else {
        throw TrainingError(
          description: "the ranks do not see the same files: is \(configuration.data.root) on all hosts?")
      }
      try ranks.together {
        for index in stride(from: ranks.rank, to: plan.count, by: ranks.size) { try plan.measure(index) }
      }
      plan.sizes = try ranks.sum(plan.sizes)
      return plan
    }

    /// Has the file laid out by rank 0. Collective.
    ///
    /// - Returns: on rank 0, what was there already.
    private func prepare(_ plan: PackPlan, _ ranks: Communicator) throws -> PackWriter.Begun? {
      try ranks.together {
        guard ranks.rank == 0 else { return nil }
        guard force || !FileManager.default.fileExists(atPath: output) else {
          throw ConfigurationFailure(description: "\(output) exists; --force replaces it, or give -o another name")
        }
        return try PackWriter.prepare(plan, output)
      }
    }

    /// Does something with images; all that goes wrong is shown, and then all ranks throw. Collective.
    private func all(
      _ images: [Int], _ label: String, _ ranks: Communicator, _ body: @Sendable (Int) throws -> Void
    ) throws {
      let results = try SharedWork.run(images, label: label, ranks: ranks, body)
      let problems = try SharedWork.gather(
        results.compactMap { if case .failure(let error) = $0 { "\(error)" } else { nil } }, ranks: ranks)
      if ranks.rank == 0 { problems.forEach(RankedProcess.say) }
      try ranks.together {
        guard problems.isEmpty else {
          throw ConfigurationFailure(
            description: "\(output): not packed: \(problems.count) \(problems.count == 1 ? "problem" : "problems"), "
              + "listed above; correct them and run the command again: it continues where it stopped")
        }
      }
    }

    private func report(_ plan: PackPlan, _ configuration: Configuration, _ seconds: Double) -> [String] {
      let megabytes = Double(plan.totalBytes) / 1e6
      var settings = ["data.kind=hdf5", "data.root=\(output)"]
      if let names = configuration.data.classNames {
        settings.append("data.classes=[\(names.joined(separator: ", "))]")
      }
      if configuration.data.channels != 3 { settings.append("data.channels=\(configuration.data.channels)") }
      return [
        String(
          format: "%@: %d images, %d masks, %.1f MB, read back and verified (%.1f s)", output, plan.count,
          plan.maskCount, megabytes, seconds),
        "to train on it: " + settings.map { $0.contains(" ") ? "--set '\($0)'" : "--set \($0)" }.joined(separator: " "),
      ]
    }
  }
}
