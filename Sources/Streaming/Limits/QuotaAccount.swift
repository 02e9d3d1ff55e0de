/// What one client, or one key, has of its quota.
struct QuotaAccount: Equatable, Sendable {
  var streams = 0
  var rate = RequestRate()
  var tokens = DayTokens()

  /// Whether forgetting it changes nothing.
  func isUnused(at now: Instant, wall: Int) -> Bool {
    streams == 0 && rate.isWhole(at: now) && tokens.used(at: wall) == 0
  }

  /// For how long what stands in the way of one more request does so, by kind; nil: it does not.
  func obstacles(
    _ quota: Quota, at now: Instant, wall: Int
  ) -> (streams: Duration?, requests: Duration?, tokens: Duration?) {
    var requests: Duration?
    if quota.requestsPerMinute > 0 {
      let wait = rate.wait(quota.requestsPerMinute, at: now)
      if wait > .zero { requests = wait }
    }
    let hasStreams = quota.streams > 0 && streams >= quota.streams
    let hasTokens = quota.tokensPerDay > 0 && tokens.used(at: wall) >= quota.tokensPerDay
    return (hasStreams ? Refusal.streamWait : nil, requests, hasTokens ? DayTokens.rest(of: wall) : nil)
  }

  /// One more request. Streams count also where they have no bound, as a reload may set one while they run.
  mutating func begin(_ quota: Quota, at now: Instant) {
    streams += 1
    if quota.requestsPerMinute > 0 { rate.take(quota.requestsPerMinute, at: now) }
  }

  mutating func end(tokens count: Int, at wall: Int) {
    streams = max(0, streams - 1)
    if count > 0 { tokens.add(count, at: wall) }
  }

  /// The request was refused elsewhere.
  mutating func takeBack(_ quota: Quota) {
    streams = max(0, streams - 1)
    if quota.requestsPerMinute > 0 { rate.giveBack(quota.requestsPerMinute) }
  }
}
