import Glibc

/// What a process leaves to the one that replaces it: its listening sockets, and a pipe through which the new one says
/// that it serves, or why it does not. Told in one variable of the environment; the descriptors follow 2 in its order.
final class Handover {
  static let variable = "SHEEPFCGI_HANDOVER"

  /// From the process before us, in its order.
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
    // The variable may have come down from a process further up; then there are no descriptors behind it.
    guard let parent = words.popFirst().flatMap({ pid_t($0) }), parent == getppid() else { return nil }
    guard let pipe = words.popFirst().flatMap({ Int32($0) }) else { return nil }
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
    return Handover(listeners: listeners, pipe: Descriptor(owning: pipe))
  }

  private init(listeners: [Listener], pipe: consuming Descriptor) {
    self.listeners = listeners
    self.pipe = pipe
  }

  /// The variable's value for a child that finds the pipe and the listeners at these numbers.
  static func text(pipe: Int32, _ listeners: [(number: Int32, listener: Listener)]) -> String {
    let words = listeners.map { number, listener in
      let isOwn = listener.address.isUnix ? listener.hasItsFile : !listener.isInherited
      return "\(number):\((isOwn ? Owner.own : .launcher).rawValue)"
    }
    return (["\(getpid())", "\(pipe)"] + words).joined(separator: " ")
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
