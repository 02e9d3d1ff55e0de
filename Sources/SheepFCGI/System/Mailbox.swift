import CLinux
import Glibc

/// The one way into another thread's loop: messages in order, and a descriptor that becomes readable.
final class Mailbox<Message: Sendable>: Sendable {
  private let queue = Guarded<[Message]>([])
  private let wakeup: Descriptor

  init() throws(SystemError) {
    let raw = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard raw >= 0 else { throw SystemError(errno, "create an eventfd") }
    wakeup = Descriptor(owning: raw)
  }

  /// For the owner's poller.
  var descriptor: Int32 { wakeup.raw }

  /// Any thread.
  func post(_ message: Message) {
    let wasEmpty = queue.withLock { queue in
      defer { queue.append(message) }
      return queue.isEmpty
    }
    guard wasEmpty else { return }
    var one: UInt64 = 1
    _ = write(wakeup.raw, &one, 8)
  }

  /// What has come since the last time. The owner's thread.
  func take() -> [Message] {
    var count: UInt64 = 0
    _ = read(wakeup.raw, &count, 8)
    return queue.withLock { queue in
      defer { queue = [] }
      return queue
    }
  }
}
