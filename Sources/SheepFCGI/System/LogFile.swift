import Glibc

/// A file, a fifo or standard error, to which lines are appended. Written to by the log's thread alone; the file is closed
/// with the last reference.
final class LogFile: Sendable {
  /// Nil: standard error, which is not ours to close.
  private let file: Descriptor?

  static let standardError = LogFile()

  private init() {
    file = nil
  }

  /// Creates it where it is not there.
  init(_ path: String) throws(SystemError) {
    // O_NONBLOCK: a fifo without a reader is to be an error, not a wait.
    let opened = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o640)
    guard opened >= 0 else { throw SystemError(errno, "open \(path)", remedy: Self.remedy(errno)) }
    file = Descriptor(owning: opened)
  }

  private static func remedy(_ code: Int32) -> String {
    switch code {
    case ENOENT, ENOTDIR: "create its directory, or put the path right"
    case EACCES, EPERM: "let the user who runs the program write there"
    case EISDIR: "name a file in it"
    case ENXIO: "start who reads it first"
    default: "choose another path, or write stderr"
    }
  }

  private var raw: Int32 {
    switch file {
    case .some(let file): file.raw
    case nil: STDERR_FILENO
    }
  }

  /// Whether both lead to one file.
  func isSame(as other: LogFile) -> Bool {
    var (mine, its) = (stat(), stat())
    guard fstat(raw, &mine) == 0, fstat(other.raw, &its) == 0 else { return false }
    return mine.st_dev == its.st_dev && mine.st_ino == its.st_ino
  }

  /// Waits for a reader that does not keep up, for as long as `mayWait` says so, asked a few times a second.
  /// - Parameter text: at most PIPE_BUF bytes, or the wait may be one in which nobody is asked.
  /// - Returns: the bytes that were written, and what came then.
  func write(_ text: [UInt8], mayWait: () -> Bool) -> (count: Int, end: WriteEnd) {
    var count = 0
    while count < text.count {
      // Standard error mostly is a blocking pipe; one that polls as writable takes PIPE_BUF bytes (pipe(7)).
      var polled = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
      guard poll(&polled, 1, 200) > 0 else {
        guard mayWait() else { return (count, .gaveUp) }
        continue
      }
      let written = text[count...].withUnsafeBytes { Glibc.write(raw, $0.baseAddress, $0.count) }
      if written > 0 {
        count += written
      } else if errno == EAGAIN {
        guard mayWait() else { return (count, .gaveUp) }
        usleep(10_000)
      } else if errno != EINTR {
        return (count, .failed)
      }
    }
    return (count, .done)
  }
}
