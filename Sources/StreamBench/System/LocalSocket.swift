import Glibc
import Streaming

/// What is asked of sockets on this machine beside the load: whether somebody listens, which port is free, one short GET.
enum LocalSocket {
  /// Whether somebody accepts connections there.
  static func isListening(unix path: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return connects(AF_UNIX, &address)
  }

  static func isListening(port: UInt16) -> Bool {
    var address = Target(port: port, path: "/").address
    return connects(AF_INET, &address)
  }

  /// A port of 127.0.0.1 that nobody holds now.
  static func freePort() throws(BenchError) -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = Target(port: 0, path: "/").address
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw BenchError(errno, "find a free port") }
    return UInt16(bigEndian: address.sin_port)
  }

  /// The body of a small answer; nil: there is none.
  static func get(_ path: String, port: UInt16) -> [UInt8]? {
    guard let socket = try? ClientSocket(to: Target(port: port, path: path), number: 0, receiveBufferBytes: nil) else {
      return nil
    }
    defer { socket.close() }
    guard isReady(socket, POLLOUT) else { return nil }
    _ = socket.write(Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8), from: 0)
    var (reader, body, buffer) = (ResponseReader(), [UInt8](), [UInt8](repeating: 0, count: 16384))
    while isReady(socket, POLLIN), let count = socket.read(into: &buffer, limit: buffer.count), count > 0 {
      var position = 0
      while let item = try? reader.next(in: buffer.span.extracting(0..<count), from: &position) {
        if case .body(let range) = item { body += buffer[range] }
        if case .end = item { return body }
      }
    }
    return nil
  }

  private static func isReady(_ socket: ClientSocket, _ events: Int32) -> Bool {
    var entry = pollfd(fd: socket.descriptor, events: Int16(events), revents: 0)
    return poll(&entry, 1, 5000) == 1
  }

  private static func connects<Address>(_ family: Int32, _ address: inout Address) -> Bool {
    let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) == 0
      }
    }
  }
}
