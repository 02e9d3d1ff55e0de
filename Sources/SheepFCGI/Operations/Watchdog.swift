import Streaming

/// Asks the workers whether their loops go round, so that the service manager hears that we live only when all of us do.
/// Bound to the main thread.
struct Watchdog {
  /// When to ask next.
  private(set) var due: Instant
  private let interval: Duration
  /// How often each worker was asked.
  private var asked: [Int]

  /// - Parameter time: within which the manager wants to hear from us.
  init(time: Duration, workers: Int, at now: Instant) {
    // So that one late word is not our death (sd_watchdog_enabled(3)).
    interval = .nanoseconds(time.nanoseconds / 2)
    due = now
    asked = Array(repeating: 0, count: workers)
  }

  /// Looks at the answers to the last question, and asks those who gave one another.
  /// - Returns: the workers that have not answered, by number.
  mutating func ask(_ handles: [WorkerHandle], at now: Instant) -> [Int] {
    due = now + interval
    var silent: [Int] = []
    for (number, handle) in handles.enumerated() {
      guard handle.answered.load(ordering: .relaxed) == asked[number] else {
        silent.append(number)
        continue
      }
      asked[number] += 1
      handle.mailbox.post(.answer(asked[number]))
    }
    return silent
  }
}
