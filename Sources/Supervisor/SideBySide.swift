import Foundation

/// Programs that run at the same time, each with a name before its lines, at most so many at once.
///
/// A signal that asks this process to end (``Supervisor``) is passed on to all of them, and no more are started; so is
/// a second SIGINT. When one fails, the others go on to their ends, and no more are started.
package struct SideBySide {
  package struct Program {
    package let name: String
    /// Program and arguments.
    package let line: [String]

    package init(name: String, line: [String]) {
      self.name = name
      self.line = line
    }
  }

  private let programs: [Program]
  private let most: Int
  private let environment: [String: String]

  /// - Parameter most: at least 1.
  package init(_ programs: [Program], most: Int, environment: [String: String]) {
    precondition(most > 0)
    self.programs = programs
    self.most = most
    self.environment = environment
  }

  /// Runs the programs, and shows their lines as far as somebody reads them.
  ///
  /// - Returns: the exit code of each, 128 and its number for a signal, nil where it was not started.
  /// - Throws: ``SupervisorError`` where a program cannot be started; those that run are killed.
  package func run() throws -> [Int32?] {
    StopSignals.listen()
    var codes = [Int32?](repeating: nil, count: programs.count)
    var running: [(index: Int, child: ChildProcess)] = []
    var next = 0
    var hasPassedOn = false
    let viewer = Viewer(STDOUT_FILENO)
    while true {
      let hasFailed = codes.contains { $0 != nil && $0 != 0 }
      while running.count < most, next < programs.count, !hasFailed, StopSignals.received == nil {
        running.append((next, try ChildProcess(programs[next].line, environment: environment)))
        next += 1
      }
      if running.isEmpty { return codes }
      if let signal = StopSignals.received, !hasPassedOn {
        hasPassedOn = true
        for (_, child) in running { child.send(signal) }
      }
      // Each needs two of them, and of two at once it may see one.
      if StopSignals.isUrgent { for (_, child) in running { child.send(SIGINT) } }
      ChildProcess.wait(for: running.map(\.child), seconds: 0.2)
      for (index, child) in running {
        child.poll { _, line in viewer.write("\(programs[index].name) | \(line)\n") }
        switch child.end {
        case .exit(let code): codes[index] = code
        case .signal(let number): codes[index] = 128 + number
        case nil: break
        }
      }
      running.removeAll { codes[$0.index] != nil }
    }
  }
}
