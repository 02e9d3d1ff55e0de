/// Where to listen, as the user writes it: `unix:/path` or `tcp:host:port`.
enum ListenAddress: Equatable, Sendable, CustomStringConvertible {
  case unix(path: String)
  /// The host is a name, an IPv4 address, or an IPv6 address without its brackets. The port is 1…65535.
  case tcp(host: String, port: UInt16)

  /// What is wrong with an address, and what to write instead.
  struct Invalid: Error, CustomStringConvertible {
    let description: String
  }

  /// `sun_path` holds 108 bytes, the last of which ends the string (unix(7)).
  static let longestPath = 107

  init(_ text: String) throws(Invalid) {
    if text.hasPrefix("unix:") {
      self = try .unix(path: Self.path(text.dropFirst(5)))
    } else if text.hasPrefix("tcp:") {
      self = try Self.hostAndPort(text.dropFirst(4))
    } else {
      throw Invalid(description: "no kind of address; write unix:/path or tcp:host:port")
    }
  }

  private static func path(_ path: Substring) throws(Invalid) -> String {
    guard path.hasPrefix("/") else {
      throw Invalid(description: "the socket's path is not absolute; write unix:/run/sheepfcgi/sheepfcgi.sock")
    }
    guard !path.hasSuffix("/") else {
      throw Invalid(description: "the socket's path names a directory; add the file's name")
    }
    guard path.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
      throw Invalid(description: "the socket's path holds a control character; write it without")
    }
    guard path.utf8.count <= longestPath else {
      throw Invalid(
        description: "the socket's path has \(path.utf8.count) bytes and the kernel takes \(longestPath); shorten it")
    }
    return String(path)
  }

  private static func hostAndPort(_ text: Substring) throws(Invalid) -> ListenAddress {
    guard let colon = text.lastIndex(of: ":") else {
      throw Invalid(description: "there is no port; write tcp:host:port, like tcp:127.0.0.1:9000")
    }
    var host = text[..<colon]
    if host.hasPrefix("[") && host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw Invalid(description: "an IPv6 address stands in brackets; write tcp:[::1]:9000")
    }
    guard !host.isEmpty else {
      throw Invalid(description: "there is no host; write tcp:127.0.0.1:9000, or tcp:0.0.0.0:9000 for every network")
    }
    let digits = text[text.index(after: colon)...]
    guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits), port > 0 else {
      throw Invalid(description: "the port is no number from 1 to 65535; write tcp:host:port, like tcp:127.0.0.1:9000")
    }
    return .tcp(host: String(host), port: port)
  }

  var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): host.contains(":") ? "tcp:[\(host)]:\(port)" : "tcp:\(host):\(port)"
    }
  }
}
