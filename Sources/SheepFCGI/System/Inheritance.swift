import Glibc

/// Listening sockets that whoever started us has opened, and what was wrong with those that we could not take.
struct Inheritance {
  var listeners: [Listener] = []
  /// One line each, for the log.
  var notes: [String] = []

  /// systemd's: LISTEN_FDS of them from descriptor 3 on, if LISTEN_PID is us (sd_listen_fds(3)).
  ///
  /// Removes the variables, so that no program that we start takes them for its own. Before any other thread.
  static func fromSystemd(_ environment: [String: String]) -> Inheritance {
    var found = Inheritance()
    guard let count = environment["LISTEN_FDS"] else { return found }
    defer { for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] { unsetenv(name) } }
    // Another process's: the variables came down to us by inheritance, the descriptors did not.
    guard environment["LISTEN_PID"].flatMap({ pid_t($0) }) == getpid() else { return found }
    guard let count = UInt16(count) else {
      found.notes.append("LISTEN_FDS is no number of descriptors; ignored")
      return found
    }
    for raw in 3..<(3 + Int32(count)) {
      _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
      found.adopt(raw, from: "systemd's")
    }
    return found
  }

  /// What spawn-fcgi, multiwatch and `StandardInput=socket` give: FCGI_LISTENSOCK_FILENO, which is 0. It stays there.
  static func fromDescriptorZero() -> Inheritance {
    var found = Inheritance()
    // Anything that does not listen is an ordinary standard input and no fault (FCGX_IsCGI asks the same).
    guard option(SO_ACCEPTCONN, of: 0) == 1 else { return found }
    found.adopt(0, from: "the launcher's")
    return found
  }

  private mutating func adopt(_ raw: Int32, from source: String) {
    if let reason = Self.objection(to: raw) {
      notes.append("\(source) descriptor \(raw) \(reason); ignored")
      return
    }
    guard let address = SocketAddress.local(of: raw), address.isUnix || address.isTCP else {
      notes.append("\(source) descriptor \(raw) is neither a Unix nor a TCP socket; ignored")
      return
    }
    // Several loops wait for one listener, and more than one may wake for one connection: who comes second must get
    // EAGAIN, as a blocking accept would hold up all its streams. accept4 has no flag for this; the flag sits on the
    // description that all who share it see. That is harmless: they are our own kind, which expect EAGAIN, or launchers,
    // which only keep or poll it. For the same reason it is never taken back.
    _ = fcntl(raw, F_SETFL, fcntl(raw, F_GETFL) | O_NONBLOCK)
    if address.isTCP {
      // Connections inherit it, see `create`. Where it fails, tokens come later but they come.
      var on: Int32 = 1
      setsockopt(raw, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
    listeners.append(Listener(Descriptor(owning: raw), address: address, isInherited: true))
  }

  /// Why a descriptor is no stream listener. Nil: it is one.
  private static func objection(to raw: Int32) -> String? {
    guard let type = option(SO_TYPE, of: raw) else { return "is no socket" }
    guard type == Int32(SOCK_STREAM.rawValue) else { return "is no stream socket (systemd: use ListenStream=)" }
    guard option(SO_ACCEPTCONN, of: raw) == 1 else { return "does not listen (systemd: use Accept=no)" }
    return nil
  }

  private static func option(_ name: Int32, of raw: Int32) -> Int32? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(raw, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
  }
}
