import Distributed
import Foundation

/// The published status of a rank: ranks of its node read it from its record, others from its file.
package struct RankStatus: Codable, Equatable {
  package var rank: Int
  package var host: String
  package var pid: Int32
  package var heartbeat: Int
  package var step: Int
  package var phase: String
  /// The function of MPI it waits in, nil where it waits in none.
  package var call: String?
  /// The rank that the call waits for, nil where it waits for several.
  package var partner: Int?
  /// The time of its last progress, in seconds since 1970 on its own clock.
  package var since: Double
  /// Seconds without progress.
  package var quiet: Double
  /// The watchdog allows so many times its limit without progress in this phase.
  package var patience: Int
  /// The process's own view; nil while there is no sign of trouble.
  package var state: ProcessState?

  package init(
    rank: Int, host: String, pid: Int32, heartbeat: Int, step: Int, phase: String, call: String?, partner: Int?,
    since: Double, quiet: Double, patience: Int, state: ProcessState? = nil
  ) {
    (self.rank, self.host, self.pid) = (rank, host, pid)
    (self.heartbeat, self.step, self.phase) = (heartbeat, step, phase)
    (self.call, self.partner) = (call, partner)
    (self.since, self.quiet, self.patience, self.state) = (since, quiet, patience, state)
  }
}

extension RankStatus {
  package init(_ record: StatusRecord, rank: Int, _ place: StatusBoard.Place) {
    let partner = record[.partner]
    let isWaiting = record[.isWaiting] != 0
    self.init(
      rank: rank, host: place.host, pid: place.pid, heartbeat: record[.heartbeat], step: record[.step],
      phase: record.phase, call: isWaiting ? record.call : nil, partner: isWaiting && partner >= 0 ? partner : nil,
      since: Double(record[.since]) * 1e-9, quiet: Double(record[.quiet]) * 1e-3, patience: max(1, record[.patience]))
  }

  /// The file's content; nil where there is none, or one of another process or half written.
  package init?(file: String, rank: Int, host: String, pid: Int32) {
    guard let data = FileManager.default.contents(atPath: file),
      let status = try? JSONDecoder().decode(RankStatus.self, from: data),
      status.rank == rank, status.host == host, status.pid == pid
    else { return nil }
    self = status
  }

  /// Written in place and closed, which is when network file systems show it to other hosts.
  package func write(to file: String) {
    guard var data = try? JSONEncoder().encode(self) else { return }
    // The rest of a longer old content would make the file invalid JSON.
    data.append(Data(repeating: 0x20, count: max(0, 511 - data.count)) + Data("\n".utf8))
    let descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return }
    data.withUnsafeBytes { _ = Foundation.write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
  }

  var place: String { "rank \(rank) on \(host)" }

  /// Where in the run it is, such as `student forward of step 41, since 13:05:11`.
  var position: String {
    "\(phase) of step \(step), since \(RankStatus.time(since))"
  }

  private static func time(_ since: Double) -> String {
    var seconds = time_t(since), parts = tm()
    localtime_r(&seconds, &parts)
    return String(format: "%02d:%02d:%02d", parts.tm_hour, parts.tm_min, parts.tm_sec)
  }
}
