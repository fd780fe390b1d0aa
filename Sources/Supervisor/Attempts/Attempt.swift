import Files
import Foundation
import RunLogs

/// What ended an attempt that was to go on.
struct Failure: Equatable {
  /// The first rank to fail, where there is one.
  var rank: Int?
  var host: String?
  var signal: Int32?
  var code: Int32?
  /// The last words of a rank that has given up by itself.
  var words: RunEvent.LastWords?
  /// Why, in the rank's words; where its event is lost, as mpirun has passed them on.
  var message: String?
  /// In one line, such as `rank 1 on node02 was killed by SIGKILL`.
  let text: String
  /// What its signal mostly means.
  var hint: String {
    switch signal {
    case SIGKILL where rank != nil: " (by a user, or by the kernel because memory ran out: dmesg says which)"
    case SIGBUS: " (shared memory or a mapped file has no room, or its disk fails)"
    case SIGILL: " (an instruction that this CPU does not have)"
    case SIGXFSZ: " (a file may grow no further: ulimit -f)"
    default: ""
    }
  }
}

/// One `mpirun`, from its start to its end.
final class Attempt {
  enum Ending: Equatable {
    case finished
    /// Stopped by a signal, with a checkpoint.
    case requeue
    /// Bad input or usage: the exit code. Another attempt would end the same way.
    case refused(Int32)
    /// By the user, without a checkpoint.
    case interrupted
    case failed(Failure)
  }

  /// The most seconds between two probes of a run whose steps are slow. Slurm counts each as a step of the job; and a link
  /// that is cut `mpirun` notices by itself, within 20 s.
  private static let longestInterval = 160.0

  /// Seconds after which `mpirun` should have started ranks: longer than it takes to reach hundreds of hosts.
  private var startPatience: Double { max(20, 6 * means.probeSeconds) }

  let plan: RankPlan
  private(set) var seconds = 0.0
  /// The step of the checkpoint that it went on from.
  private(set) var resumedFrom: Int?
  /// The steps that the run has done, as far as this attempt has come; nil where it has told of none.
  private(set) var steps: Int?
  /// Seconds of system uptime when its first step was done.
  private(set) var firstStepAt: Double?
  private(set) var ending: Ending?
  /// A host that no longer answered while it ran.
  private(set) var lostHost: String?

  /// What an attempt is supervised with: the same for all of a launch.
  struct Means {
    let shell: RemoteShell
    let log: LaunchLog
    /// Takes note of the attempt's number.
    let jobs: JobRecord
    let probeSeconds: Double
    /// Seconds in which the ranks have to reach each other, and in which `mpirun` has to end after they have.
    let startSeconds: Double
    /// Asks hosts for an answer.
    let probe: (_ hosts: [String]) -> HostTask
  }

  private let line: MPIRunLine
  private let events: EventReader
  private let hasComputed: Bool
  private let means: Means
  private var log: LaunchLog { means.log }
  private var report = MPIRunReport()
  /// Of ``EventReader/otherVersions``, those that the user knows of.
  private var toldVersions: Set<Int> = []
  private var hang: Hang?
  /// What a rank has told of its end.
  private var lastEvent: RunEvent.Content?
  /// Of `mpirun`.
  private var process: pid_t = 0
  private var job: MPIJob?

  /// - Parameters:
  ///   - events: of this attempt.
  ///   - hasComputed: whether an earlier attempt has done a step, so that the input is good.
  init(_ line: MPIRunLine, events: EventReader, hasComputed: Bool, means: Means) {
    self.line = line
    self.events = events
    self.hasComputed = hasComputed
    self.means = means
    plan = line.plan
  }

