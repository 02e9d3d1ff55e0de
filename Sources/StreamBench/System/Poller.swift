import CLinux
import Glibc

/// epoll over numbered slots. Bound to the thread that waits.
///
/// It closes nothing. Closing a descriptor takes it out; a slot's turn tells an event of its last descriptor from one of
/// its next.
final class Poller {
  enum Interest {
    case nothing, read, write
    fileprivate var events: UInt32 {
      switch self {
      case .nothing: 0
      case .read: EPOLLIN.rawValue
      case .write: EPOLLOUT.rawValue
      }
    }
  }

  struct Event {
    let slot: Int
    let turn: UInt32
    let canWrite: Bool
  }

  private let epoll: Int32
  private var events = [epoll_event](repeating: epoll_event(), count: 512)

  init() throws(BenchError) {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw BenchError(errno, "create an epoll instance") }
  }

  deinit {
    close(epoll)
  }

  func add(_ descriptor: Int32, _ interest: Interest, slot: Int, turn: UInt32) {
    control(EPOLL_CTL_ADD, descriptor, interest, slot, turn)
  }

  func modify(_ descriptor: Int32, _ interest: Interest, slot: Int, turn: UInt32) {
    control(EPOLL_CTL_MOD, descriptor, interest, slot, turn)
  }

  /// Returns how many events there are, after so many milliseconds at most.
  func wait(milliseconds: Int32) -> Int {
    Int(max(0, epoll_wait(epoll, &events, Int32(events.count), milliseconds)))
  }

  /// One of the events of the last `wait`.
  func event(_ index: Int) -> Event {
    let event = events[index]
    return Event(
      slot: Int(UInt32(truncatingIfNeeded: event.data.u64)), turn: UInt32(event.data.u64 >> 32),
      canWrite: event.events & EPOLLOUT.rawValue != 0)
  }

  private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Interest, _ slot: Int, _ turn: UInt32) {
    var event = epoll_event()
    event.events = interest.events
    event.data.u64 = UInt64(turn) << 32 | UInt64(slot)
    // Only memory can be lacking, beside errors of ours: then the stream stays silent and is counted so.
    _ = epoll_ctl(epoll, operation, descriptor, &event)
  }
}
