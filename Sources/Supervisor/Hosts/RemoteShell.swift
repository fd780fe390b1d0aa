internal import CSpawn
import Foundation

/// How this machine runs a command on a host: as `mpirun` does, or in a shell where the host is this machine itself.
package struct RemoteShell {
  /// Such as `ssh -o BatchMode=yes`; the host and the command follow. nil where hosts are reached through Slurm.
  package let agent: [String]
  private let own: Set<String>
  private let isSlurm: Bool

  /// - Parameters:
  ///   - allocation: its hosts are searched for this machine.
  ///   - dialect: of `mpirun`.
  package init(_ allocation: Allocation, dialect: MPIDialect, environment: [String: String]) {
    let name = ProcessInfo.processInfo.hostName
    let names = ["localhost", name, String(name.prefix { $0 != "." })]
    own = Set(allocation.hosts.map(\.name).filter { names.contains($0) || u2pl_is_own_address($0) != 0 })
    func first(_ names: [String]) -> String? { names.lazy.compactMap { environment[$0] }.first }
    let files = dialect.parameterFiles
    func parameter(_ name: String?) -> String? { name.flatMap { Self.parameter($0, in: files?.paths ?? []) } }
    // Such as `-p 2222`, which are passed to any agent.
    let further =
      (first(dialect.agentArgumentVariables) ?? parameter(files?.arguments))?.split(separator: " ").map(String.init)
      ?? []
    let given = first(dialect.agentVariables) ?? parameter(files?.agent)
    // Of several agents Open MPI takes the first that is installed.
    let path = environment["PATH"] ?? "/usr/bin:/bin"
    let choices = (given ?? "ssh : rsh").components(separatedBy: ":").map { $0.split(separator: " ").map(String.init) }
      .filter { !$0.isEmpty }
    let chosen = choices.first { Self.isProgram($0[0], path: path) } ?? choices.first ?? ["ssh"]
    isSlurm = given == nil && environment["SLURM_JOB_ID"] != nil && Self.isProgram("srun", path: path)
    if isSlurm {
      agent = ["srun", "--overlap", "--quiet", "--nodes=1", "--ntasks=1", "--input=none"]
    } else if chosen.count == 1, URL(fileURLWithPath: chosen[0]).lastPathComponent == "ssh" {
      agent = chosen + further + ["-x", "-n", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
    } else {
      agent = chosen + further
    }
  }

  func isOwn(_ host: String) -> Bool { own.contains(host) }

  /// The command line that runs a shell script on a host. The script has to do without `'` and line breaks: the agent
  /// may hand it to any login shell.
  package func line(_ script: String, on host: String) -> [String] {
    if isOwn(host) { return ["/bin/sh", "-c", script] }
    if isSlurm { return agent + ["--nodelist=\(host)", "/bin/sh", "-c", script] }
    return agent + [host, "exec /bin/sh -c '\(script)'"]
  }

  /// A parameter of Open MPI, from the user's or the administrator's file.
  private static func parameter(_ name: String, in paths: [String]) -> String? {
    for path in paths {
      let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
      for line in text.split(separator: "\n") {
        let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
        if parts.count == 2, parts[0] == name { return parts[1] }
      }
    }
    return nil
  }

  private static func isProgram(_ name: String, path: String) -> Bool {
    // A folder counts as executable too.
    func isProgram(_ file: String) -> Bool {
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: file, isDirectory: &isFolder) && !isFolder.boolValue
        && FileManager.default.isExecutableFile(atPath: file)
    }
    if name.contains("/") { return isProgram(name) }
    return path.split(separator: ":").contains { isProgram("\($0)/\(name)") }
  }
}
