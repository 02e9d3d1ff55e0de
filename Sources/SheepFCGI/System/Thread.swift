import CLinux
import Glibc

/// A thread that runs one function to its end.
struct Thread {
  private let handle: pthread_t

  private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// - Parameter name: at most 15 bytes (pthread_setname_np), as `top -H` shows it.
  init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
    var handle = pthread_t()
    let start = Unmanaged.passRetained(Start(body))
    let result = pthread_create(
      &handle, nil,
      { argument in
        if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body() }
        return nil
      }, start.toOpaque())
    guard result == 0 else {
      start.release()
      throw SystemError(result, "start a thread", remedy: "allow more (ulimit -u)")
    }
    sheep_name_thread(handle, name)
    self.handle = handle
  }

  /// Nobody will wait for its end. In place of `join`.
  func detach() {
    pthread_detach(handle)
  }

  /// Waits for its end. Once.
  func join() {
    pthread_join(handle, nil)
  }
}
