import Streaming

/// What one exchange adds to the figures of the models that it asks, while it runs and at its end.
struct ExchangeCount {
  /// That of the model that is being asked, or was last.
  private var tally: ModelTally
  /// Of the last token; before the first, `past`.
  private var lastTokenAt = Instant.past
  /// What `progress` has counted so far.
  private var noted: (sentBytes: Int, heldUp: Int64, at: Instant)

  /// - Parameter current: which of the targets is asked. Another than the first counts as a fallback from that.
  init(of targets: [Target], asking current: Int, at now: Instant) {
    tally = targets[0].tally
    noted = (0, 0, now)
    if current > 0 { fellBack(to: targets[current].tally) }
  }

  /// Bytes of the provider's have come, and tokens in them.
  /// - Parameter startedAt: when the exchange began, or had its turn.
  @inline(__always)
  mutating func received(bytes: Int, tokens: Int, startedAt: Instant, at now: Instant) {
    tally.figures.receivedBytes += bytes
    guard tokens > 0 else { return }
    if lastTokenAt > .past {
      tally.figures.recordTokens(tokens, after: now.nanoseconds - lastTokenAt.nanoseconds)
    } else {
      tally.figures.recordFirstTokens(tokens, after: now.nanoseconds - startedAt.nanoseconds)
    }
    lastTokenAt = now
  }

  func retried() {
    tally.figures.retries += 1
  }

  mutating func fellBack(to next: ModelTally) {
    tally.figures.fallbacks += 1
    tally = next
  }

  /// What has come about since the last time, so that figures do not wait for a stream's end.
  mutating func progress(of lifecycle: Lifecycle, at now: Instant) {
    let (sent, heldUp) = (lifecycle.buffer.takenInAll, lifecycle.heldUp(at: now))
    tally.figures.sentBytes += sent - noted.sentBytes
    tally.figures.waitedForClient += heldUp - noted.heldUp
    tally.figures.waitedForProvider += now.nanoseconds - noted.at.nanoseconds - (heldUp - noted.heldUp)
    noted = (sent, heldUp, now)
  }

  /// - Parameter hadTurn: false where nobody was asked; it then waited neither for a client nor for a provider.
  mutating func end(of lifecycle: Lifecycle, hadTurn: Bool, at now: Instant) {
    if !hadTurn { noted.at = now }
    progress(of: lifecycle, at: now)
    tally.ended(lifecycle, at: now)
  }
}
