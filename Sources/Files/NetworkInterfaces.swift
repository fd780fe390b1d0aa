import Foundation

/// The network interfaces of this host.
package enum NetworkInterfaces {
  /// Those that are up and have an address of IPv4, such as `eth0 10.0.0.5, docker0 172.17.0.1`, but for the loopback.
  package static var summary: String {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return "" }
    defer { freeifaddrs(first) }
    var found: [String] = []
    var next = first
    while let entry = next {
      next = entry.pointee.ifa_next
      let flags = entry.pointee.ifa_flags
      guard let address = entry.pointee.ifa_addr, Int32(address.pointee.sa_family) == AF_INET,
        flags & UInt32(IFF_UP) != 0, flags & UInt32(IFF_LOOPBACK) == 0
      else { continue }
      var text = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
      let isText = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        inet_ntop(AF_INET, &$0.pointee.sin_addr, &text, socklen_t(text.count)) != nil
      }
      let shown = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      found.append(String(cString: entry.pointee.ifa_name) + (isText ? " \(shown)" : ""))
    }
    return found.joined(separator: ", ")
  }

  /// Bridges that programs for containers and virtual machines make. Each host has the same addresses on its own, so a
  /// message to another host that is sent there comes back.
  package static var ofContainers: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/net")) ?? []).filter(isOfContainers).sorted()
  }

  static func isOfContainers(_ name: String) -> Bool {
    if name.hasPrefix("br-") { return name.count == 15 && name.dropFirst(3).allSatisfy(\.isHexDigit) }
    let stems = ["docker", "virbr", "podman", "cni", "lxcbr", "lxdbr", "nerdctl"]
    return stems.contains { name.hasPrefix($0) && name.dropFirst($0.count).allSatisfy { $0.isNumber || $0 == "-" } }
  }

  /// What to do where ranks do not get through MPI_Init, or wait for ever in the first message.
  package static var advice: String {
    let here = summary
    return "mostly hosts have interfaces over which they cannot reach each other, such as docker0 or virbr0"
      + (here.isEmpty ? "" : " (here: \(here))")
      + "; name the network that joins them: export OMPI_MCA_btl_tcp_if_include=10.0.0.0/24 "
      + "OMPI_MCA_oob_tcp_if_include=10.0.0.0/24, or mpirun --mca btl_tcp_if_include eth0"
  }
}
