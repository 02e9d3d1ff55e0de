import Glibc

/// Where a load goes: `http://ADDRESS:PORT/PATH`, with an IPv4 address or `localhost`.
struct Target: Equatable {
  let host: String
  let port: UInt16
  /// With its query.
  let path: String

  struct Invalid: Error, CustomStringConvertible {
    let description: String
  }

  init(host: String = "127.0.0.1", port: UInt16, path: String) {
    self.host = host
    self.port = port
    self.path = path
  }

  init(_ text: String) throws(Invalid) {
    guard text.hasPrefix("http://") else {
      throw Invalid(description: "\(text) is no URL of a load; write http://127.0.0.1:PORT/PATH")
    }
    let rest = text.dropFirst(7)
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
    host = parts.first.map { $0 == "localhost" ? "127.0.0.1" : String($0) } ?? ""
    guard parts.count <= 2, let port = UInt16(parts.count == 2 ? parts[1] : "80"), port > 0 else {
      throw Invalid(description: "\(text) has no port from 1 to 65535; write http://127.0.0.1:PORT/PATH")
    }
    self.port = port
    let path = rest.dropFirst(authority.count)
    self.path = path.hasPrefix("/") ? String(path) : "/" + path
    guard inet_addr(host) != in_addr_t.max else {
      throw Invalid(description: "\(host) is no IPv4 address; the load client looks no names up, write 127.0.0.1")
    }
  }

  var address: sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr(host)
    return address
  }

  /// Where it is this machine: one of sixteen addresses to come from, as each has 28,000 ports of its own.
  func source(_ number: Int) -> sockaddr_in? {
    guard host.hasPrefix("127.") else { return nil }
    var source = sockaddr_in()
    source.sin_family = sa_family_t(AF_INET)
    source.sin_addr.s_addr = (UInt32(0x7F00_0002) + UInt32(number % 16)).bigEndian
    return source
  }
}
