import Glibc

/// A Unix socket's file, known by device and inode: the path alone may be somebody else's by now.
struct SocketFile: Sendable {
  let path: String
  private let device: dev_t
  private let inode: ino_t

  /// The socket that is at `path` now. Nil: nothing is there, or no socket. A symbolic link is no socket.
  init?(at path: String) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
    self.path = path
    device = status.st_dev
    inode = status.st_ino
  }

  var isStillThere: Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_dev == device && status.st_ino == inode
  }

  /// Deletes the file, if it is still this one.
  /// - Returns: 0, or the errno; EEXIST where it is another one by now.
  @discardableResult
  func removeIfSame() -> Int32 {
    var status = stat()
    guard lstat(path, &status) == 0 else { return errno == ENOENT ? 0 : errno }
    guard status.st_dev == device, status.st_ino == inode else { return EEXIST }
    return unlink(path) == 0 ? 0 : errno
  }

  /// Makes room at `path` where a worker that died has left its socket. A live socket, and anything else, stays.
  static func removeStale(at path: String) throws(SystemError) {
    let attempt = "listen on unix:\(path)"
    guard let file = SocketFile(at: path) else {
      throw SystemError(
        attempt, reason: "there is a file that is no socket", remedy: "remove it, or choose another path")
    }
    switch knock(path) {
    case ECONNREFUSED, ENOENT: break
    case 0, EAGAIN:
      throw SystemError(attempt, reason: "another worker listens there", remedy: "stop it, or choose another path")
    case EPROTOTYPE:
      throw SystemError(
        attempt, reason: "another program's socket is there, of another type", remedy: "choose another path")
    case let code:
      throw SystemError(code, "find out whether anyone listens on unix:\(path)", remedy: "remove it, if nobody does")
    }
    let code = file.removeIfSame()
    guard code == 0 else {
      throw SystemError(code, "remove the stale socket \(path)", remedy: "remove it, or start as its owner")
    }
  }

  /// Knocks at a socket.
  /// - Parameter opened: what to do on the connection before it ends, where there is one.
  /// - Returns: 0 where somebody listens, else connect's errno; EAGAIN: somebody does, but the backlog is full.
  @discardableResult
  static func knock(_ path: String, _ opened: (_ connection: Int32) -> Void = { _ in }) -> Int32 {
    let raw = socket(AF_UNIX, Listener.ownType, 0)
    guard raw >= 0 else { return errno }
    let client = Descriptor(owning: raw)
    let code = SocketAddress(unixPath: path).withPointer { connect(client.raw, $0, $1) == 0 ? 0 : errno }
    if code == 0 { opened(client.raw) }
    return code
  }

  /// The process that has called listen; nil: none has, or we may not connect.
  static func listeningProcess(_ path: String) -> pid_t? {
    // struct ucred, which Glibc's module hides: pid, user, group.
    var credentials = (pid_t(0), uid_t(0), gid_t(0))
    knock(path) { connection in
      var length = socklen_t(MemoryLayout.size(ofValue: credentials))
      getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
    }
    return credentials.0 > 0 ? credentials.0 : nil
  }

  /// Gives the file to whom the options name, and then, last, lets them in.
  func setAccess(owner: uid_t?, group: gid_t?, mode: mode_t) throws(SystemError) {
    // Neither call follows a symbolic link that somebody may have put here in the meantime.
    if owner != nil || group != nil {
      let unchanged = uid_t.max
      guard lchown(path, owner ?? unchanged, group ?? unchanged) == 0 else {
        throw SystemError(
          errno, "give \(path) to the listen owner and group", remedy: "start as root, or as a member of the group")
      }
    }
    guard fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw SystemError(errno, "set the mode of \(path)")
    }
  }
}
