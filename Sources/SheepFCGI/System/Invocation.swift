import CLinux
import Glibc

/// How this program was started, and how to start it once more.
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

  /// Starts it by way of a process between it and us; see `sheep_spawn_by_another`.
  /// - Parameters:
  ///   - descriptors: those that it gets beside 0 to 2, and under which numbers, which begin with 3 and leave none out.
  ///   - environment: its variables.
  func start(
    handing descriptors: [(raw: Int32, number: Int32)], _ environment: [String]
  ) throws(SystemError) -> (between: pid_t, pid: pid_t) {
    let end = 3 + Int32(descriptors.count)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Beyond the numbers that they shall have, so that none lands on one that is still to be moved.
    var copies: [Int32] = []
    defer { for copy in copies { _ = close(copy) } }
    for (raw, number) in descriptors {
      let copy = fcntl(raw, F_DUPFD_CLOEXEC, end)
      guard copy >= 0 else { throw SystemError(errno, "duplicate a descriptor for the new process") }
      copies.append(copy)
      posix_spawn_file_actions_adddup2(&actions, copy, number)
    }
    // libcurl 7.88 opens sockets of its own that a new program would inherit.
    sheep_close_from(&actions, end)
    return try start(&actions, environment)
  }

  private func start(
    _ actions: inout posix_spawn_file_actions_t, _ environment: [String]
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
    var arguments = WordList(arguments)
    var variables = WordList(environment)
    var (between, pid): (pid_t, pid_t) = (0, 0)
    let code = sheep_spawn_by_another(
      &between, &pid, path, &actions, &attributes, &arguments.words, &variables.words)
    guard code == 0 else { throw SystemError(code, "start \(path)", remedy: "put the program back in its place") }
    return (between, pid)
  }
}
