import Streaming

/// Something to be done at a later time, on the thread of the queue that it is in. Its owner keeps it.
final class Timer {
  fileprivate(set) var deadline = Instant(nanoseconds: 0)
  fileprivate var place = -1
  fileprivate let action: (Instant) -> Void

  /// - Parameter action: called with the loop's time; the timer is out of the queue by then.
  init(_ action: @escaping (Instant) -> Void) {
    self.action = action
  }
}

/// Timers in the order of their deadlines: a binary heap whose members know their place, so that taking one out costs as
/// little as putting it in. A request's timers are nearly all taken out unused. Bound to its loop's thread.
final class TimerQueue {
  /// The earliest deadline; nil: there is none. Kept, as each turn of the loop asks for it.
  private(set) var next: Instant?
  private var heap: [Timer] = []

  /// Puts the timer in, or moves it.
  func schedule(_ timer: Timer, at deadline: Instant) {
    timer.deadline = deadline
    if timer.place < 0 {
      timer.place = heap.count
      heap.append(timer)
    }
    siftUp(timer.place)
    siftDown(timer.place)
    next = heap.first?.deadline
  }

  /// Whether the timer is not in.
  func isIdle(_ timer: Timer) -> Bool { timer.place < 0 }

  /// Takes the timer out; one that is not in is no fault.
  func cancel(_ timer: Timer) {
    let place = timer.place
    guard place >= 0 else { return }
    timer.place = -1
    defer { next = heap.first?.deadline }
    let last = heap.removeLast()
    guard last !== timer else { return }
    set(last, at: place)
    siftUp(place)
    siftDown(last.place)
  }

  /// Takes out and returns what is due.
  func due(at now: Instant) -> Timer? {
    guard let next, next <= now, let first = heap.first else { return nil }
    cancel(first)
    return first
  }

  private func set(_ timer: Timer, at place: Int) {
    heap[place] = timer
    timer.place = place
  }

  private func siftUp(_ start: Int) {
    var place = start
    while place > 0, heap[place].deadline < heap[(place - 1) / 2].deadline {
      swap(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  private func siftDown(_ start: Int) {
    var place = start
    while true {
      var least = place
      for child in [2 * place + 1, 2 * place + 2]
      where child < heap.count && heap[child].deadline < heap[least].deadline { least = child }
      guard least != place else { return }
      swap(place, least)
      place = least
    }
  }

  private func swap(_ a: Int, _ b: Int) {
    heap.swapAt(a, b)
    heap[a].place = a
    heap[b].place = b
  }
}

extension Timer {
  func fire(at now: Instant) { action(now) }
}
