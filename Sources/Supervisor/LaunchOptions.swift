/// The options of `u2pl launch`, and what it needs of the run's configuration.
package struct LaunchOptions {
  package enum Resume: Equatable, Sendable {
    case no, latest
    case path(String)
  }

  /// nil for as many ranks as there is room for.
  package var ranks: Int?
  package var hostfile: String?
  package var maxRestarts = 3
  package var oversubscribe = false
  package var binding = MPIRunLine.Binding.core
  /// Seconds without progress after which the launch asks all hosts whether they still answer.
  package var probeSeconds = 10.0
  /// Seconds in which the ranks of an attempt have to reach each other.
  package var startSeconds = 600.0
  /// Seconds before the first restart; they double with each further one that brings no progress.
  package var backoff = 1.0
  package var passed: [String] = []
  /// Runs side by side, each with an equal part of every host's slots and cores.
  package var sharers = 1

  /// This program, and the MPI that it is built for.
  package var program: String
  package var family = MPIDialect.Family.openMPI
  /// From `train` on, as given.
  package var arguments: [String]
  package var runDirectory: String
  /// Whether ``arguments`` name the run directory.
  package var namesRun: Bool
  package var resume: Resume
  /// Labeled and unlabeled images a step; 0 where there are none.
  package var batch: (labeled: Int, unlabeled: Int)
  /// Threads of a rank; nil for cores / ranks.
  package var threads: Int?

  package init(
    program: String, arguments: [String], runDirectory: String, namesRun: Bool, resume: Resume,
    batch: (labeled: Int, unlabeled: Int), threads: Int?
  ) {
    self.program = program
    self.arguments = arguments
    self.runDirectory = runDirectory
    self.namesRun = namesRun
    self.resume = resume
    self.batch = batch
    self.threads = threads
  }
}
