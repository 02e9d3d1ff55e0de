import CLinux
import Glibc
import Streaming

/// The way of every log line to standard error: a bounded queue and a thread that writes. Who logs never waits; when
/// the reader of our log does not keep up, lines are lost, counted, and the count is told.
final class LogQueue: Sendable {
  private struct State: Sendable {
    var lines: [String] = []
    var lost = 0
    var isClosed = false
  }

  private let state = Guarded(State())
  private let wakeup: Descriptor

  /// Lines that wait at most.
  private static let bound = 8192

  init() throws(SystemError) {
    let raw = eventfd(0, Int32(EFD_CLOEXEC))
    guard raw >= 0 else { throw SystemError(errno, "create an eventfd") }
    wakeup = Descriptor(owning: raw)
    // `close` waits for its work instead, and not for ever.
    try Thread(name: "log") { [self] in run() }.detach()
  }

  /// Adds a line, without its newline. Any thread.
  func append(_ line: String) {
    let mustWake = state.withLock { state in
      guard state.lines.count < Self.bound else {
        state.lost += 1
        return false
      }
      state.lines.append(line)
      return state.lines.count == 1
    }
    if mustWake { wake() }
  }

  /// Writes what waits and ends the thread. Waits for a reader that stands still no longer than a process may take to end.
  func close() {
    state.withLock { $0.isClosed = true }
    wake()
    let deadline = Clock.now() + .seconds(1)
    while !state.withLock({ $0.lines.isEmpty }), Clock.now() < deadline { usleep(1000) }
  }

  private func wake() {
    var one: UInt64 = 1
    _ = Glibc.write(wakeup.raw, &one, 8)
  }

  private func run() {
    while true {
      var count: UInt64 = 0
      _ = read(wakeup.raw, &count, 8)
      let (lines, lost, isClosed) = state.withLock { ($0.lines, $0.lost, $0.isClosed) }
      var text = lines.joined(separator: "\n")
      if !lines.isEmpty { text += "\n" }
      if lost > 0 { text += "time=\(Timestamp.text()) level=warning msg=\"\(lost) log lines were lost\"\n" }
      Self.write(text)
      state.withLock { state in
        state.lines.removeFirst(lines.count)
        state.lost -= lost
        if !state.lines.isEmpty { wake() }
      }
      if isClosed { return }
    }
  }

  /// A log that nobody can read is no reason to stop: what cannot be written is dropped.
  private static func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        var descriptor = pollfd(fd: 2, events: Int16(POLLOUT), revents: 0)
        poll(&descriptor, 1, 1000)
      } else if errno != EINTR {
        return
      }
    }
  }
}

/// The time of a log line.
enum Timestamp {
  /// RFC 3339, in UTC, with milliseconds.
  static func text() -> String {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    var parts = tm()
    gmtime_r(&time.tv_sec, &parts)
    func two(_ number: some BinaryInteger) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let thousandths = time.tv_nsec / 1_000_000
    let padding = thousandths < 10 ? "00" : thousandths < 100 ? "0" : ""
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):"
      + "\(two(parts.tm_min)):\(two(parts.tm_sec)).\(padding)\(thousandths)Z"
  }
}