  /// Runs to the end, whatever that is. Nothing but what other hosts run is left then.
  ///
  /// - Parameter advanced: called when the run has advanced, and when the attempt's first step is done.
  /// - Throws: ``SupervisorError`` where `mpirun` cannot be started.
  func run(advanced: (_ steps: Int, _ isFirst: Bool) -> Void) throws {
    let start = ProcessInfo.processInfo.systemUptime
    let probeSeconds = means.probeSeconds
    let mpirun: ChildProcess
    do {
      mpirun = try ChildProcess(line.words, environment: line.environment)
    } catch {
      throw SupervisorError("\(error); is mpirun still in PATH?")
    }
    process = mpirun.process
    var lastSign = start, lastProbe = start, lastForwarded = -Double.infinity, failedAt: Double?
    var lookout: HostTask?
    /// How often in a row a host has not answered.
    var silences: [String: Int] = [:]
    /// Seconds between probes: longer each time as long as all hosts answer.
    var interval = probeSeconds, lastStep = start
    var lost: (host: String, reason: String)?
    // mpirun waits for ever for a daemon that was killed while it started: hosts are then asked whether any rank runs.
    var isStarted = false, asksForRanks = false, rankless = 0
    // Ranks may hang in MPI_Init, where no watchdog is, and in MPI_Finalize, where none is any more.
    var isConnected = false, lastWordsAt: Double?

    while true {
      ChildProcess.wait(for: [mpirun] + (lookout?.children ?? []), seconds: 0.1)
      let now = ProcessInfo.processInfo.systemUptime
      mpirun.poll { stream, text in
        lastSign = now
        if take(stream, text) { (isStarted, isConnected) = (true, true) }
      }
      for event in read(all: mpirun.end != nil) {
        (lastSign, isStarted, isConnected) = (now, true, true)
        if Self.isLast(event) { (lastEvent, lastWordsAt) = (event.content, now) }
        guard takesStep(event) else { continue }
        let isFirst = firstStepAt == nil
        if isFirst { firstStepAt = now }
        // Steps come faster than probes would: the next silence means something again.
        if now - lastStep < probeSeconds { interval = probeSeconds }
        lastStep = now
        advanced(steps!, isFirst)
      }
      if mpirun.end != nil { break }

      if StopSignals.isUrgent { break }
      if StopSignals.received != nil, now - lastForwarded >= 2 {
        // mpirun passes this one on to all ranks; at SIGTERM and SIGINT it would leave them a second. Again and again,
        // because one that comes while mpirun is starting is lost.
        mpirun.send(SIGUSR1)
        lastForwarded = now
      }
      // mpirun knows of a failure but does not come to its end.
      if report.isFailure { failedAt = failedAt ?? now }
      if let failedAt, now - failedAt > 15 { break }
      if !isConnected, now - start > means.startSeconds {
        hang = .start
        break
      }
      if let lastWordsAt, now - lastWordsAt > min(60, means.startSeconds) {
        hang = .end
        break
      }

      if let current = lookout, current.poll() {
        lookout = nil
        lastProbe = now
        if asksForRanks {
          let counts = plan.hosts.map { current.answers[$0].flatMap { Leftovers.parseRankCount($0.output) } }
          rankless = !isStarted && counts.allSatisfy { $0 == 0 } ? rankless + 1 : 0
          if rankless >= 2 { break }
          isStarted = isStarted || counts.contains { $0 ?? 0 > 0 }
          asksForRanks = false
        }
        let silent = current.answers.filter { HostFacts($0.value.output) == nil }
        silences = silences.filter { silent[$0.key] != nil }.merging(silent.mapValues { _ in 1 }, uniquingKeysWith: +)
        interval = silent.isEmpty ? min(2 * interval, max(Self.longestInterval, probeSeconds)) : probeSeconds
        let enough = report.isFailure ? 2 : 3
        if let host = silent.keys.sorted().first(where: { silences[$0]! >= enough }), lastSign <= now - probeSeconds {
          lost = (host, silent[host]!.reason)
          break
        }
      }
      if lookout == nil, !isStarted, now - start >= startPatience, now - lastProbe >= 2 {
        lookout = means.probe(plan.hosts)
        asksForRanks = true
      }
      // One that was silent is asked again soon.
      let pause = silences.isEmpty ? interval : min(2, probeSeconds)
      if lookout == nil, now - lastSign >= probeSeconds, now - lastProbe >= pause {
        lookout = means.probe(plan.hosts.filter { !means.shell.isOwn($0) })
      } else if now - lastSign < probeSeconds {
        silences = [:]
      }
    }
    mpirun.kill()
    let last = ProcessInfo.processInfo.systemUptime + 5
    while mpirun.end == nil, ProcessInfo.processInfo.systemUptime < last {
      mpirun.poll { _ = take($0, $1) }; usleep(2000)
    }
    mpirun.poll { _ = take($0, $1) }
    report.finish().forEach(log.passOnError)
    for event in read(all: true) {
      if Self.isLast(event) { lastEvent = event.content }
      _ = takesStep(event)
    }
    seconds = ProcessInfo.processInfo.systemUptime - start
    ending =
      rankless >= 2 ? .failed(neverStarted) : hang.map(judge) ?? judge(mpirun.end ?? .signal(SIGKILL), lost: lost)
  }

  private var neverStarted: Failure {
    Failure(
      text:
        "mpirun has started no rank within \(Supervisor.seconds(seconds)): a host may refuse its daemon, or the daemon has "
        + "died while it started")
  }

  /// Where an attempt has hung, and nobody would have ended it.
  private enum Hang { case start, end }

  private var hasStopped: Bool {
    if case .stopped? = lastEvent { return true }
    return false
  }

  private static func isLast(_ event: RunEvent) -> Bool {
    switch event.content {
    case .finished, .stopped, .failed: true
    default: false
    }
  }

  private func judge(_ hang: Hang) -> Ending {
    switch (hang, lastEvent) {
    case (.end, .finished?):
      log.say("the run is finished; mpirun did not end by itself and was killed")
      return .finished
    case (.end, .stopped?): return .requeue
    case (.end, .failed(let words)?):
      return .failed(Failure(host: words.host, code: words.code, words: words, text: Self.firstLine(words.message)))
    default:
      return .failed(
        Failure(
          text: "the ranks have not reached each other within \(Supervisor.seconds(means.startSeconds)) "
            + "(--start-seconds): \(NetworkInterfaces.advice)"))
    }
  }

