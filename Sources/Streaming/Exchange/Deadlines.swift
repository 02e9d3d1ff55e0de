extension Lifecycle {
  /// How long each part of an exchange may take. One for all exchanges.
  public final class Clocks: Sendable {
    /// Until the provider's first output; each attempt has it to itself.
    public let firstToken: Duration
    /// Between two reads of the provider.
    public let idle: Duration
    /// For the whole answer, all attempts together.
    public let total: Duration
    /// How long the client may take nothing of what waits for it.
    public let clientStall: Duration
    /// Silence after which a comment is sent.
    public let ping: Duration
    /// How long the status line is held.
    public let hold: Duration

    public init(
      firstToken: Duration, idle: Duration, total: Duration, clientStall: Duration, ping: Duration, hold: Duration
    ) {
      self.firstToken = firstToken
      self.idle = idle
      self.total = total
      self.clientStall = clientStall
      self.ping = ping
      self.hold = hold
    }
  }
}

/// What is due in an exchange, and when: notes the time of each activity, and looks at it only when asked.
struct Deadlines {
  enum Due { case clientStall, total, attempt, firstToken, idle, ping, turn }

  let clocks: Lifecycle.Clocks
  /// When the exchange had its turn.
  private(set) var started: Instant
  private(set) var firstOutputAt: Instant?
  /// A clock has started that may end before the deadline that was last asked for.
  var hasEarlier = true

  private var attemptStarted: Instant
  /// Set until the exchange has its turn: when it must have had it.
  private var turnBy: Instant?
  /// Set between two attempts.
  private var nextAttemptAt: Instant?
  private var lastByteAt: Instant
  private var lastOutputAt: Instant
  private var clientWaitsSince: Instant?
  /// Nanoseconds that something waited for the client, until it last took it.
  private var heldUp: Int64 = 0

  init(_ clocks: Lifecycle.Clocks, at now: Instant) {
    self.clocks = clocks
    started = now
    attemptStarted = now
    lastByteAt = now
    lastOutputAt = now
  }

  mutating func waitsForTurn(until due: Instant) {
    turnBy = due
    hasEarlier = true
  }

  /// All that was waiting counts for nothing.
  mutating func turnCame(at now: Instant) {
    turnBy = nil
    started = now
    hasEarlier = true
  }

  mutating func attemptBegan(at now: Instant) {
    attemptStarted = now
    nextAttemptAt = nil
    hasEarlier = true
  }

  mutating func waits(until due: Instant) {
    nextAttemptAt = due
    hasEarlier = true
  }

  mutating func providerSent(at now: Instant) {
    lastByteAt = now
  }

  /// Its silence until now was ours: it was paused.
  mutating func providerResumed(at now: Instant) {
    lastByteAt = now
    hasEarlier = true
  }

  mutating func outputWritten(at now: Instant) {
    if firstOutputAt == nil {
      firstOutputAt = now
      hasEarlier = true
    }
    lastOutputAt = now
  }

  mutating func pingWritten(at now: Instant) {
    lastOutputAt = now
  }

  /// - Parameters:
  ///   - some: whether the client took anything.
  ///   - rest: whether more waits for it.
  mutating func clientTook(some: Bool, rest: Bool, at now: Instant) {
    if some || !rest, let since = clientWaitsSince {
      heldUp += now.nanoseconds - since.nanoseconds
      clientWaitsSince = nil
      // The client may need a sign of life again, and soon.
      hasEarlier = true
    }
    if rest, clientWaitsSince == nil {
      clientWaitsSince = now
      hasEarlier = true
    }
  }

  /// Nanoseconds for which the client has taken nothing, or less than there was.
  func heldUp(at now: Instant) -> Int64 {
    heldUp + (clientWaitsSince.map { now.nanoseconds - $0.nanoseconds } ?? 0)
  }

  /// The earliest thing that can be due as things stand; nil: nothing ever.
  /// - Parameters:
  ///   - isHeld: the status line has not been sent.
  ///   - isPaused: the provider stands still for the client's sake.
  ///   - isOver: the terminal event is written, and only the client is waited for.
  ///   - mayPing: the answer's form has a place for a sign of life.
  func next(isHeld: Bool, isPaused: Bool, isOver: Bool, mayPing: Bool) -> (due: Due, at: Instant)? {
    let stall = clientWaitsSince.map { (due: Due.clientStall, at: $0 + clocks.clientStall) }
    if isOver { return stall }
    var next = turnBy.map { (due: Due.turn, at: $0) } ?? (due: Due.total, at: started + clocks.total)
    func consider(_ due: Due, _ at: Instant) {
      if at < next.at { next = (due, at) }
    }
    if turnBy != nil {
      // Nobody is asked yet.
    } else if let nextAttemptAt {
      consider(.attempt, nextAttemptAt)
    } else if firstOutputAt == nil {
      consider(.firstToken, attemptStarted + clocks.firstToken)
    } else if !isPaused {
      consider(.idle, lastByteAt + clocks.idle)
    }
    if let stall {
      consider(stall.due, stall.at)
    } else if mayPing {
      // A client that has not even taken what is there needs no sign of life.
      consider(.ping, isHeld ? started + clocks.hold : lastOutputAt + clocks.ping)
    }
    return next
  }
}
