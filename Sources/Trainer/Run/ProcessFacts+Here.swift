import Compute
import Distributed
import Foundation
import Network
import RunLogs

extension ProcessFacts {
  /// What this process runs on and with. The number of its rank and the program's version are for the caller to add.
  public static func here() -> ProcessFacts {
    var facts = ProcessFacts()
    facts.host = MPIEnvironment.host
    facts.pid = ProcessInfo.processInfo.processIdentifier
    facts.threads = ThreadPool.threads
    facts.cpu = Processor.name ?? facts.cpu
    facts.blas = BLAS.core
    facts.openBLAS = [BLAS.version, BLAS.core].compactMap(\.self).joined(separator: " ")
    facts.oneDNN = "\(ConvolutionLibrary.version) (\(ConvolutionLibrary.instructionSet))"
    facts.mpi = MPIEnvironment.implementation ?? "none"
    facts.binding = cores(ThreadPool.affinity ?? [])
    return facts
  }
}
