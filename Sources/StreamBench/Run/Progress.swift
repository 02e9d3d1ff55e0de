import Glibc
import Streaming

/// What is being done, on standard error, with the seconds since the start.
struct Progress {
  private let start = Clock.now()

  func say(_ text: String) {
    let seconds = String(Int(start.duration(to: Clock.now()).seconds))
    var line = String(repeating: " ", count: max(0, 5 - seconds.count)) + "\(seconds) s  \(text)\n"
    // What cannot be written there cannot be told anywhere else either.
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
