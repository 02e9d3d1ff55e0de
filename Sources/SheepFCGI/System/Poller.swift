import CLinux
import Glibc

/// epoll, with a target of our own for each descriptor. Bound to the thread that waits.
///
/// It closes nothing: whoever owns a descriptor removes it here first. A number that is closed and opened again within
/// one turn gets another generation, so that an event for the old one finds nobody.
final class Poller<Target> {
  struct Interest: OptionSet {
    let rawValue: UInt32
    static var read: Interest { Interest(rawValue: EPOLLIN.rawValue | EPOLLRDHUP.rawValue) }
    static var write: Interest { Interest(rawValue: EPOLLOUT.rawValue) }
    /// The peer's leaving alone.
    static var hangup: Interest { Interest(rawValue: EPOLLRDHUP.rawValue) }
    /// A listener's connections. Of several loops that wait for one listener, not all are woken.
    static var accept: Interest { Interest(rawValue: EPOLLIN.rawValue | EPOLLEXCLUSIVE.rawValue) }
  }

  struct Readiness {
    fileprivate let events: UInt32
    var canRead: Bool { events & EPOLLIN.rawValue != 0 }
    var canWrite: Bool { events & EPOLLOUT.rawValue != 0 }
    /// The peer sends no more, or the connection broke.
    var isHangup: Bool { events & (EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
    var isError: Bool { events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 }
  }

  private struct Slot {
    var target: Target?
    var generation: UInt32 = 0
  }

  private let epoll: Descriptor
  /// By descriptor.
  private var slots: [Slot] = []
  /// Not an array, whose every access would be checked for others at the same time.
  private let events: UnsafeMutableBufferPointer<epoll_event>

  /// - Parameter capacity: events that one `wait` returns at most.
  init(capacity: Int = 256) throws(SystemError) {
    let raw = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard raw >= 0 else { throw SystemError(errno, "create an epoll instance") }
    epoll = Descriptor(owning: raw)
    events = .allocate(capacity: capacity)
    events.initialize(repeating: epoll_event())
  }

  deinit {
    events.deallocate()
  }

  func add(_ descriptor: Int32, _ interest: Interest, _ target: Target) throws(SystemError) {
    let index = Int(descriptor)
    while slots.count <= index { slots.append(Slot()) }
    slots[index].generation &+= 1
    slots[index].target = target
    do {
      try control(EPOLL_CTL_ADD, descriptor, interest)
    } catch {
      slots[index].target = nil
      throw error
    }
  }

  func modify(_ descriptor: Int32, _ interest: Interest) throws(SystemError) {
    try control(EPOLL_CTL_MOD, descriptor, interest)
  }

  /// Adds the descriptor, or changes what is waited for where it is there already.
  func set(_ descriptor: Int32, _ interest: Interest, _ target: Target) throws(SystemError) {
    if Int(descriptor) < slots.count, slots[Int(descriptor)].target != nil {
      // ENOENT: its number was closed without a word to us and is another's now.
      do { return try modify(descriptor, interest) } catch  where error.code != ENOENT { throw error } catch {}
    }
    try add(descriptor, interest, target)
  }

  /// Before the descriptor is closed. One that is not there is no fault.
  func remove(_ descriptor: Int32) {
    let index = Int(descriptor)
    guard index < slots.count, slots[index].target != nil else { return }
    slots[index].target = nil
    _ = epoll_ctl(epoll.raw, EPOLL_CTL_DEL, descriptor, nil)
  }

  private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Interest) throws(SystemError) {
    var event = epoll_event()
    event.events = interest.rawValue
    event.data.u64 = UInt64(slots[Int(descriptor)].generation) << 32 | UInt64(UInt32(descriptor))
    guard epoll_ctl(epoll.raw, operation, descriptor, &event) == 0 else {
      throw SystemError(errno, "watch descriptor \(descriptor)")
    }
  }

  /// Waits for events, for so many milliseconds at most (-1: without end), and returns how many there are.
  func wait(milliseconds: Int32) -> Int {
    let count = epoll_wait(epoll.raw, events.baseAddress, Int32(events.count), milliseconds)
    // EINTR is all that can fail here: a debugger or a stopped process.
    return Int(max(0, count))
  }

  /// One of the events of the last `wait`; nil where its target is gone by now.
  func event(_ index: Int) -> (target: Target, readiness: Readiness)? {
    let event = events[index]
    let slot = slots[Int(UInt32(truncatingIfNeeded: event.data.u64))]
    guard slot.generation == UInt32(event.data.u64 >> 32), let target = slot.target else { return nil }
    return (target, Readiness(events: event.events))
  }
}
