import Glibc

/// A socket that we connect, and a connect that nobody waits for.
enum OutgoingSocket {
  /// Begins to connect: the socket becomes writable when that has come to an end, `failure` says which.
  static func connect(to address: SocketAddress) throws(SystemError) -> Descriptor {
    let raw = socket(address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { throw SystemError(errno, "open a socket") }
    let descriptor = Descriptor(owning: raw)
    if address.isTCP {
      // What goes out is small, and somebody waits for its answer.
      var one: Int32 = 1
      setsockopt(raw, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }
    let result = address.withPointer { Glibc.connect(raw, $0, $1) }
    guard result == 0 || errno == EINPROGRESS else { throw SystemError(errno, "connect to \(address)") }
    return descriptor
  }

  /// Why a connect that has come to an end failed; nil: the connection stands.
  static func failure(of raw: Int32) -> String? {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(raw, SOL_SOCKET, SO_ERROR, &code, &length)
    return code == 0 ? nil : String(cString: strerror(code))
  }
}
