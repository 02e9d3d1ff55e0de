import Glibc

/// Lines on standard error, before there is a log.
enum StandardError {
  /// Blocks where a pipe is full; not for the loop.
  static func writeLine(_ text: String) {
    var line = text + "\n"
    // What cannot be written there cannot be told anywhere else either.
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
