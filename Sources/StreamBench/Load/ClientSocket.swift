import Glibc

/// The client's end of a connection: non-blocking, and closed by its owner.
struct ClientSocket {
  let descriptor: Int32

  /// Begins to connect; the socket is writable once it stands.
  ///
  /// - Parameter number: spreads the connections over this machine's own addresses.
  init(
    to target: Target, number: Int, receiveBufferBytes: Int?
  ) throws(BenchError) {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    descriptor = socket(AF_INET, kind, 0)
    guard descriptor >= 0 else {
      throw BenchError(errno, "open a socket", remedy: "allow more descriptors (ulimit -n)")
    }
    if let receiveBufferBytes { set(SOL_SOCKET, SO_RCVBUF, Int32(clamping: receiveBufferBytes)) }
    set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    if var source = target.source(number) {
      // The port is chosen at the connect, when the other end is known: else 28,000 would be all there are.
      set(Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
      _ = withAddress(&source) { bind(descriptor, $0, $1) }
    }
    var address = target.address
    guard withAddress(&address, { connect(descriptor, $0, $1) }) == 0 || errno == EINPROGRESS else {
      let code = errno
      close()
      throw BenchError(code, "connect to \(target.host), port \(target.port)")
    }
  }

  func close() {
    _ = Glibc.close(descriptor)
  }

  /// Nil: not now. Negative: the connection broke. 0 from `read`: it ended.
  func read(into buffer: inout [UInt8], limit: Int) -> Int? {
    let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, min(limit, $0.count), 0) }
    return count < 0 && errno == EAGAIN ? nil : count
  }

  func write(_ bytes: [UInt8], from start: Int) -> Int? {
    let count = bytes.withUnsafeBytes {
      send(descriptor, $0.baseAddress! + start, bytes.count - start, Int32(MSG_NOSIGNAL))
    }
    return count < 0 && errno == EAGAIN ? nil : count
  }

  private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    // An option that is refused leaves the system's choice.
    _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}

private func withAddress(
  _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
  withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
}
