import Glibc

/// What a process leaves to the one that replaces it: its listening sockets, and a pipe through which the new one says
/// that it serves, or why it does not. Told in one variable of the environment; the descriptors follow 2 in its order.
final class Handover {
  static let variable = "SHEEPFCGI_HANDOVER"

  /// The process before us.
  let replaced: pid_t
  /// From it, in its order.
  let listeners: [Listener]
  private let pipe: Descriptor

  /// Whose a listener is. Of our own ones we remove the file in the end, unless it has become somebody else's.
  private enum Owner: String { case own, launcher }

  /// Takes what was left to us, and removes the variable. Before any other thread.
  /// - Returns: nil where nobody is to be replaced.
  static func take(_ environment: [String: String]) -> Handover? {
    guard let text = environment[variable] else { return nil }
    unsetenv(variable)
    var words = text.split(separator: " ")[...]
    guard let replaced = words.popFirst().flatMap({ pid_t($0) }),
      let pipe = words.popFirst().flatMap({ Int32($0) }), let number = words.popFirst().flatMap({ ino_t($0) })
    else { return nil }
    // The variable may have come down from a process further up; then there are other descriptors behind it, or none.
    guard inode(of: pipe) == number else { return nil }
    var listeners: [Listener] = []
    for word in words {
      let parts = word.split(separator: ":")
      guard parts.count == 2, let raw = Int32(parts[0]), let owner = Owner(rawValue: String(parts[1])),
        let address = SocketAddress.local(of: raw)
      else { continue }
      if raw != 0 { _ = fcntl(raw, F_SETFD, FD_CLOEXEC) }
      let file = owner == .own ? address.unixPath.flatMap { SocketFile(at: $0) } : nil
      listeners.append(
        Listener(Descriptor(owning: raw), address: address, isInherited: owner == .launcher, file: file))
    }
    _ = fcntl(pipe, F_SETFD, FD_CLOEXEC)
    return Handover(from: replaced, listeners: listeners, pipe: Descriptor(owning: pipe))
  }

  private init(from replaced: pid_t, listeners: [Listener], pipe: consuming Descriptor) {
    self.replaced = replaced
    self.listeners = listeners
    self.pipe = pipe
  }

  /// The variable's value for a program that finds the pipe, which is `raw` here, and the listeners at these numbers.
  static func text(pipe: (number: Int32, raw: Int32), _ listeners: [(number: Int32, listener: Listener)]) -> String {
    let words = listeners.map { number, listener in
      let isOwn = listener.address.isUnix ? listener.hasItsFile : !listener.isInherited
      return "\(number):\((isOwn ? Owner.own : .launcher).rawValue)"
    }
    return (["\(getpid())", "\(pipe.number)", "\(inode(of: pipe.raw) ?? 0)"] + words).joined(separator: " ")
  }

  private static func inode(of pipe: Int32) -> ino_t? {
    var status = stat()
    return fstat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO ? status.st_ino : nil
  }

  /// What goes through the pipe.
  static let ready = UInt8(ascii: "+")

  /// All workers wait for connections: the old process may make way.
  func tellReady() {
    var byte = Self.ready
    _ = write(pipe.raw, &byte, 1)
  }

  /// It will not come to that; the old process puts it into its log, and listens on alone.
  func tellFailure(_ text: String) {
    for listener in listeners { listener.close(keepsFile: true) }
    var text = text
    // As much as a pipe takes without a wait.
    text.withUTF8 { _ = write(pipe.raw, $0.baseAddress, min($0.count, Int(PIPE_BUF))) }
  }
}
