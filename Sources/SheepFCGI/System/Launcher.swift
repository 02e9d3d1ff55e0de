import Glibc

/// Whoever started us, as far as it minds by which process the service is run.
enum Launcher {
  /// Programs that start another process when ours ends, known by their names.
  private static let keepers = ["multiwatch", "supervisord", "runsv", "s6-supervise", "supervise", "circusd"]

  /// Why a process of our own must not take our place, and what to do instead. Nil: it may.
  static func objectionToReplacement(_ environment: [String: String]) -> String? {
    let instead = "start others beside this one there, then TERM this one"
    if environment["SUPERVISOR_ENABLED"] != nil { return "supervisord would start a third process; \(instead)" }
    let parent = commandName(of: getppid())
    if let parent, keepers.contains(parent) {
      let instead =
        parent == "multiwatch" ? "TERM or USR1 this one, and multiwatch starts the program that is there now" : instead
      return "\(parent) would start a third process; \(instead)"
    }
    if getpid() == 1 { return "the container would end with process 1; replace the container instead" }
    let isMainOfUnit = environment["SYSTEMD_EXEC_PID"].flatMap { pid_t($0) } == getpid()
    if isMainOfUnit, environment["NOTIFY_SOCKET"] == nil {
      return "systemd would take this one's end for the service's; set Type=notify and NotifyAccess=all in the unit"
    }
    return nil
  }

  private static func commandName(of pid: pid_t) -> String? {
    let text = try? FileContents.read("/proc/\(pid)/comm", limitBytes: 64)
    return text?.split(separator: "\n").first.map(String.init)
  }
}
