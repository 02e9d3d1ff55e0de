import Glibc

/// What a command came to, on standard output.
enum StandardOutput {
  /// Blocks where a pipe is full; not for the loop.
  static func writeLine(_ text: String) throws(SystemError) {
    let line = Array((text + "\n").utf8)
    var sent = 0
    while sent < line.count {
      let count = line.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress! + sent, line.count - sent) }
      if count < 0, errno != EINTR { throw SystemError(errno, "write to standard output") }
      sent += max(0, count)
    }
  }
}
