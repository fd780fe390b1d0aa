import ArgumentParser
import Foundation
import Monitor
import RunLogs

struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows a run while it trains: progress, curves, what each rank waits for, warnings.",
    discussion: """
      Reads only the files of the run's directory, so that it can be started and ended at any time, on any host that \
      sees them, also for a run that is over. On a terminal it redraws a view that fits the terminal's size; anywhere \
      else, and with --plain, it prints what is new, line by line. It ends when the run does; Ctrl-C ends it before.
      """)

  @Argument(help: ArgumentHelp("The run's directory, such as runs/NAME.", valueName: "run"))
  var path: String

  @Flag(help: "Prints lines on a terminal, too.")
  var plain = false

  @Flag(help: "Shows the run as it is now, and ends.")
  var once = false

  @Option(help: ArgumentHelp("Seconds between two looks.", valueName: "seconds"))
  var interval = 1.0

  func validate() throws {
    guard interval >= 0.05, interval <= 3600 else { throw ValidationError("--interval \(interval): from 0.05 to 3600") }
  }

  func run() throws {
    do {
      let run = try RunWatch(path)
      run.update()
      if !plain, !once, WatchTerminal.isThere { follow(run, on: WatchTerminal()) } else { tell(run) }
    } catch let error as LogError {
      RankedProcess.show("u2pl: error: \(error)", isError: true)
      throw ExitCode(2)
    }
  }

  /// Redraws the view until the run is over.
  private func follow(_ run: RunWatch, on terminal: WatchTerminal) {
    terminal.enter()
    terminal.draw(run)
    while !run.state.isOver {
      if terminal.wait(interval, redraw: { terminal.draw(run) }) { break }
      run.update()
      terminal.draw(run)
    }
    terminal.leave()
    summarize(run)
    if let signal = terminal.signal { Foundation.exit(128 + signal) }
  }

  /// Prints what is new, line by line, until the run is over.
  private func tell(_ run: RunWatch) {
    var warnings = 0, evaluations = 0, lastTold = -Double.infinity
    var lastLine = ""
    while true {
      for warning in run.warnings.dropFirst(warnings) { RankedProcess.say(warning) }
      for one in run.progress.evaluations.dropFirst(evaluations) {
        RankedProcess.say(
          "step \(one.step + 1)  mIoU " + String(format: "%.2f %% (%@)", 100 * one.meanIoU, one.network))
      }
      // A resumed run may have gone back.
      (warnings, evaluations) = (run.warnings.count, run.progress.evaluations.count)
      if once || run.state.isOver { break }
      let now = ProcessInfo.processInfo.systemUptime
      let line = [WatchScreen.headline(run), WatchScreen.numbers(run)].filter { !$0.isEmpty }.joined(separator: "  ")
      if now - lastTold >= 5, line != lastLine {
        (lastTold, lastLine) = (now, line)
        RankedProcess.say(line)
      }
      usleep(UInt32(interval * 1e6))
      run.update()
    }
    summarize(run)
  }

  /// The last lines.
  private func summarize(_ run: RunWatch) {
    RankedProcess.say(WatchScreen.headline(run))
    let numbers = WatchScreen.numbers(run)
    if !numbers.isEmpty { RankedProcess.say(numbers) }
    for view in run.ranks.values.sorted(by: { $0.rank < $1.rank }) where !run.state.isOver {
      RankedProcess.say("rank \(view.rank) on \(view.host)  \(view.words)")
    }
    switch run.state {
    case .stopped(let why), .failed(let why): RankedProcess.say(why)
    case .gone:
      RankedProcess.say(
        "no process works on this run, and its log does not say how it ended: it was killed, or has not begun; u2pl "
          + "train --resume latest continues from its last checkpoint")
    case .running, .finished: break
    }
  }
}
