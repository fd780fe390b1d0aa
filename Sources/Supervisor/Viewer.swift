import Foundation

/// Standard output or error, whose reader may have stopped reading: `| less`, or Ctrl-S at a terminal. The writing
/// thread supervises the run, so it waits for a second at most, and then leaves out what does not fit.
final class Viewer {
  private static let patience = 1.0
  /// Bytes written at a time: a pipe that is ready has room for so many.
  private static let portion = 4096

  private let descriptor: Int32
  private let isOwn: Bool
  /// Whether output has been left out since the reader last read.
  private var isStuck = false

  init(_ descriptor: Int32) {
    var status = stat()
    fstat(descriptor, &status)
    // A descriptor of its own, because the shell shares the flags of the inherited one. Writing to anything but a
    // terminal or a pipe does not wait for a reader.
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
        // A full disk or a reader that is gone must not end the run; it does not count as a slow reader.
        guard count > 0 else { return count < 0 && errno == EAGAIN }
        rest = rest.dropFirst(count)
      }
      return false
    }
  }
}
