import Foundation
import Synchronization

/// Something that is looked up on a thread of its own, while this one goes on.
final class Aside<Value: Sendable>: Sendable {
  private let found = Mutex<Value?>(nil)
  private let isDone = DispatchSemaphore(value: 0)

  init(_ look: @escaping @Sendable () -> Value) {
    Thread.detachNewThread { [self] in
      let value = look()
      found.withLock { $0 = value }
      isDone.signal()
    }
  }

  /// Waits for it.
  var value: Value? {
    isDone.wait()
    isDone.signal()
    return found.withLock { $0 }
  }
}