  /// - Returns: whether it is from a rank.
  private func take(_ stream: ChildProcess.Stream, _ text: String) -> Bool {
    if stream == .errors {
      log.keep(text)
      report.add(text).forEach(log.passOnError)
      return false
    }
    if job == nil, let found = MPIJob(uri: text, process: process, host: ProcessInfo.processInfo.hostName) {
      job = found
      means.jobs.add(found)
      log.keep(text)
      return false
    }
    if line.dialect == .hydra, report.takes(output: text) {
      log.keep(text)
      return false
    }
    log.passOn(text)
    return true
  }

  /// What the ranks have told since the last time.
  private func read(all: Bool) -> [RunEvent] {
    let found = events.read(all: all)
    for version in events.otherVersions.subtracting(toldVersions).sorted() {
      log.say(
        "the ranks report events in version \(version) of its format, and this program reads \(RunEvent.version); "
          + "is another version of u2pl installed on a host?")
      toldVersions.insert(version)
    }
    return found
  }

  /// Takes note of what an event says of the run's steps. Returns whether more are done.
  private func takesStep(_ event: RunEvent) -> Bool {
    switch event.content {
    case .resumed(let step, _): resumedFrom = step
    case .start(let start): resumedFrom = start.step
    case .firstStep(let step), .step(let step):
      // What is read again, because the file was replaced, is no news.
      guard step > steps ?? 0 else { return false }
      steps = step
      return true
    case .connected, .checkpoint, .stopped, .finished, .failed, .other: break
    }
    if let resumedFrom, resumedFrom > steps ?? 0 { steps = resumedFrom }
    return false
  }

  private func judge(
    _ end: ChildProcess.End, lost: (host: String, reason: String)?
  ) -> Ending {
    if StopSignals.isUrgent, end != .exit(0) { return .interrupted }
    if let lost {
      lostHost = lost.host
      return .failed(Failure(host: lost.host, text: "\(lost.host) no longer answers: \(lost.reason)"))
    }
    switch end {
    case .exit(0): return .finished
    case .exit(75): return .requeue
    // The ranks have stopped in order, and mpirun, which Slurm may have signalled too, has another word for it.
    case _ where report.killed == nil && (report.exited?.code == 75 || hasStopped): return .requeue
    // After a step the input is good, and what a rank cannot read is a disk, a mount or /dev/shm of its host.
    case .exit(let code)
    where (code == 2 || code == 64) && !hasComputed && firstStepAt == nil && report.killed == nil
      && report.lostHost == nil:
      return .refused(code)
    default: break
    }
    // mpirun may know it by the first part of its name.
    if let name = report.lostHost {
      let host = plan.hosts.first { $0 == name } ?? plan.hosts.first { $0.hasPrefix(name + ".") } ?? name
      return .failed(Failure(host: host, text: "mpirun has lost \(host): the connection to its daemon there broke"))
    }
    if let (rank, host, signal) = report.killed {
      let place = rank.flatMap { plan.host(ofRank: $0) } ?? host
      let who = rank.map { "rank \($0)" } ?? "a rank"
      let text = "\(who) on \(place) was killed by \(signalName(signal))"
      return .failed(Failure(rank: rank, host: place, signal: signal, text: text))
    }
    if case .signal(let number) = end, report.exited == nil {
      let host = ProcessInfo.processInfo.hostName
      return .failed(Failure(host: host, signal: number, text: "mpirun on \(host) was killed by \(signalName(number))"))
    }
    let code: Int32 = if case .exit(let code) = end { code } else { report.exited?.code ?? 1 }
    let last = events.lastWords(rank: report.exited?.rank)
    if let step = last?.words.step, step > steps ?? 0 { steps = step }
    let why = last.map { Self.firstLine($0.words.message) } ?? report.lastLine
    let message = last?.words.message ?? report.lastLine.map(Self.withoutPlace)
    // mpirun loses its message about a rank now and then; the rank's own event is left.
    guard let exited = report.exited ?? last.map({ ($0.rank, $0.words.code) }) else {
      return .failed(
        Failure(
          code: code, message: message,
          text: "mpirun ended with exit code \(code): \(report.complaint ?? why ?? "it has not said why")"))
    }
    let place = "rank \(exited.rank)" + (plan.host(ofRank: exited.rank).map { " on \($0)" } ?? "")
    return .failed(
      Failure(
        rank: exited.rank, host: plan.host(ofRank: exited.rank), code: exited.code, words: last?.words,
        message: message,
        text: "\(place) ended with exit code \(exited.code)" + (why.map { ": \($0)" } ?? "")))
  }

  /// What a rank prints has its place before the message, which its event has not.
  private static func withoutPlace(_ line: String) -> String {
    String(line.trimmingPrefix(/u2pl: error: (rank \d+ on [^ :]+: |rank \d+: )?/))
  }

  private static func firstLine(_ text: String) -> String { String(text.prefix { !$0.isNewline }) }
}
