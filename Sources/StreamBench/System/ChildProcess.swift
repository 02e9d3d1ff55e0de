import Foundation
import Glibc
import Streaming

/// A program that we started, in a process group of its own, so that a Ctrl-C at the terminal reaches us alone and its
/// children can be found. Its owner ends it.
final class ChildProcess {
  let name: String
  let pid: pid_t
  /// Where its output goes.
  let log: String
  /// Nothing of it is left: its number may be another's by now.
  private var isOver = false
  /// How it ended; nil while it runs.
  private var status: Int32?

  /// - Parameters:
  ///   - arguments: the program first, with its path.
  ///   - environment: all of it.
  ///   - log: a file, to which standard output and standard error are appended.
  init(
    _ name: String, _ arguments: [String], environment: [String: String] = ChildProcess.inherited, log: String
  ) throws(BenchError) {
    self.name = name
    self.log = log
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setpgroup(&attributes, 0)
    // What we ignore would be ignored by it too.
    var defaults = sigset_t()
    sigemptyset(&defaults)
    sigaddset(&defaults, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF))

    var pid: pid_t = 0
    let words = arguments.map { strdup($0) } + [nil]
    let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in words + variables { free(text) } }
    let code = posix_spawn(&pid, arguments[0], &actions, &attributes, words, variables)
    guard code == 0 else { throw BenchError(code, "start \(arguments[0])") }
    self.pid = pid
  }

  /// What every child gets: neither a proxy nor a key of whoever runs the benchmark.
  static var inherited: [String: String] {
    var result = ["LANG": "C.UTF-8"]
    for name in ["PATH", "HOME", "TMPDIR"] {
      if let value = getenv(name) { result[name] = String(cString: value) }
    }
    return result
  }

  /// What builds get beside that, as some of them download: the proxy, and where pip finds its packages.
  static var inheritedByBuilds: [String: String] {
    let all = ProcessInfo.processInfo.environment
    return inherited.merging(
      all.filter { name, _ in
        name.hasPrefix("PIP_") || ["http_proxy", "https_proxy", "no_proxy"].contains(name.lowercased())
      }
    ) { $1 }
  }

  var hasEnded: Bool {
    if status == nil {
      var raw: Int32 = 0
      if waitpid(pid, &raw, WNOHANG) == pid { status = raw }
    }
    return status != nil
  }

  /// Its exit status, or 128 and the signal that ended it; nil while it runs.
  var exitStatus: Int32? {
    guard hasEnded, let status else { return nil }
    return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
  }

  /// Waits for its end.
  func wait() throws(Interruption.Interrupted) -> Int32 {
    while true {
      if let exitStatus { return exitStatus }
      try Interruption.check()
      Clock.sleep(.milliseconds(5))
    }
  }

  /// Ends it and whatever it left in its group. TERM first, which some answer by a drain; again; then KILL.
  func end() {
    guard !isOver else { return }
    isOver = true
    for (signal, patience) in [(SIGTERM, 1.0), (SIGTERM, 4), (SIGKILL, 10)] where !hasEnded {
      kill(pid, signal)
      let start = Clock.now()
      while !hasEnded, start.duration(to: Clock.now()).seconds < patience { Clock.sleep(.milliseconds(2)) }
    }
    kill(-pid, SIGKILL)
  }

  /// The last that it said, for an error's message.
  var lastWords: String {
    let lines = TextFile.read(log).split(separator: "\n").suffix(3)
    return lines.isEmpty ? "it said nothing" : lines.joined(separator: " / ")
  }
}
