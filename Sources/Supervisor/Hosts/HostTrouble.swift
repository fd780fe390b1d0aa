import Foundation

/// What ssh says when it does not get to a host, and what to do about it.
package enum HostTrouble {
  /// Its last line, with a cause and a remedy where they are known; nil where it has said nothing.
  package static func explain(_ errors: [String], host: String) -> String? {
    let lines = errors.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    guard let last = lines.last else { return nil }
    func says(_ words: String) -> Bool { lines.contains { $0.contains(words) } }
    let remedy: String? =
      if says("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        "its host key is another than before; if the host was set up anew, ssh-keygen -R \(host), then ssh \(host) once"
      } else if says("Host key verification failed") {
        "its host key is not known here; ssh \(host) once and answer yes, or ssh-keyscan \(host) >> ~/.ssh/known_hosts"
      } else if says("Permission denied") {
        "it takes no key of this user, and ranks cannot type a password; ssh-copy-id \(host), and try ssh \(host) true"
      } else if says("Could not resolve hostname") || says("Name or service not known") {
        "its name is not known here; see the hostfile, and getent hosts \(host)"
      } else if says("Connection refused") {
        "no sshd listens there"
      } else if says("Connection timed out") || says("No route to host") || says("Network is unreachable") {
        "it is down, or a firewall or another network is between; try ping \(host)"
      } else {
        nil
      }
    return remedy.map { "\(last.hasSuffix(".") ? String(last.dropLast()) : last): \($0)" } ?? last
  }
}
