import Glibc

/// The listeners: whether they can be made, who is there now, and whether nginx may connect.
struct SocketCheck {
  private(set) var findings: [Finding] = []
  private let settings: Settings
  private let environment: [String: String]
  /// nginx's processes. Nil: there is no such user here.
  private let web: PathAccess?

  init(_ addresses: [ListenAddress], _ settings: Settings, _ environment: [String: String], web: PathAccess?) {
    self.settings = settings
    self.environment = environment
    self.web = web
    if addresses.isEmpty {
      add(
        .warning(
          "socket.none", "listen", "neither --listen nor the configuration names an address",
          "give --listen the address that the launcher opens: it is looked at, and so is nginx's way to it"))
    }
    for address in addresses {
      switch address {
      case .unix(let path): checkUnix(path, "\(address)")
      case .tcp(let host, let port): checkTCP(host, port, "\(address)")
      }
    }
  }

  private mutating func add(_ finding: Finding) { findings.append(finding) }

  // MARK: Unix

  private mutating func checkUnix(_ path: String, _ subject: String) {
    let directory = PathAccess.directories(above: path).last ?? "/"
    var status = stat()
    guard stat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      return add(
        .problem(
          "socket.directory", subject, "the directory \(directory) does not exist",
          "create it (systemd: RuntimeDirectory=)"))
    }
    let code = SocketFile.knock(path)
    switch code {
    case 0, EAGAIN:
      add(.ok("socket.listener", subject, "\(Self.listener(path) ?? "somebody") listens there"))
    case ENOENT:
      add(Self.nobody(subject, "nobody listens there now"))
    case ECONNREFUSED where SocketFile(at: path) != nil:
      add(Self.nobody(subject, "nobody listens there now; the file is left of one who did"))
    case ECONNREFUSED:
      add(.problem("socket.file", subject, "a file is there that is no socket", "remove it, or choose another path"))
    case EPROTOTYPE:
      add(.problem("socket.file", subject, "a socket of another type is there", "choose another path"))
    case EACCES:
      add(
        .warning(
          "socket.listener", subject, "this command's user may not connect, so who listens there is not known",
          "run it as root"))
    default:
      add(.warning("socket.listener", subject, String(cString: strerror(code)), "remove it, if nobody uses it"))
    }
    if ![0, EAGAIN].contains(code), Glibc.access(directory, W_OK | X_OK) != 0 {
      add(
        .problem(
          "socket.directory", subject, "this command's user may not create a socket in \(directory)",
          "start as its owner, or give it to the user who starts the program"))
    }
    checkWebServer(path, subject)
  }

  private static func nobody(_ subject: String, _ text: String) -> Finding {
    .warning("socket.listener", subject, text, "start the program")
  }

  /// Who called listen, by name and number.
  private static func listener(_ path: String) -> String? {
    guard let pid = SocketFile.listeningProcess(path) else { return nil }
    let name = try? FileContents.read("/proc/\(pid)/comm", limitBytes: 64)
    return "\(name.map { String($0.prefix { $0 != "\n" }) } ?? "a process") (pid \(pid))"
  }

  private mutating func checkWebServer(_ path: String, _ subject: String) {
    guard let web else {
      return add(
        .warning(
          "socket.web_server", subject, "there is no user www-data here, so whether nginx may connect is not known",
          "give --nginx the output of nginx -T, which names nginx's user"))
    }
    if let barrier = web.barrier(above: path) {
      return add(
        .problem(
          "socket.web_server", subject, "nginx's user \(web.name) may not pass the directory \(barrier)",
          "chmod o+x \(barrier), or give the directory a group of that user"))
    }
    do throws(SystemError) {
      let (owner, group, mode) = try access(of: path)
      guard !web.may(.write, owner: owner, group: group, mode: mode) else {
        return add(.ok("socket.web_server", subject, "nginx's user \(web.name) may connect"))
      }
      let owned = "\(Account.name(ofUser: owner)):\(Account.name(ofGroup: group))"
      add(
        .problem(
          "socket.web_server", subject,
          "nginx's user \(web.name) may not connect: its mode is \(Self.octal(mode)), and it is \(owned)'s",
          "set listen_group to a group of \(web.name) with listen_mode 0660 (spawn-fcgi: -G, systemd: SocketGroup=)"))
    } catch {
      add(.problem("socket.owner", subject, error.reason, error.remedy ?? "choose another"))
    }
  }

  /// The socket's, or, where none is there, those that it would be created with.
  private func access(of path: String) throws(SystemError) -> (owner: uid_t, group: gid_t, mode: mode_t) {
    var status = stat()
    if stat(path, &status) == 0 { return (status.st_uid, status.st_gid, status.st_mode & 0o777) }
    let options = settings.listenOptions
    let owner = try options.owner.map { name throws(SystemError) in try Account.user(name) } ?? geteuid()
    let group = try options.group.map { name throws(SystemError) in try Account.group(name) } ?? getegid()
    return (owner, group, options.mode)
  }

  private static func octal(_ mode: mode_t) -> String {
    let digits = String(mode, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  // MARK: TCP

  private mutating func checkTCP(_ host: String, _ port: UInt16, _ subject: String) {
    let variable = AllowedPeers.variable
    let list = environment[variable] ?? ""
    do {
      _ = try AllowedPeers(list)
      let addresses = try SocketAddress.resolve(host: host, port: port)
      let isOpen = addresses.contains { $0.host.map { !$0.isLoopback } ?? false }
      if isOpen, list.isEmpty {
        add(
          .problem(
            "socket.peers", subject, "it can be reached from other machines, and nobody has said which may use it",
            "set \(variable) to the web servers' addresses, with commas between them, or listen on 127.0.0.1"))
      } else {
        let who = list.isEmpty ? "this machine alone can reach it" : "\(variable) says who may connect: \(list)"
        add(.ok("socket.peers", subject, who))
      }
    } catch let error as AllowedPeers.Invalid {
      add(.problem("socket.peers", subject, error.description, "write addresses with commas between them"))
    } catch let error as SystemError {
      add(.problem("socket.host", subject, error.reason, error.remedy ?? "write an address of this machine"))
    } catch {
      add(.problem("socket.host", subject, "\(error)", "write an address of this machine"))
    }
  }
}
