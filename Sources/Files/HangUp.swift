import Foundation

/// SIGHUP, which a process gets when its terminal is closed.
package enum HangUp {
  /// Whether this process was started to outlive its terminal, as by nohup.
  package static var isIgnored: Bool {
    var action = sigaction()
    guard sigaction(SIGHUP, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
