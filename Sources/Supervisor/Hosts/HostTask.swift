import Foundation

/// A shell script that runs on several hosts at the same time, each for a limited time.
package final class HostTask {
  /// The answer of a host.
  package struct Answer {
    package let status: ChildProcess.End?
    package let output: [String]
    /// Its last error, for a message.
    package let reason: String
  }

  private(set) var answers: [String: Answer] = [:]
  private var running: [(host: String, child: ChildProcess, output: [String], errors: [String])] = []
  private let limit: Double
  private let started = ProcessInfo.processInfo.systemUptime

  /// Starts the script on all hosts at once.
  package init(_ script: String, on hosts: [String], shell: RemoteShell, seconds: Double, environment: [String: String])
  {
    limit = ProcessInfo.processInfo.systemUptime + seconds
    for host in hosts {
      do {
        let child = try ChildProcess(shell.line(script, on: host), environment: environment)
        running.append((host, child, [], []))
      } catch {
        answers[host] = Answer(status: nil, output: [], reason: "\(error)")
      }
    }
  }

  var children: [ChildProcess] { running.map(\.child) }

  /// Takes the answers that have arrived.
  ///
  /// - Returns: whether every host has answered or its time is over.
  func poll() -> Bool { poll(late: ProcessInfo.processInfo.systemUptime >= limit) { _ in true } }

  /// Ends the script on the hosts whose output so far is not enough.
  func giveUp(where isTooLittle: ([String]) -> Bool) { _ = poll(late: true, isTooLittle) }

  private func poll(late: Bool, _ isTooLittle: ([String]) -> Bool) -> Bool {
    for index in running.indices.reversed() {
      running[index].child.poll { stream, line in
        if stream == .output { running[index].output.append(line) } else { running[index].errors.append(line) }
      }
      guard running[index].child.end != nil || late && isTooLittle(running[index].output) else { continue }
      let (host, child, output, errors) = running.remove(at: index)
      let last = HostTrouble.explain(errors, host: host)
      let reason: String
      switch child.end {
      case .exit(let code): reason = last ?? "exit code \(code)"
      case .signal(let number): reason = last ?? "signal \(number)"
      case nil:
        reason = "no answer within \(Supervisor.seconds(ProcessInfo.processInfo.systemUptime - started))"
      }
      child.kill()
      answers[host] = Answer(status: child.end, output: output, reason: reason)
    }
    return running.isEmpty
  }

  /// Waits until every host has answered or its time is over.
  package func finish() -> [String: Answer] {
    while !poll() { ChildProcess.wait(for: children, seconds: 0.1) }
    return answers
  }
}
