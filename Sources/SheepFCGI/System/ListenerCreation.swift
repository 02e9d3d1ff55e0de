import Glibc

extension Listener {
  /// Of the sockets that we open ourselves.
  static let ownType = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

  /// Listens on an address; on all of them where a name has several. On failure nothing is left behind.
  static func create(_ address: ListenAddress, options: Settings.ListenOptions) throws(SystemError) -> [Listener] {
    switch address {
    case .unix(let path): [try createUnix(path, options)]
    case .tcp(let host, let port): try createTCP(host, port, options)
    }
  }

  private static func createUnix(_ path: String, _ options: Settings.ListenOptions) throws(SystemError) -> Listener {
    let owner: uid_t? = if let name = options.owner { try Account.user(name) } else { nil }
    let group: gid_t? = if let name = options.group { try Account.group(name) } else { nil }
    let address = SocketAddress(unixPath: path)
    let descriptor = try open(AF_UNIX, address)
    // Linux makes the file with the socket's own mode, so that it is closed to everyone from its first moment. The
    // umask would do as well, but belongs to all threads.
    guard fchmod(descriptor.raw, 0) == 0 else { throw SystemError(errno, "prepare \(address)") }
    do {
      try bind(descriptor, address)
    } catch let error where error.code == EADDRINUSE {
      try SocketFile.removeStale(at: path)
      try bind(descriptor, address)
    }
    guard let file = SocketFile(at: path) else {
      throw SystemError("listen on \(address)", reason: "somebody removed the socket at once", remedy: "start again")
    }
    let listener = Listener(descriptor, address: address, isInherited: false, file: file)
    try listen(listener, options)
    try file.setAccess(owner: owner, group: group, mode: options.mode)
    return listener
  }

  private static func createTCP(
    _ host: String, _ port: UInt16, _ options: Settings.ListenOptions
  ) throws(SystemError) -> [Listener] {
    var listeners: [Listener] = []
    var missing: SystemError?
    for address in try SocketAddress.resolve(host: host, port: port) {
      do {
        listeners.append(try createTCP(address, options))
      } catch let error where error.code == EADDRNOTAVAIL || error.code == EAFNOSUPPORT {
        // localhost names ::1 also where the machine has no IPv6.
        missing = error
      }
    }
    if listeners.isEmpty, let missing { throw missing }
    return listeners
  }

  private static func createTCP(
    _ address: SocketAddress, _ options: Settings.ListenOptions
  ) throws(SystemError) -> Listener {
    let descriptor = try open(address.family, address)
    // A restart must not wait for the old connections' TIME_WAIT.
    try set(descriptor, SOL_SOCKET, SO_REUSEADDR, address)
    // Else [::] would take 0.0.0.0 too, and the two could not be listed side by side.
    if address.family == AF_INET6 { try set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address) }
    // Connections inherit it: a token must not wait until nginx's kernel has acknowledged the one before.
    try set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, address)
    try bind(descriptor, address)
    let listener = Listener(descriptor, address: address, isInherited: false)
    try listen(listener, options)
    return listener
  }

  private static func open(_ family: Int32, _ address: SocketAddress) throws(SystemError) -> Descriptor {
    let opened = socket(family, ownType, 0)
    guard opened >= 0 else { throw SystemError(errno, "open a socket for \(address)") }
    return Descriptor(owning: opened)
  }

  private static func set(
    _ descriptor: borrowing Descriptor, _ level: Int32, _ option: Int32, _ address: SocketAddress
  ) throws(SystemError) {
    var on: Int32 = 1
    guard setsockopt(descriptor.raw, level, option, &on, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
      throw SystemError(errno, "prepare \(address)")
    }
  }

  private static func bind(_ descriptor: borrowing Descriptor, _ address: SocketAddress) throws(SystemError) {
    let raw = descriptor.raw
    let code = address.withPointer { Glibc.bind(raw, $0, $1) == 0 ? 0 : errno }
    guard code != 0 else { return }
    throw SystemError(code, "listen on \(address)", remedy: bindRemedy(code, address))
  }

  private static func bindRemedy(_ code: Int32, _ address: SocketAddress) -> String? {
    switch code {
    case ENOENT: "create the directory first (systemd: RuntimeDirectory=)"
    case ENOTDIR: "a part of the path is no directory; choose another path"
    case EACCES where address.isTCP: "choose a port from 1024 on, or start as root"
    case EACCES, EROFS: "the user who starts the program must be able to write to the directory"
    case EADDRINUSE: "stop the program that listens there, or choose another address"
    case EADDRNOTAVAIL: "choose an address that this machine has"
    default: nil
    }
  }

  private static func listen(_ listener: Listener, _ options: Settings.ListenOptions) throws(SystemError) {
    guard Glibc.listen(listener.raw, Int32(clamping: options.backlog)) == 0 else {
      throw SystemError(errno, "listen on \(listener)", remedy: bindRemedy(errno, listener.address))
    }
  }
}
