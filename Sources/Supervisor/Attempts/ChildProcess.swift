internal import CSpawn
import Foundation

/// A program that was started, its two outputs line by line, and its end. One thread deals with all of them.
package final class ChildProcess {
  package enum Stream { case output, errors }

  /// How a program ended.
  package enum End: Equatable {
    case exit(Int32)
    case signal(Int32)
  }

  let process: pid_t
  package private(set) var end: End?
  private var descriptors: [Int32]
  private var rests: [[UInt8]] = [[], []]

  /// Starts a program, looked for in PATH. It is killed when the thread that calls this ends.
  ///
  /// - Throws: ``SupervisorError`` where it cannot be started.
  package init(_ line: [String], environment: [String: String]) throws {
    var output = [Int32](repeating: -1, count: 2), errors = output
    guard u2pl_pipe(&output) == 0, u2pl_pipe(&errors) == 0 else {
      let reason = String(cString: strerror(errno))
      for end in output + errors where end >= 0 { close(end) }
      throw SupervisorError("\(line[0]) cannot be started: \(reason)")
    }
    let arguments = line.map { strdup($0) } + [nil]
    let variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    process = u2pl_spawn(arguments, variables, output[1], errors[1])
    for text in arguments + variables { free(text) }
    close(output[1])
    close(errors[1])
    descriptors = [output[0], errors[0]]
    guard process > 0 else {
      let reason = String(cString: strerror(-process))
      for descriptor in descriptors { close(descriptor) }
      descriptors = [-1, -1]
      throw SupervisorError("\(line[0]) cannot be started: \(reason)")
    }
  }

  deinit {
    kill()
    for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
    // The child has to be waited for, and no one else does it.
    for _ in 0..<200 where end == nil {
      reap()
      if end == nil { usleep(5000) }
    }
  }

  func send(_ signal: Int32) { if end == nil { Foundation.kill(process, signal) } }

  /// Kills the program and its process group with SIGKILL.
  func kill() { if end == nil { Foundation.kill(-process, SIGKILL) } }

  /// Waits until one of the programs prints something or ends, or `seconds` are over.
  static func wait(for children: [ChildProcess], seconds: Double) {
    let descriptors = children.flatMap(\.descriptors)
    u2pl_wait_readable(descriptors, Int32(descriptors.count), Int32(max(0, seconds) * 1000))
  }

  /// Hands on the lines that have arrived, and notes whether the program has ended. Does not wait for programs that it
  /// has started and that still hold its outputs open.
  package func poll(_ line: (Stream, String) -> Void) {
    if end == nil { reap() }
    for index in 0...1 { read(index, line) }
  }

  private func reap() {
    var code: Int32 = 0
    var signal: Int32 = 0
    switch u2pl_reap(process, &code, &signal) {
    case 0: break
    case 1: end = signal != 0 ? .signal(signal) : .exit(code)
    // Somebody else has taken note of it, which nobody should.
    default: end = .signal(SIGKILL)
    }
  }

  private func read(_ index: Int, _ line: (Stream, String) -> Void) {
    let stream: Stream = index == 0 ? .output : .errors
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while descriptors[index] >= 0 {
      let count = Foundation.read(descriptors[index], &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno == EAGAIN && end == nil { return }
      if count > 0 {
        rests[index] += buffer[..<count]
        while let newline = rests[index].firstIndex(of: UInt8(ascii: "\n")) {
          line(stream, String(decoding: rests[index][..<newline], as: UTF8.self))
          rests[index].removeFirst(newline + 1)
        }
        continue
      }
      // The end of the stream, or all there is from a program that has ended.
      if !rests[index].isEmpty { line(stream, String(decoding: rests[index], as: UTF8.self)) }
      rests[index] = []
      close(descriptors[index])
      descriptors[index] = -1
    }
  }
}

/// For the ranks that a ``Supervisor`` has started.
package enum ParentProcess {
  /// Has the system kill this process when the `mpirun` or the daemon that has started it ends. Does nothing without a
  /// launch.
  package static func dieWithItIfLaunched() {
    if ProcessInfo.processInfo.environment[Leftovers.variable] != nil { u2pl_die_with_parent() }
  }
}

/// For a process that starts a ``Supervisor``.
package enum OwnProcess {
  /// Undoes the effect on this process of variables such as OMP_PLACES, which are meant for the ranks.
  package static func unbindIfBound() {
    let variables = ["OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY"]
    if variables.contains(where: { ProcessInfo.processInfo.environment[$0] != nil }) { u2pl_unbind() }
  }
}
