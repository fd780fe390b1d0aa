import Foundation
import XCTest

/// `u2pl watch` on runs that are over, at work, killed, and none; in a pipe and on a terminal.
final class WatchTests: CommandTestCase {
  func testARunThatIsOver() throws {
    try train("run")
    let outcome = try run(["watch", "run"], limit: patience)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.output.contains("run  finished  epoch 3/3  step 6/6  100 %"), outcome.summary)
    XCTAssertEqual(outcome.output.components(separatedBy: "  mIoU ").count, 5, outcome.summary)
    XCTAssertFalse(outcome.output.contains("\u{1B}"), outcome.summary)
    // Torn lines are left out, and counted.
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path("run/metrics.jsonl")))
    try file.seekToEnd()
    try file.write(contentsOf: Data("{\"step\":7,\"lo\n".utf8))
    try file.close()
    let torn = try run(["watch", "run/", "--plain"], limit: patience)
    XCTAssertTrue(torn.output.contains("1 damaged lines"), torn.summary)
  }

  /// Started while the run is at work, it ends when that has been killed, and says so.
  func testARunThatIsKilled() throws {
    let training = try Command(training("run", ["schedule.epochs=4000"]), ranks: nil, in: directory)
    wait(for: training, "run", lines: 8)
    let once = try run(["watch", "run", "--once"], limit: patience)
    XCTAssertTrue(once.output.contains("run  running"), once.summary)
    let watch = try Command(["watch", "run", "--interval", "0.1"], ranks: nil, in: directory)
    usleep(500_000)
    XCTAssertTrue(watch.isRunning)
    training.kill()
    let outcome = watch.wait(limit: patience)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.output.contains("run  not running"), outcome.summary)
    XCTAssertTrue(outcome.output.contains("--resume latest"), outcome.summary)
  }

  func testNoRun() throws {
    try write("empty/x", "")
    try assertRefused(["watch", "gone"], at: [nil], saying: "gone: no such run")
    try assertRefused(["watch", "empty"], at: [nil], saying: "empty")
    XCTAssertEqual(try run(["watch", "gone", "--interval", "0"]).status, 64)
  }

  /// On a terminal of 60 columns: the second screen, lines that fit, and the first screen again at the end.
  func testOnATerminal() throws {
    try train("run")
    let script = """
      import os, pty, sys, fcntl, struct, termios
      pid, fd = pty.fork()
      if pid == 0:
          os.environ["TERM"] = "xterm"
          os.environ["LC_ALL"] = "C.UTF-8"
          fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
          os.execv(sys.argv[1], [sys.argv[1], "watch", sys.argv[2]])
      data = b""
      while True:
          try: part = os.read(fd, 65536)
          except OSError: break
          if not part: break
          data += part
      assert os.waitpid(pid, 0)[1] == 0, data
      text = data.decode()
      begin, end = text.index("\\x1b[?1049h"), text.index("\\x1b[?1049l")
      screen = text[begin:end].split("\\x1b[H")[1]
      for code in "\\r", "\\x1b[K", "\\x1b[J", "\\x1b[?25h": screen = screen.replace(code, "")
      lines = screen.split("\\n")
      assert len(lines) <= 20 and all(len(line) <= 60 for line in lines), lines
      assert any("█" in line for line in lines) and any(line.startswith("loss") for line in lines), lines
      assert "finished" in text[end:], text[end:]
      """
    try tool("/usr/bin/python3", ["-c", script, Command.program(), path("run")], package: "python3")
  }
}
