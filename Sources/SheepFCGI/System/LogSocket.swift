import Glibc

/// The socket of a log daemon: one datagram a line. Written to by the log's thread alone.
///
/// It is not connected: each datagram names the socket's path, so that a daemon that was started anew is found by itself.
final class LogSocket: Sendable {
  enum Form: Sendable {
    /// systemd's own protocol (Native Journal Protocol).
    case journal
    /// What syslog(3) writes: RFC 3164 without the host's name, which the daemon knows.
    case syslog
  }

  let form: Form
  private let address: SocketAddress
  private let socket: Descriptor

  /// The daemon need not run, but its socket must be there: a path that is wrong shall not wait for ever.
  init(_ path: String, _ form: Form) throws(SystemError) {
    self.form = form
    address = SocketAddress(unixPath: path)
    let attempt = "log to \(form == .journal ? "journald" : "syslog") at \(path)"
    socket = try Self.open(attempt)
    let probe = try Self.open(attempt)
    let code = address.withPointer { connect(probe.raw, $0, $1) == 0 ? 0 : errno }
    // A file that is no socket refuses too.
    var status = stat()
    let isSocket = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    guard code == 0 || (code == ECONNREFUSED && isSocket) else {
      throw SystemError(code, attempt, remedy: Self.remedy(code))
    }
  }

  private static func open(_ attempt: String) throws(SystemError) -> Descriptor {
    let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let opened = Glibc.socket(AF_UNIX, type, 0)
    guard opened >= 0 else { throw SystemError(errno, attempt) }
    return Descriptor(owning: opened)
  }

  private static func remedy(_ code: Int32) -> String {
    switch code {
    case ENOENT, ENOTDIR: "start the daemon, put the path right, or write stderr"
    case EACCES, EPERM: "let the user who runs the program write there"
    default: "name the daemon's datagram socket, or write stderr"
    }
  }

  /// Waits for a daemon that does not keep up, or is away, for as long as `mayWait` says so.
  func send(_ datagram: [UInt8], mayWait: () -> Bool) -> WriteEnd {
    while true {
      let code = address.withPointer { address, length in
        datagram.withUnsafeBytes {
          sendto(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), address, length) >= 0 ? 0 : errno
        }
      }
      let pause: UInt32
      switch code {
      case 0: return .done
      case EINTR: continue
      // Its queue is full. A socket that is not connected is not told when there is room (unix(7), poll(2)).
      case EAGAIN, ENOBUFS: pause = 2_000
      // It is about to be started again, or is down: then lines gather, as with a reader that stands still.
      case ECONNREFUSED, ENOENT, ECONNRESET: pause = 100_000
      default: return .failed
      }
      guard mayWait() else { return .gaveUp }
      usleep(pause)
    }
  }
}
