import Checkpoint
import Files
import Foundation
import RunLogs

/// Keeps a run going: it makes one attempt after the other, each from the newest good checkpoint, on the hosts that
/// answer, until the run is finished, is asked to stop, is refused, or makes no more progress.
package final class Supervisor {
  private let options: LaunchOptions
  private let allocation: Allocation
  private let environment: [String: String]
  private let dialect: MPIDialect
  private let shell: RemoteShell
  private let mark: String
  private let log: LaunchLog
  private let lock: FileLock
  private let jobs: JobRecord
  private let state: RunState
  /// Tells this launch's attempts from those of others.
  private let name = String(UInt32.random(in: .min ... .max), radix: 16)
  private var history = LaunchHistory()
  /// Seconds within which a host has to answer.
  private let patience = 5.0
  /// Seconds for which all hosts may be silent before the run is given up: longer than a switch or a name server takes
  /// to start again.
  private static let longestSilence = 1800.0

  /// Makes the run's folder of logs, and takes the run's lock.
  ///
  /// - Throws: ``SupervisorError``, or a `CheckpointError` where the folder cannot be made.
  package init(_ options: LaunchOptions, environment: [String: String]) throws {
    self.options = options
    var environment = environment
    // They are set where a rank of another launch starts this one.
    for name in [Leftovers.variable, EventChannel.attemptVariable, EventChannel.pathVariable] {
      environment[name] = nil
    }
    // mpirun starts its daemons as a step of the job. The step of an attempt whose node is lost keeps its CPUs, and the
    // next one would wait for them for ever.
    if environment["SLURM_JOB_ID"] != nil, environment["SLURM_OVERLAP"] == nil { environment["SLURM_OVERLAP"] = "1" }
    self.environment = environment
    allocation = try Allocation(hostfile: options.hostfile, environment: environment)
    dialect = try Self.dialect(options, allocation, environment)
    shell = RemoteShell(allocation, dialect: dialect, environment: environment)
    let directory = RunDirectory(path: options.runDirectory)
    try directory.create()
    lock = try FileLock(launchAt: directory.logsPath + "/launch.lock")
    jobs = JobRecord(path: directory.logsPath + "/launch.jobs")
    log = try LaunchLog(directory: directory.logsPath)
    mark = Leftovers.mark(of: URL(fileURLWithPath: options.runDirectory).resolvingSymlinksInPath().path)
    state = RunState(directory: directory)
  }

  /// Describes what a launch would do: the hosts, and the first command line. Starts nothing and writes nothing.
  package static func preview(_ options: LaunchOptions, environment: [String: String]) throws -> [String] {
    let allocation = try Allocation(hostfile: options.hostfile, environment: environment)
    let dialect = try dialect(options, allocation, environment)
    let shell = RemoteShell(allocation, dialect: dialect, environment: environment)
    let names = allocation.hosts.map(\.name)
    let answers = HostTask(HostFacts.script, on: names, shell: shell, seconds: 5, environment: environment).finish()
    let facts = answers.compactMapValues { HostFacts($0.output) }
    let state = RunState(directory: RunDirectory(path: options.runDirectory))
    let planner = try Self.planner(options, allocation, facts, state)
    let plan = planner.plan(facts)!
    var lines = allocation.hosts.map { host -> String in
      guard let found = facts[host.name] else {
        return "\(host.name): does not answer: \(answers[host.name]?.reason ?? "")"
      }
      return "\(host.name): \(host.slots ?? found.cores) slots, \(found.cores) cores, \(found.instructions)"
    }
    let mark = Leftovers.mark(of: URL(fileURLWithPath: options.runDirectory).resolvingSymlinksInPath().path)
    lines.append(plan.summary)
    lines.append(
      Self.line(
        options, dialect, Placement(plan: plan, facts: facts, instructions: planner.instructions), mark: mark,
        environment: environment, resumeLatest: false
      ).text)
    return lines
  }

  /// Notes signals from now on, so that none is lost before ``run()``.
  package static func listenForSignals() { StopSignals.listen() }

  /// Whether a signal has asked the launch to end since it began.
  package static var isAskedToStop: Bool { StopSignals.received != nil }

  // MARK: Attempts

  /// Supervises the run to its end.
  ///
  /// - Returns: the exit code: that of the run where it ends in order or is refused, 75 when it was asked to stop, 1
  ///   when it was given up, 130 after a second SIGINT.
  /// - Throws: ``SupervisorError`` for a first attempt that cannot be made.
  package func run() throws -> Int32 {
    StopSignals.listen()
    history.start(newestCheckpoint: state.newestCheckpoint)
    guard let facts = prepare() else { return stopped() }
    let begun = state.instructions
    let planner = try Self.planner(options, allocation, facts, state)
    if options.resume == .latest, let begun, planner.instructions < begun {
      log.say("not all hosts have the instructions that the run has computed with (\(begun)): other bits than before")
    }
    var available = facts
    var first: RankPlan?

    while let plan = planner.plan(available) {
      first = first ?? plan
      tell(plan, before: history.lastPlan ?? first!, first: first!)
      let ending: Attempt.Ending
      do {
        ending = try attempt(Placement(plan: plan, facts: available, instructions: planner.instructions))
      } catch {
        guard history.count > 0 else { throw error }
        // There is no free process or descriptor, or the disk is full. That may pass; if not, it counts as other
        // failures do.
        let failure = Failure(host: ProcessInfo.processInfo.hostName, text: "it cannot be started: \(error)")
        history.add(plan, notStarted: failure)
        ending = .failed(failure)
      }
      switch ending {
      case .finished:
        if history.count > 1 { log.say("finished at attempt \(history.count)") }
        return 0
      case .requeue: return 75
      case .refused(let code):
        log.say("this is not tried again: the same input would be refused again (exit code \(code))")
        return code
      case .interrupted:
        log.say("ended at once, at the second interrupt; \(lastCheckpoint)")
        return 130
      case .failed(let failure):
        log.say(
          "attempt \(history.count) has failed after \(Self.seconds(history.lastSeconds)): \(failure.text)\(failure.hint)"
        )
      }
      if StopSignals.received != nil { return stopped() }
      if history.endsByInput {
        log.say("this is not tried again: two attempts have been refused the same input (exit code 2)")
        for line in history.summary { log.say("  " + line) }
        return 2
      }
      if let reason = giveUp() { return surrender(reason) }
      guard let facts = askAgain(planner) else { return stopped() }
      available = facts
    }
    return surrender("no host that can be used has answered for \(Int(Self.longestSilence / 60)) min")
  }

  /// Waits, and asks the hosts. Repeats this for ``longestSilence`` where no host can be used, which is not the run's
  /// fault and does not count as an attempt.
  ///
  /// - Returns: the hosts that answer; nil after a signal.
  private func askAgain(_ planner: Planner) -> [String: HostFacts]? {
    let first = history.backoff(first: options.backoff)
    guard pause(first, before: "next attempt") else { return nil }
    let limit = ProcessInfo.processInfo.systemUptime + Self.longestSilence
    var next = max(0.1, first)
    while let facts = prepare() {
      for (name, host) in facts.sorted(by: { $0.key < $1.key }) where host.instructions < planner.instructions {
        log.say("\(name) is not used: it lacks the instructions that the run computes with (\(planner.instructions))")
      }
      if planner.plan(facts) != nil || ProcessInfo.processInfo.systemUptime >= limit { return facts }
      guard pause(next, before: "no host can be used; they are asked again") else { return nil }
      next = min(60, next * 2)
    }
    return nil
  }

  /// What an attempt runs on.
  private struct Placement {
    let plan: RankPlan
    /// Of the hosts that answer, by name.
    let facts: [String: HostFacts]
    let instructions: HostFacts.Instructions
  }

  private func attempt(_ placement: Placement) throws -> Attempt.Ending {
    let plan = placement.plan
    var line = Self.line(
      options, dialect, placement, mark: mark, environment: environment,
      resumeLatest: history.goesOnFromLatest(options.resume, newestCheckpoint: state.newestCheckpoint))
    let channel = EventChannel(attempt: "\(name)-\(history.count + 1)", directory: state.directory.logsPath)
    line.channel = channel
    if let hosts = line.hostfile { try Data(hosts.utf8).write(to: URL(fileURLWithPath: line.hostfilePath)) }
    log.say(line.text)
    let means = Attempt.Means(
      shell: shell, log: log, jobs: jobs, probeSeconds: options.probeSeconds, startSeconds: options.startSeconds
    ) { [self] hosts in
      let script = HostFacts.script + "; " + Leftovers.rankCount(mark: mark)
      return HostTask(script, on: hosts, shell: shell, seconds: patience, environment: environment)
    }
    let attempt = Attempt(
      line, events: EventReader(channel), hasComputed: history.lastStepAt != nil, means: means)
    var begin = LaunchRecord(.attempt, attempt: history.count + 1)
    begin.id = channel.attempt
    (begin.ranks, begin.hosts, begin.threads) = (plan.ranks, plan.hosts, plan.threads)
    begin.instructions = "\(placement.instructions)"
    log.keep(begin)
    let stepsBefore = history.lastSteps
    let lastStepAt = history.lastStepAt
    let before = state.checkpointFiles
    try attempt.run { [self] steps, isFirst in
      let pause = lastStepAt.map { ProcessInfo.processInfo.systemUptime - $0 }
      if isFirst {
        if let pause {
          log.say("the ranks compute again, \(Self.seconds(pause)) after the last step before the failure")
        }
        var record = LaunchRecord(.firstStep, attempt: history.count + 1)
        (record.step, record.resumedFrom, record.seconds) = (steps, attempt.resumedFrom, pause)
        log.keep(record)
      }
      if let pause, let stepsBefore, steps > stepsBefore, !history.hasCaughtUp {
        log.say("recovered to step \(stepsBefore), \(Self.seconds(pause)) after the last step before the failure")
        history.hasCaughtUp = true
      }
      history.lastStepAt = ProcessInfo.processInfo.systemUptime
    }
    let written = Set(state.checkpointFiles).subtracting(before).map(\.step).max()
    history.add(attempt, written: written)
    var end = LaunchRecord(.end, attempt: history.count)
    (end.step, end.resumedFrom, end.seconds) = (attempt.steps, attempt.resumedFrom, attempt.seconds)
    end.how = history.lastText
    if case .failed(let failure) = attempt.ending {
      (end.rank, end.host, end.signal, end.code) = (failure.rank, failure.host, failure.signal, failure.code)
    }
    log.keep(end)
    switch attempt.ending! {
    case .failed, .interrupted: clean(plan.hosts.filter { attempt.lostHost != $0 })
    default: break
    }
    return attempt.ending!
  }

  /// Of the `mpirun` of this machine, which has to be able to reach the hosts.
  private static func dialect(
    _ options: LaunchOptions, _ allocation: Allocation, _ environment: [String: String]
  ) throws -> MPIDialect {
    let dialect = try MPIDialect.ask(environment, program: options.family)
    if let objection = dialect.objection(to: allocation.hosts.map(\.name)) { throw SupervisorError(objection) }
    return dialect
  }

  private static func planner(
    _ options: LaunchOptions, _ allocation: Allocation, _ facts: [String: HostFacts], _ state: RunState
  ) throws -> Planner {
    try Planner(
      allocation, facts: facts,
      .init(
        ranks: options.ranks, oversubscribe: options.oversubscribe, batch: options.batch,
        threads: options.threads ?? state.threads(options.resume), sharers: options.sharers),
      begun: options.resume == .latest ? state.instructions : nil)
  }

  private static func line(
    _ options: LaunchOptions, _ dialect: MPIDialect, _ placement: Placement, mark: String,
    environment: [String: String], resumeLatest: Bool
  ) -> MPIRunLine {
    let plan = placement.plan
    var program = [options.program] + options.arguments
    // Of options that are given twice, the later counts.
    if options.threads == nil { program += ["--set", "compute.threads=\(plan.threads)"] }
    if !options.namesRun { program += ["--run", options.runDirectory] }
    if resumeLatest, options.resume != .latest { program += ["--resume", "latest"] }
    return MPIRunLine(
      dialect: dialect, plan: plan, facts: placement.facts, binding: options.binding,
      oversubscribe: options.oversubscribe, sharers: options.sharers, mark: mark,
      instructions: placement.instructions,
      hostfilePath: RunDirectory(path: options.runDirectory).logsPath + "/launch.hosts",
      program: program, environment: environment, passed: options.passed)
  }

  // MARK: Between attempts

  /// Asks all hosts for their facts. Ends the processes and removes the files that an earlier attempt, or a launch that
  /// was killed, has left there.
  ///
  /// - Returns: the hosts that answer; nil after a signal.
  private func prepare() -> [String: HostFacts]? {
    let names = allocation.hosts.map(\.name)
    let script = HostFacts.script + "; " + Leftovers.script(mark: mark, jobs: jobs.jobs)
    let task = HostTask(script, on: names, shell: shell, seconds: 2 * patience, environment: environment)
    let limit = ProcessInfo.processInfo.systemUptime + patience
    // A host that has told its facts may take longer to end processes.
    while !task.poll(), StopSignals.received == nil {
      if ProcessInfo.processInfo.systemUptime > limit { task.giveUp(where: { HostFacts($0) == nil }) }
      ChildProcess.wait(for: task.children, seconds: 0.1)
    }
    guard StopSignals.received == nil else { return nil }
    for name in names {
      guard let answer = task.answers[name] else { continue }
      if HostFacts(answer.output) == nil {
        log.say("\(name) does not answer: \(answer.reason)")
      } else if Leftovers.parse(answer.output) == nil {
        log.say(
          "\(name) has not confirmed that nothing is left of earlier attempts, so it is not used: \(answer.reason)")
      }
      warn(ofLeft: answer, on: name)
    }
    let facts = task.answers.compactMapValues { Leftovers.parse($0.output) == nil ? nil : HostFacts($0.output) }
    // Files that a process still uses are removed later.
    if names.allSatisfy({ Leftovers.parse(task.answers[$0]?.output ?? [])?.isEmpty == true }) { jobs.clear() }
    return facts
  }

  /// Ends an attempt's processes, and removes its files, on the hosts that answer.
  private func clean(_ hosts: [String]) {
    let script = Leftovers.script(mark: mark, jobs: jobs.jobs)
    let task = HostTask(script, on: hosts, shell: shell, seconds: 2 * patience, environment: environment)
    for (host, answer) in task.finish().sorted(by: { $0.key < $1.key }) {
      warn(ofLeft: answer, on: host)
    }
  }

  private func warn(ofLeft answer: HostTask.Answer, on host: String) {
    guard let left = Leftovers.parse(answer.output), !left.isEmpty else { return }
    log.say(
      "warning: on \(host) these processes cannot be ended, perhaps because a disk does not answer: \(left.joined(separator: " "))"
    )
  }

  /// Waits.
  ///
  /// - Returns: false after a signal.
  private func pause(_ seconds: Double, before what: String) -> Bool {
    log.say("\(what) in \(Self.seconds(seconds))")
    let limit = ProcessInfo.processInfo.systemUptime + seconds
    while ProcessInfo.processInfo.systemUptime < limit, StopSignals.received == nil {
      usleep(useconds_t(min(0.05, max(0.001, limit - ProcessInfo.processInfo.systemUptime)) * 1e6))
    }
    return StopSignals.received == nil
  }

  private func tell(_ plan: RankPlan, before: RankPlan, first: RankPlan) {
    log.say((history.count == 0 ? "" : "attempt \(history.count + 1): ") + plan.summary)
    guard plan.ranks != before.ranks else { return }
    let bits =
      Planner.computeSameBits(plan, first)
      ? "the same bits" : "other bits than before, as \(first.ranks) is no power of two"
    log.say("\(plan.ranks) ranks instead of \(before.ranks): \(bits)")
  }

  // MARK: Ends

  private func stopped() -> Int32 {
    log.say("stopped by \(signalName(StopSignals.received ?? 0)); \(lastCheckpoint)")
    return StopSignals.isUrgent ? 130 : 75
  }

  private var lastCheckpoint: String {
    state.newestCheckpoint.map { "the last checkpoint is of step \($0)" } ?? "there is no checkpoint yet"
  }

  private func giveUp() -> String? {
    if history.hadCheckpoint, state.newestCheckpoint == nil {
      return "the checkpoints in \(state.directory.checkpointsPath) are gone; is its file system still mounted?"
    }
    if history.repeatsItself { return "it has failed twice in the same way at the same step; it would again" }
    if history.fruitlessRestarts >= options.maxRestarts {
      guard options.maxRestarts > 0 else { return "restarts are switched off (--max-restarts 0)" }
      return
        "\(history.withoutProgress) attempts in a row without a new checkpoint (--max-restarts \(options.maxRestarts))"
    }
    return nil
  }

  private func surrender(_ reason: String) -> Int32 {
    log.say("given up: \(reason)")
    for line in history.summary { log.say("  " + line) }
    log.say(
      "\(lastCheckpoint); when the cause is fixed, --resume latest continues; what the ranks and "
        + "mpirun said is in \(state.directory.logsPath)")
    return 1
  }

  static func seconds(_ value: Double) -> String { String(format: value < 9.95 ? "%.1f s" : "%.0f s", value) }
}
