import Glibc

/// A value that threads share, and the lock without which nobody reaches it.
///
/// The standard library's Mutex would do, but under contention it is a futex that ThreadSanitizer cannot see, and every
/// second lock would be reported as a race. Unchecked, because the compiler cannot know that `mutex` guards `value`.
final class Guarded<Value: Sendable>: @unchecked Sendable {
  private var value: Value
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  init(_ value: Value) {
    self.value = value
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Not to be nested, nor held for anything that waits.
  func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(&value)
  }
}
