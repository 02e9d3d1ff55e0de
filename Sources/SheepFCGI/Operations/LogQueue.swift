import CLinux
import Glibc
import Logging
import Streaming
import Synchronization

/// The way of every log line to where the log goes: a bounded queue and a thread that writes. Who logs never waits; when
/// the reader of our log does not keep up, lines are lost, counted, and the count is told.
final class LogQueue: Sendable {
  private struct State: Sendable {
    var lines: [LogLine] = []
    /// Lines that the thread has taken and not dealt with yet.
    var taken = 0
    /// Lines that found no room, and that the thread has not heard of yet.
    var lost = 0
    /// Where the lines go from the next write on. Nil: where they went.
    var next: LogDestination?
    var isClosed = false
    var hasEnded = false
  }

  private let state = Guarded(State())
  private let wakeup: Descriptor
  private let lostCounter = Atomic<Int>(0)

  /// How long the thread lets lines gather. Being woken for each costs more than the line.
  private static let gatherMicroseconds: UInt32 = 5000
  /// Lines that wait at most.
  private static let bound = 8192

  /// Keeps no more of `destination` than of any later one: its file is closed with the first change.
  init(to destination: LogDestination) throws(SystemError) {
    let raw = eventfd(0, Int32(EFD_CLOEXEC))
    guard raw >= 0 else { throw SystemError(errno, "create an eventfd") }
    wakeup = Descriptor(owning: raw)
    state.withLock { $0.next = destination }
    // `close` waits for its work instead, and not for ever.
    try Thread(name: "log") { [self] in run() }.detach()
  }

  /// Lines that were lost since the start, told or not. Any thread, at the cost of a load.
  var lostCount: Int { lostCounter.load(ordering: .relaxed) }

  /// Any thread.
  func append(_ line: LogLine) {
    let mustWake = state.withLock { state in
      guard state.lines.count + state.taken < Self.bound else {
        state.lost += 1
        lostCounter.add(1, ordering: .relaxed)
        return false
      }
      state.lines.append(line)
      return state.lines.count == 1
    }
    if mustWake { wake() }
  }

  /// Lines that are not written yet go there, in its format; also those that wait for a reader that stands still.
  func change(to destination: LogDestination) {
    state.withLock { $0.next = destination }
    wake()
  }

  /// Writes what waits and ends the thread. Waits for a reader that stands still no longer than a process may take to end.
  func close() {
    state.withLock { $0.isClosed = true }
    wake()
    let deadline = Clock.now() + .seconds(1)
    while !state.withLock({ $0.hasEnded }), Clock.now() < deadline { usleep(1000) }
  }

  private func wake() {
    var one: UInt64 = 1
    _ = Glibc.write(wakeup.raw, &one, 8)
  }

  private func run() {
    var writer = LogWriter(.standardError)
    var isClosed = false
    while !isClosed {
      var count: UInt64 = 0
      _ = read(wakeup.raw, &count, 8)
      usleep(Self.gatherMicroseconds)
      var lines: [LogLine] = []
      isClosed = state.withLock { state in
        swap(&lines, &state.lines)
        state.taken = lines.count
        return state.isClosed
      }
      write(lines, with: &writer)
    }
    state.withLock { $0.hasEnded = true }
  }

  private func write(_ lines: [LogLine], with writer: inout LogWriter) {
    // Another destination need not wait for the reader of this one.
    let mayWait = { [self] in state.withLock { $0.next == nil } }
    var rest = lines[...]
    followChange(&writer)
    writer.tellLost(mayWait: mayWait)
    while !rest.isEmpty {
      followChange(&writer)
      let (done, lost) = writer.write(rest, mayWait: mayWait)
      if lost > 0 { lostCounter.add(lost, ordering: .relaxed) }
      rest = rest.dropFirst(done)
      state.withLock { $0.taken -= done }
    }
    writer.lost += state.withLock { state in
      defer { state.lost = 0 }
      return state.lost
    }
    writer.tellLost(mayWait: mayWait)
  }

  private func followChange(_ writer: inout LogWriter) {
    let next = state.withLock { state in
      defer { state.next = nil }
      return state.next
    }
    if let next { writer.change(to: next) }
  }
}

/// swift-log's messages as lines of the queue.
struct LogQueueHandler: LogHandler {
  let queue: LogQueue
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  init(_ queue: LogQueue) {
    self.queue = queue
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    queue.append(LogLine(level: event.level.rawValue, "\(event.message)"))
  }
}
