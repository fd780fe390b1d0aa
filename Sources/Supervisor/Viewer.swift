import Foundation

/// Standard output or error, which somebody may read who has stopped reading: `| less`, or Ctrl-S at a terminal. The thread
/// that writes supervises the run, so it waits for a second at most, and then leaves out what does not fit.
final class Viewer {
  private static let patience = 1.0
  /// A pipe with any room has room for this much.
  private static let portion = 4096

  private let descriptor: Int32
  private let isOwn: Bool
  /// Whether something has been left out since the reader last took something.
  private var isStuck = false

  init(_ descriptor: Int32) {
    var status = stat()
    fstat(descriptor, &status)
    // Opened anew, because the flags of the one that is there are shared with the shell. What is neither a terminal nor a
    // pipe does not wait for a reader.
    let waits = isatty(descriptor) != 0 || status.st_mode & S_IFMT == S_IFIFO
    let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_APPEND
    let own = waits ? open("/proc/self/fd/\(descriptor)", flags) : -1
    isOwn = own >= 0
    self.descriptor = isOwn ? own : descriptor
  }

  deinit { if isOwn { close(descriptor) } }

  func write(_ text: String) {
    var text = isStuck ? "\nlaunch: lines are missing here; logs/launch.log has them\n" + text : text
    let limit = ProcessInfo.processInfo.systemUptime + (isStuck ? 0 : Self.patience)
    isStuck = text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)[...]
      while !rest.isEmpty {
        var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let left = limit - ProcessInfo.processInfo.systemUptime
        let ready = poll(&polled, 1, Int32(max(0, left) * 1000))
        if ready < 0 && errno == EINTR { continue }
        guard ready > 0 else { return true }
        let portion = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.portion))
        let count = Foundation.write(descriptor, portion.baseAddress, portion.count)
        if count < 0 && errno == EINTR { continue }
        if count < 0 && errno == EAGAIN && left > 0 {
          usleep(5000)
          continue
        }
        // A full disk or a reader that is gone must not end the run, and nobody waits for it.
        guard count > 0 else { return count < 0 && errno == EAGAIN }
        rest = rest.dropFirst(count)
      }
      return false
    }
  }
}
