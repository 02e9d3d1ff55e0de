import Glibc
import Streaming

/// A socket's address as the kernel holds it.
struct SocketAddress: Sendable, CustomStringConvertible {
  private var storage = sockaddr_storage()
  private var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

  /// A path of at most `ListenAddress.longestPath` bytes.
  init(unixPath path: String) {
    withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr_un.self, capacity: 1) { unix in
        unix.pointee.sun_family = sa_family_t(AF_UNIX)
        // The storage is zeroed, so the path's end is there already.
        withUnsafeMutableBytes(of: &unix.pointee.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
      }
    }
    length = socklen_t(MemoryLayout<sockaddr_un>.size)
  }

  private init?(_ fill: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) {
    let result = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { fill($0, &length) }
    }
    if result != 0 { return nil }
  }

  /// The address that `descriptor` is bound to. Nil: it is no socket.
  static func local(of descriptor: Int32) -> SocketAddress? {
    SocketAddress { getsockname(descriptor, $0, $1) }
  }

  /// The address at the other end of `descriptor`. Nil: it is not connected any more.
  static func peer(of descriptor: Int32) -> SocketAddress? {
    SocketAddress { getpeername(descriptor, $0, $1) }
  }

  /// All addresses that a host has. Blocks while the name is looked up.
  /// - Parameter purpose: as in "cannot …".
  static func resolve(
    host: String, port: UInt16, to purpose: String = "listen on"
  ) throws(SystemError) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE
    var list: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(host, String(port), &hints, &list)
    defer { if let list { freeaddrinfo(list) } }
    guard result == 0 else {
      let code = errno
      let attempt = "look up the host '\(host)' to \(purpose)"
      if result == EAI_SYSTEM { throw SystemError(code, attempt) }
      let reason = String(cString: gai_strerror(result))
      let remedy = purpose == "listen on" ? "write an address of this machine" : "write an address"
      throw SystemError(attempt, reason: reason, remedy: remedy)
    }
    var found: [SocketAddress] = []
    var entry = list
    while let info = entry?.pointee {
      if let address = info.ai_addr {
        let copy = SocketAddress { target, length in
          memcpy(target, address, Int(info.ai_addrlen))
          length.pointee = info.ai_addrlen
          return 0
        }
        if let copy { found.append(copy) }
      }
      entry = info.ai_next
    }
    return found
  }

  var family: Int32 { Int32(storage.ss_family) }
  var isUnix: Bool { family == AF_UNIX }
  var isTCP: Bool { family == AF_INET || family == AF_INET6 }

  /// The sixteen bytes of an IPv6 address, in which IPv4 has its place too (RFC 4291, section 2.5.5.2), so that a peer
  /// is the same whichever socket it came over. Nil: not TCP.
  var host: HostAddress? {
    withUnsafeBytes(of: storage) { bytes in
      switch family {
      case AF_INET: HostAddress(ipv4: bytes.load(as: sockaddr_in.self).sin_addr)
      case AF_INET6: HostAddress(ipv6: bytes.load(as: sockaddr_in6.self).sin6_addr)
      default: nil
      }
    }
  }

  /// For `bind` and `connect`: the pointer is valid during the call.
  func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  /// As a `ListenAddress` is written.
  var description: String {
    switch family {
    case AF_UNIX: "unix:" + (unixPath ?? "")
    case AF_INET: "tcp:\(numeric.host):\(numeric.port)"
    case AF_INET6: "tcp:[\(numeric.host)]:\(numeric.port)"
    default: "a socket of family \(family)"
    }
  }

  /// Where a Unix socket's file is. Nil: it is none, or has none.
  var unixPath: String? {
    guard isUnix else { return nil }
    // An unnamed socket has no path at all, an abstract one begins with NUL.
    return withUnsafeBytes(of: storage) { bytes in
      let path = bytes[MemoryLayout<sa_family_t>.size..<min(Int(length), MemoryLayout<sockaddr_un>.size)]
      return path.first.map { $0 != 0 } == true ? String(decoding: path.prefix { $0 != 0 }, as: UTF8.self) : nil
    }
  }

  private var numeric: (host: String, port: String) {
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
    let failed = withPointer { address, length in
      getnameinfo(
        address, length, &host, socklen_t(host.count), &port, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV)
    }
    return failed == 0 ? (text(host), text(port)) : ("?", "?")
  }

  private func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
