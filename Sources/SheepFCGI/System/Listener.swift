import Glibc
import Synchronization

/// A listening stream socket: ours, or one that whoever started us has opened.
///
/// Always non-blocking. Shared by all loops of the process; it is closed when told to, or with the last reference.
final class Listener: Sendable, CustomStringConvertible {
  /// For epoll and `sheep_accept`. Not valid any more after `close`.
  let raw: Int32
  let address: SocketAddress
  /// Whether it came from a launcher, to whom it goes on belonging: other processes may accept from it after us.
  let isInherited: Bool
  /// The file that we made for it. Nil: inherited, or TCP.
  private let file: SocketFile?
  private let owned: Mutex<Descriptor?>

  /// Takes over a socket that is bound (and listens, or will).
  init(_ descriptor: consuming Descriptor, address: SocketAddress, isInherited: Bool, file: SocketFile? = nil) {
    raw = descriptor.raw
    self.address = address
    self.isInherited = isInherited
    self.file = file
    owned = Mutex(descriptor)
  }

  /// Whether the file at its path is still the one that we made.
  var hasItsFile: Bool { file?.isStillThere ?? false }

  /// Stops listening, as far as this process is concerned; further calls do nothing. Any thread.
  ///
  /// No loop may poll the listener any more.
  /// - Parameter keepsFile: leave the socket's file, because the listener lives on in another process.
  func close(keepsFile: Bool = false) {
    owned.withLock { owned in
      guard let descriptor = owned.take() else { return }
      // The file first: as long as the socket is open its inode's number cannot come back as somebody else's file.
      if !keepsFile { file?.removeIfSame() }
      if descriptor.raw == 0 { Self.occupyZero(descriptor) }
    }
  }

  deinit {
    close()
  }

  /// Puts /dev/null in the listener's place: a free 0 would be the next connection's number, and would look like
  /// standard input to everyone.
  private static func occupyZero(_ descriptor: consuming Descriptor) {
    let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard null >= 0 else { return }
    if dup2(null, descriptor.raw) == 0 { _ = descriptor.release() }
    _ = Glibc.close(null)
  }

  var description: String { address.description }
}
