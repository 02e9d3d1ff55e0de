import Glibc

/// Whether the log could be opened where the settings have it. Makes no file.
struct LogCheck {
  let findings: [Finding]

  private static let check = "log.destination"

  init(_ settings: Settings.Log) {
    switch settings.to {
    case .standardError: findings = [.ok(Self.check, "stderr", "whoever starts the program reads it")]
    case .file(let path): findings = [Self.file(path)]
    case .journald(let path): findings = [Self.daemon(path, .journal)]
    case .syslog(let path): findings = [Self.daemon(path, .syslog)]
    }
  }

  private static func file(_ path: String) -> Finding {
    // A file that is there is opened; one that is not is made in its directory.
    let exists = access(path, F_OK) == 0
    let place = exists ? path : String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) + "/"
    guard access(place, exists ? W_OK : W_OK | X_OK) == 0 else {
      let why = String(cString: strerror(errno))
      let remedy = exists ? "let the user who runs the program write there" : "create \(place), writable for that user"
      return .problem(check, path, "cannot be opened: \(why)", remedy)
    }
    return .ok(check, path, exists ? "can be appended to" : "can be created")
  }

  private static func daemon(_ path: String, _ form: LogSocket.Form) -> Finding {
    do throws(SystemError) {
      _ = try LogSocket(path, form)
      return .ok(check, path, "the daemon's socket is there")
    } catch {
      return .problem(check, path, error.reason, error.remedy ?? "start the daemon, or write stderr")
    }
  }
}
