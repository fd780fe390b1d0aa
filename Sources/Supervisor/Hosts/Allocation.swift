/// A host, and how many ranks it may run.
package struct HostSlots: Equatable, Sendable {
  package let name: String
  /// nil where it is not given: as many as the host has cores.
  package let slots: Int?

  package init(name: String, slots: Int?) {
    self.name = name
    self.slots = slots
  }
}

/// The hosts that ranks may run on, in the order in which they get ranks, and where the list comes from.
package struct Allocation: Equatable, Sendable {
  package let hosts: [HostSlots]
  /// Such as `hostfiles/cluster` or `Slurm job 1234`.
  package let source: String

  /// The hosts of a hostfile if one is given, of the Slurm allocation this runs in, of the hostfile that Open MPI uses
  /// by default, or this machine.
  ///
  /// - Throws: ``SupervisorError`` for a hostfile or variables that cannot be read.
  package init(hostfile: String?, environment: [String: String]) throws {
    if let hostfile {
      self = try Hostfile.read(hostfile)
    } else if let slurm = try SlurmAllocation.read(environment) {
      self = slurm
    } else if let hostfile = environment["OMPI_MCA_orte_default_hostfile"] {
      self = try Hostfile.read(hostfile)
    } else {
      self.init(hosts: [HostSlots(name: "localhost", slots: nil)], source: "this machine")
    }
  }

  package init(hosts: [HostSlots], source: String) {
    self.hosts = hosts
    self.source = source
  }
}
