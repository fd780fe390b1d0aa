import Foundation
import Monitor
import Synchronization

/// The terminal that `watch` draws on: its second screen, so that what stood there before comes back at the end.
final class WatchTerminal {
  /// The signal that has asked for the end; 0 for none.
  private static let received = Atomic<Int32>(0)
  private var size = (width: 0, height: 0)

  /// Whether standard output is a terminal that can be redrawn.
  static var isThere: Bool {
    isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] ?? "dumb" != "dumb"
  }

  /// Whether it shows only ASCII.
  private static let isPlain: Bool = {
    let environment = ProcessInfo.processInfo.environment
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    return !locale.lowercased().replacing("-", with: "").contains("utf8")
  }()

  /// The signal that has asked for the end, if one has.
  var signal: Int32? {
    let number = Self.received.load(ordering: .relaxed)
    return number > 0 ? number : nil
  }

  func enter() {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      Foundation.signal(number) { WatchTerminal.received.store($0, ordering: .relaxed) }
    }
    write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[2J")
  }

  func leave() { write("\u{1B}[?25h\u{1B}[?1049l") }

  /// Each line is written over the one before, so that nothing flickers.
  func draw(_ run: RunWatch) {
    let now = Self.currentSize()
    var text = now == size ? "\u{1B}[H" : "\u{1B}[2J\u{1B}[H"
    size = now
    let lines = WatchScreen(width: size.width, height: size.height, isPlain: Self.isPlain).lines(run)
    text += lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J"
    write(text)
  }

  /// Waits, and redraws where the terminal changes its size meanwhile.
  ///
  /// - Returns: true where a signal has asked for the end.
  func wait(_ seconds: Double, redraw: () -> Void) -> Bool {
    let end = ProcessInfo.processInfo.systemUptime + seconds
    while signal == nil, ProcessInfo.processInfo.systemUptime < end {
      usleep(UInt32(min(0.1, seconds) * 1e6))
      if Self.currentSize() != size { redraw() }
    }
    return signal != nil
  }

  private static func currentSize() -> (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  private func write(_ text: String) { try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8)) }
}
