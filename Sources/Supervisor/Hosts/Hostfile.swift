import Foundation

/// Open MPI's hostfiles: `node01 slots=4 max_slots=8`, a host a line, with comments after `#` or `//`.
///
/// As with `mpirun`, a host that is listed several times has the sum of its slots, one for each line without `slots`;
/// one that is listed once and without has as many as cores. Hosts are names, or addresses of IPv4 or IPv6.
package enum Hostfile {
  package static func read(_ path: String) throws -> Allocation {
    // More than the hostfile of any cluster has. Without a limit, reading a device would never end.
    let most = 16 << 20
    var bytes = Data()
    do {
      let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      while bytes.count <= most, let more = try file.read(upToCount: 1 << 20), !more.isEmpty { bytes += more }
    } catch {
      throw SupervisorError("\(path): the hostfile cannot be read; is the path right?")
    }
    guard bytes.count <= most else {
      throw SupervisorError("\(path): more than \(most >> 20) MiB; this is no hostfile")
    }
    guard let text = String(validating: bytes, as: UTF8.self), !text.contains("\0") else {
      throw SupervisorError("\(path): this is no text; a hostfile has a line such as `node01 slots=4` for each host")
    }
    return try parse(text, source: path)
  }

  /// - Parameter source: the file's name in messages.
  package static func parse(_ text: String, source: String) throws -> Allocation {
    var names: [String] = []
    var entries: [String: [Int?]] = [:]
    // A carriage return and line feed are one character.
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      do {
        guard let host = try entry(String(line)) else { continue }
        if entries[host.name] == nil { names.append(host.name) }
        entries[host.name, default: []].append(host.slots)
      } catch let error as SupervisorError {
        throw SupervisorError("\(source):\(index + 1): \(error)")
      }
    }
    guard !names.isEmpty else {
      throw SupervisorError("\(source): it names no host; write a line such as `node01 slots=4` for each")
    }
    let hosts = try names.map { name in
      let slots = entries[name]!
      let sum = slots.count == 1 ? slots[0] : slots.reduce(0) { $0 + ($1 ?? 1) }
      guard sum ?? 1 <= most else { throw SupervisorError("\(source): \(name) has \(sum!) slots, more than \(most)") }
      return HostSlots(name: name, slots: sum)
    }
    return Allocation(hosts: hosts, source: source)
  }

  /// More slots than any host has: a greater number is a mistake.
  private static let most = 65536

  private static func entry(_ line: String) throws -> HostSlots? {
    let content = line.prefix { $0 != "#" }.components(separatedBy: "//")[0]
    // `slots = 4` is `slots=4`.
    let joined = content.replacing(/\s*=\s*/, with: "=")
    let words = joined.split(whereSeparator: \.isWhitespace).map(String.init)
    guard let first = words.first else { return nil }
    let name = try host(first)
    var slots: Int?
    var maximum: Int?
    for word in words.dropFirst() {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else {
        throw SupervisorError(
          "‘\(shown(word))’ is not understood; after the host comes slots=N or max_slots=N, one host a line")
      }
      switch parts[0] {
      case "slots", "slot", "count", "cpu", "cpus": slots = try number(parts[1], of: parts[0], was: slots)
      case "max_slots", "max-slots", "slots_max", "slots-max", "cpu_max", "cpu-max":
        maximum = try number(parts[1], of: parts[0], was: maximum)
      case "user", "username", "user-name", "user_name":
        throw SupervisorError("\(parts[0])= is not used here; put the user into ~/.ssh/config (Host \(name), User …)")
      default: throw SupervisorError("unknown key ‘\(shown(parts[0]))’; write slots=N or max_slots=N")
      }
    }
    if let maximum, let slots, maximum < slots {
      throw SupervisorError("max_slots=\(maximum) is less than slots=\(slots); raise it or leave it out")
    }
    // Without `slots`, Open MPI takes the maximum for them.
    return HostSlots(name: name, slots: slots ?? maximum)
  }

  private static func number(_ text: String, of key: String, was: Int?) throws -> Int {
    guard was == nil else { throw SupervisorError("\(key) is given twice; keep one of them") }
    guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(text), (1...most) ~= value
    else {
      throw SupervisorError("\(key)=\(shown(text)) is no number of ranks; write \(key)=N with N from 1 to \(most)")
    }
    return value
  }

  /// A host name or an address. Anything else is refused, because it would be passed on a command line.
  private static func host(_ word: String) throws -> String {
    if word.contains("@") {
      throw SupervisorError("‘\(shown(word))’ names a user; put that into ~/.ssh/config and write the host alone")
    }
    if let first = word.first, "+^".contains(first) {
      throw SupervisorError("‘\(shown(word))’ is relative or excluded, which is not supported; list the hosts to use")
    }
    if word.contains("=") {
      throw SupervisorError("the line begins with ‘\(shown(word))’; the host comes first, as in `node01 slots=4`")
    }
    let bare = word.hasPrefix("[") && word.hasSuffix("]") ? String(word.dropFirst().dropLast()) : word
    guard isHost(bare) else {
      throw SupervisorError("‘\(shown(word))’ is no host name or address; write a line such as `node01 slots=4`")
    }
    return bare
  }

  /// Whether this is a name (RFC 1123, and `_`, which some sites use) or an address of IPv4 or IPv6.
  static func isHost(_ text: String) -> Bool {
    if text.contains(":") {
      var address = in6_addr()
      return inet_pton(AF_INET6, String(text.prefix { $0 != "%" }), &address) == 1
        && text.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "%") }
    }
    if !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") }) {
      var address = in_addr()
      return inet_pton(AF_INET, text, &address) == 1
    }
    return (1...253) ~= text.utf8.count && text.utf8.allSatisfy(isNameByte) && text.first != "-" && text.first != "."
      && !text.contains("..")
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// For a message: no control characters, and not too long.
  private static func shown(_ text: String) -> String {
    let clean = String(
      text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : Character($0) })
    return clean.count > 40 ? clean.prefix(40) + "…" : clean
  }
}
