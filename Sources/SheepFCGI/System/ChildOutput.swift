import Glibc
import Streaming

/// A program that is run to its end, and what it said.
struct ChildOutput {
  let output: String
  let errors: String
  let end: ProcessEnd

  /// Blocks for at most `limit`, after which it is killed.
  static func run(_ program: String, _ arguments: [String], limit: Duration) throws(SystemError) -> ChildOutput {
    let attempt = "run \(program)"
    let output = try Pipe(attempt)
    let errors = try Pipe(attempt)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.writing.raw, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors.writing.raw, STDERR_FILENO)
    var arguments = WordList([program] + arguments)
    var child = pid_t()
    let code = posix_spawn(&child, program, &actions, nil, &arguments.words, environ)
    guard code == 0 else { throw SystemError(code, attempt) }
    let said = read(output.closeWriting(), errors.closeWriting(), limit) { kill(child, SIGKILL) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    guard let said else { throw SystemError(attempt, reason: "it did not end within \(limit)") }
    return ChildOutput(output: said[0], errors: said[1], end: ProcessEnd(waitStatus: status))
  }

  private struct Pipe: ~Copyable {
    let reading: Descriptor
    let writing: Descriptor

    init(_ attempt: String) throws(SystemError) {
      var ends: [Int32] = [-1, -1]
      guard pipe(&ends) == 0 else { throw SystemError(errno, attempt) }
      // The child has what it is given by dup2, and else nothing.
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      reading = Descriptor(owning: ends[0])
      writing = Descriptor(owning: ends[1])
    }

    /// The child's end of it shall be the last one.
    consuming func closeWriting() -> Descriptor { reading }
  }

  /// Nil: time was up.
  private static func read(
    _ output: consuming Descriptor, _ errors: consuming Descriptor, _ limit: Duration, orElse end: () -> Void
  ) -> [String]? {
    let deadline = Clock.now() + limit
    var polled = [output.raw, errors.raw].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var said: [[UInt8]] = [[], []]
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while polled.contains(where: { $0.fd >= 0 }) {
      let rest = Clock.now().milliseconds(to: deadline)
      guard rest > 0 else {
        end()
        return nil
      }
      guard poll(&polled, 2, Int32(clamping: rest)) > 0 else { continue }
      for index in polled.indices where polled[index].revents != 0 {
        let count = Glibc.read(polled[index].fd, &chunk, chunk.count)
        if count > 0 {
          said[index] += chunk[..<count]
        } else if count == 0 || errno != EINTR {
          // poll leaves a negative number out.
          polled[index].fd = -1
        }
      }
    }
    return said.map { String(decoding: $0, as: UTF8.self) }
  }
}
