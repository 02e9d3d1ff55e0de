import Streaming

/// The ledger of a process, and what its workers know together of Redis. Any thread; one short lock at the beginning of a
/// request that is limited, and one at its end.
final class SharedLedger: Sendable {
  private let ledger = Guarded(Ledger())
  /// Workers whose connection to Redis is away.
  private let away = Guarded(0)

  func admit(_ claims: Claims, at now: Instant) -> Refusal? {
    let wall = Int(Clock.wall())
    return ledger.withLock { $0.admit(claims, at: now, wall: wall) }
  }

  func end(_ claims: Claims, tokens: Int, at now: Instant) {
    let wall = Int(Clock.wall())
    ledger.withLock { $0.end(claims, tokens: tokens, at: now, wall: wall) }
  }

  func takeBack(_ claims: Claims, at now: Instant) {
    let wall = Int(Clock.wall())
    ledger.withLock { $0.takeBack(claims, at: now, wall: wall) }
  }

  /// Whether any worker's connection to Redis is away.
  var isAway: Bool { away.withLock { $0 > 0 } }

  /// A worker's connection to Redis went away, or came back.
  /// - Returns: whether that is news: it is the first that went, or the last that came.
  func note(isAway: Bool) -> Bool {
    away.withLock { count in
      count += isAway ? 1 : -1
      return count == (isAway ? 1 : 0)
    }
  }
}
