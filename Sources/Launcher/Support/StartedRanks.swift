import Distributed

/// The number of ranks that a launcher says it has started, to compare with what MPI sees: under another MPI's
/// `mpirun`, or `srun` without PMIx, each of them is a run of its own.
struct StartedRanks: Equatable {
  let count: Int
  /// Such as `Slurm has started 2 tasks (SLURM_NTASKS)`.
  let words: String
  /// How to have them see each other.
  let remedy: String

  /// nil where no launcher says anything.
  ///
  /// - Parameters:
  ///   - environment: of this process.
  ///   - family: the MPI that this program is built for, ``MPIEnvironment/family``.
  ///   - trustsBatchScript: whether a process that may be the batch script itself counts as a task of its job. What
  ///     a script starts by itself has the same variables as the first task.
  init?(_ environment: [String: String], family: MPIFamily, trustsBatchScript: Bool) {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    let own =
      "mpirun and the library that is loaded (libmpi) are of different installations; take the mpirun of this one, and "
      + "see LD_LIBRARY_PATH"
    func foreign(_ launcher: String) -> String {
      "it is \(launcher), and this program is built for \(family); start them by \(family)'s mpirun (mpirun "
        + "--version tells whose it is)"
    }
    // mpirun of Open MPI may run inside any of the others.
    if let count = number("OMPI_COMM_WORLD_SIZE") {
      self.init(
        count: count, words: "mpirun has started \(count) ranks (OMPI_COMM_WORLD_SIZE)",
        remedy: family == .openMPI ? own : foreign("Open MPI's"))
      return
    }
    // Hydra, which may run inside Slurm.
    if family == .mpich, let count = number("PMI_SIZE"), environment["SLURM_STEP_NUM_TASKS"] == nil {
      self.init(count: count, words: "mpirun has started \(count) ranks (PMI_SIZE)", remedy: own)
      return
    }
    let (plugin, name) = family == .openMPI ? ("pmix", "PMIx") : ("pmi2", "PMI-2")
    let slurm =
      "start them with \(name) (srun --mpi=\(plugin); srun --mpi=list shows what there is), or by \(family)'s mpirun, or "
      + "by u2pl launch; a single rank: srun -n 1"
    if let count = number("SLURM_STEP_NUM_TASKS") {
      self.init(count: count, words: "Slurm has started \(count) tasks (SLURM_STEP_NUM_TASKS)", remedy: slurm)
      return
    }
    if let count = number("SLURM_NTASKS"), let task = number("SLURM_PROCID"), trustsBatchScript || task > 0 {
      self.init(
        count: count, words: "Slurm has started \(count) tasks (SLURM_NTASKS)",
        remedy: slurm + ", or with env -u SLURM_NTASKS")
      return
    }
    for name in ["PMI_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_SIZE", "PALS_SIZE", "FLUX_JOB_SIZE"] {
      guard let count = number(name) else { continue }
      self.init(
        count: count, words: "a launcher has started \(count) ranks (\(name))",
        remedy: family == .openMPI ? foreign("not Open MPI's") : own)
      return
    }
    if let rank = number("PMIX_RANK"), rank > 0 {
      self.init(
        count: rank + 1, words: "a launcher has started \(rank + 1) ranks or more (PMIX_RANK)",
        remedy: "its PMIx and that of the MPI library do not understand each other; start them by \(family)'s mpirun")
      return
    }
    return nil
  }

  private init(count: Int, words: String, remedy: String) {
    (self.count, self.words, self.remedy) = (count, words, remedy)
  }

  /// What is wrong where MPI sees so many ranks; nil where nothing is.
  func problem(seen: Int) -> String? {
    guard seen == 1, count > 1 else { return nil }
    return "\(words), but MPI sees 1: each would be a run of its own; \(remedy)"
  }
}
