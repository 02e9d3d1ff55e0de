import CLinux
import Glibc
import Streaming

/// A new process of the program on its start, with our listening sockets in its hands. Bound to the main thread.
final class Replacement {
  let pid: pid_t
  /// Its parent, which ends as it ends.
  private let between: pid_t
  /// When its start is given up.
  let deadline: Instant
  private let pipe: Descriptor
  private var said: [UInt8] = []

  /// Time for the new process to serve.
  private static let patience = Duration.seconds(60)
  private static let saidBound = 4096

  /// Starts the program anew, as it was started, in the environment of now.
  init(of program: Invocation, listeners: [Listener], at now: Instant) throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    guard sheep_pipe(&ends) == 0 else { throw SystemError(errno, "create a pipe") }
    let pipe = Descriptor(owning: ends[0])
    let tail = Descriptor(owning: ends[1])
    (between, pid) = try Self.start(program, pipe: tail.raw, listeners)
    self.pipe = pipe
    deadline = now + Self.patience
  }

  /// For a poller: readable when the new process has said something, or has ended.
  var descriptor: Int32 { pipe.raw }

  enum State {
    case starting, ready
    /// It has ended, or is about to; with what it said of it.
    case failed(String)
  }

  /// Reads what the new process says.
  func state() -> State {
    var buffer = [UInt8](repeating: 0, count: Self.saidBound)
    let count = buffer.withUnsafeMutableBytes { read(pipe.raw, $0.baseAddress, $0.count) }
    if count < 0 { return errno == EAGAIN || errno == EINTR ? .starting : .failed("") }
    if buffer.first == Handover.ready, count > 0 { return .ready }
    said += buffer[..<count].prefix(Self.saidBound - said.count)
    return count > 0 ? .starting : .failed(String(decoding: said, as: UTF8.self))
  }

  /// Ends what has failed, or fails by this. Not by TERM: draining, it would remove the socket's file, which is still ours.
  /// - Parameter isFailing: it ends by itself, and is to say how.
  /// - Returns: how it ended, in words.
  func end(isFailing: Bool) -> String {
    var status: Int32 = 0
    let begun = Clock.now()
    let killing = isFailing ? begun + .milliseconds(200) : begun
    while waitpid(between, &status, WNOHANG) == 0 {
      let now = Clock.now()
      if now >= killing { kill(pid, SIGKILL) }
      // Signals and the watchdog do not wait for one that the kernel holds.
      guard now < begun + .seconds(2) else { return "killed, and not gone yet" }
      usleep(2000)
    }
    return "\(ProcessEnd(waitStatus: status))"
  }

  /// Makes a process that serves a child of whoever adopts orphans. A service manager waits for the end of its own
  /// children alone: one of ours it would kill where it is to stop it, and not miss where it crashes.
  func setFree() {
    kill(between, SIGKILL)
    waitpid(between, nil, 0)
  }

  // MARK: Starting

  private static func start(
    _ program: Invocation, pipe: Int32, _ listeners: [Listener]
  ) throws(SystemError) -> (between: pid_t, pid: pid_t) {
    let ofPipe: Int32 = 3
    // A launcher's listener stays where the launcher's contract has it.
    let staying = listeners.filter { $0.raw == 0 }.map { (number: $0.raw, listener: $0) }
    let moved = listeners.filter { $0.raw != 0 }.enumerated().map { place, listener in
      (number: ofPipe + 1 + Int32(place), listener: listener)
    }
    let text = Handover.text(pipe: (ofPipe, raw: pipe), staying + moved)
    return try program.start(
      handing: [(pipe, ofPipe)] + moved.map { ($0.listener.raw, $0.number) }, environment(handing: text))
  }

  /// Ours, with the handover in it.
  private static func environment(handing text: String) -> [String] {
    var variables: [String] = []
    var entry = environ
    while let variable = entry.pointee {
      variables.append(String(cString: variable))
      entry += 1
    }
    // Who wants to hear from us wants to hear from the new one.
    let dropped = ["WATCHDOG_PID=", Handover.variable + "="]
    return variables.filter { variable in !dropped.contains { variable.hasPrefix($0) } }
      + ["\(Handover.variable)=\(text)"]
  }
}
