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

  /// How the program was started.
  struct Invocation: Sendable {
    let path: String
    let arguments: [String]

    /// Of this process. Early: once an upgrade has put another file in its place, the kernel tells of one that is gone.
    init() {
      var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
      let count = buffer.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
      arguments = CommandLine.arguments
      path = count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : arguments[0]
    }
  }

  /// Starts the program anew, as it was started, in the environment of now.
  init(of program: Invocation, listeners: [Listener], at now: Instant) throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    guard sheep_pipe(&ends) == 0 else { throw SystemError(errno, "create a pipe") }
    let pipe = Descriptor(owning: ends[0])
    let tail = Descriptor(owning: ends[1])
    (between, pid) = try Self.spawn(program, pipe: tail.raw, listeners)
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
    return status & 0x7F == 0 ? "exit status \(status >> 8 & 0xFF)" : "ended by signal \(status & 0x7F)"
  }

  /// Makes a process that serves a child of whoever adopts orphans. A service manager waits for the end of its own
  /// children alone: one of ours it would kill where it is to stop it, and not miss where it crashes.
  func setFree() {
    kill(between, SIGKILL)
    waitpid(between, nil, 0)
  }

  // MARK: Starting

  private static func spawn(
    _ program: Invocation, pipe: Int32, _ listeners: [Listener]
  ) throws(SystemError) -> (between: pid_t, pid: pid_t) {
    // A launcher's listener stays where the launcher's contract has it.
    let moved = listeners.filter { $0.raw != 0 }
    let first = Int32(3)
    let end = first + 1 + Int32(moved.count)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Beyond the numbers that they shall have, so that none lands on one that is still to be moved.
    var copies: [Int32] = []
    defer { for copy in copies { _ = close(copy) } }
    var handed: [(number: Int32, listener: Listener)] = listeners.filter { $0.raw == 0 }.map { (0, $0) }
    for (index, raw) in ([pipe] + moved.map(\.raw)).enumerated() {
      let copy = fcntl(raw, F_DUPFD_CLOEXEC, end)
      guard copy >= 0 else { throw SystemError(errno, "duplicate a descriptor for the new process") }
      copies.append(copy)
      posix_spawn_file_actions_adddup2(&actions, copy, first + Int32(index))
      if index > 0 { handed.append((first + Int32(index), moved[index - 1])) }
    }
    // libcurl 7.88 opens sockets of its own that a new program would inherit.
    sheep_close_from(&actions, end)
    let variables = environment(handing: Handover.text(pipe: (first, raw: pipe), handed))
    return try spawn(program, variables, &actions)
  }

  private static func spawn(
    _ program: Invocation, _ variables: [String], _ actions: inout posix_spawn_file_actions_t
  ) throws(SystemError) -> (between: pid_t, pid: pid_t) {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // What we block and ignore is our affair; the program begins as from a shell.
    var (none, ignored) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigemptyset(&ignored)
    for signal in [SIGPIPE, SIGXFSZ] { sigaddset(&ignored, signal) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &ignored)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var arguments = program.arguments.map { strdup($0) } + [nil]
    var environment = variables.map { strdup($0) } + [nil]
    defer { for text in arguments + environment { free(text) } }
    var (between, pid): (pid_t, pid_t) = (0, 0)
    let code = sheep_spawn_by_another(
      &between, &pid, program.path, &actions, &attributes, &arguments, &environment)
    guard code == 0 else {
      throw SystemError(code, "start \(program.path)", remedy: "put the program back in its place")
    }
    return (between, pid)
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
