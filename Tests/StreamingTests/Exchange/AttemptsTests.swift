import Testing

@testable import Streaming

struct AttemptsTests {
  private static let policy = Attempts.Policy(attempts: 3, backoff: .seconds(1), maxWait: .seconds(10))

  private func attempts(
    _ policy: Attempts.Policy = Self.policy, models: Int = 1, leftOut: Set<Int> = []
  ) -> Attempts {
    Attempts(policy, models: models) { !leftOut.contains($0) }
  }

  /// What follows, with no chance in it.
  private func next(
    _ attempts: inout Attempts, after verdict: Verdict, freshKey: Bool = false, jitter: Double = 0,
    leftOut: Set<Int> = []
  ) -> Attempts.Next {
    attempts.next(after: verdict, hasFreshKey: freshKey, jitter: jitter) { !leftOut.contains($0) }
  }

  // MARK: The same model again

  @Test func `a failure that may pass is tried again, each time after twice the wait, three times in all`() {
    var attempts = attempts()
    #expect(next(&attempts, after: .transient(wish: nil)) == .attempt(after: .seconds(1)))
    #expect(next(&attempts, after: .transient(wish: nil)) == .attempt(after: .seconds(2)))
    #expect(next(&attempts, after: .transient(wish: nil)) == .giveUp)
    #expect(attempts.current == 0)
  }

  @Test func `a failure that would come again is the end, whatever else could be tried`() {
    var attempts = attempts(models: 3)
    #expect(next(&attempts, after: .final, freshKey: true) == .giveUp)
  }

  @Test(arguments: [
    (Duration.milliseconds(120), true), (.seconds(10), true), (.seconds(11), false),
  ])
  func `a provider's wish is kept where it is short, and where it is long the client is told of it`(
    wish: Duration, isKept: Bool
  ) {
    for verdict in [Verdict.transient(wish: wish), .keyLimited(wish: wish)] {
      var attempts = attempts()
      #expect(next(&attempts, after: verdict) == (isKept ? .attempt(after: wish) : .giveUp))
    }
  }

  @Test func `a wish to be asked again at once, or in the past, is none`() {
    for verdict in [Verdict.transient(wish: .zero), .keyLimited(wish: .zero)] {
      var attempts = attempts()
      #expect(next(&attempts, after: verdict) == .attempt(after: .seconds(1)))
    }
  }

  @Test func `chance takes up to a quarter, so that those who failed together come back apart`() {
    for (jitter, wait) in [(0.0, 1000), (0.5, 875), (1.0, 750)] {
      var attempts = attempts()
      #expect(
        next(&attempts, after: .transient(wish: nil), jitter: jitter) == .attempt(after: .milliseconds(wait)))
    }
  }

  @Test(arguments: [(4, 0.0, 4000), (4, 1.0, 5000), (9, 1.0, 10_000), (10, 1.0, 10_000)])
  func `chance adds to what the provider wishes, but not beyond the longest wait`(
    wish: Int, jitter: Double, wait: Int
  ) {
    var attempts = attempts()
    #expect(
      next(&attempts, after: .transient(wish: .seconds(wish)), jitter: jitter) == .attempt(after: .milliseconds(wait)))
  }

  @Test func `the wait never grows beyond the longest, however many attempts there are`() {
    var attempts = attempts(Attempts.Policy(attempts: 100, backoff: .seconds(4), maxWait: .seconds(10)))
    let waits = (0..<99).map { _ in next(&attempts, after: .transient(wish: nil)) }
    #expect(
      waits.prefix(3) == [.attempt(after: .seconds(4)), .attempt(after: .seconds(8)), .attempt(after: .seconds(10))])
    #expect(waits.last == .attempt(after: .seconds(10)))
  }

  @Test func `one attempt means never again`() {
    var attempts = attempts(Attempts.Policy(attempts: 1, backoff: .zero, maxWait: .zero))
    #expect(next(&attempts, after: .keyLimited(wish: .zero), freshKey: true) == .giveUp)
  }

  // MARK: Keys

  @Test(arguments: [Verdict.keyRefused, .keyLimited(wish: nil), .keyLimited(wish: .seconds(3600))])
  func `another key is tried at once`(verdict: Verdict) {
    var attempts = attempts()
    #expect(next(&attempts, after: verdict, freshKey: true) == .attempt(after: .zero))
  }

  @Test func `a refused key is not tried again, a limited one after a wait`() {
    var attempts = attempts()
    #expect(next(&attempts, after: .keyLimited(wish: nil)) == .attempt(after: .seconds(1)))
    #expect(next(&attempts, after: .keyRefused) == .giveUp)
  }

  // MARK: Fallback

  @Test func `the other models come in turn, each with all its attempts`() {
    var attempts = attempts(Attempts.Policy(attempts: 2, backoff: .seconds(1), maxWait: .seconds(9)), models: 3)
    var order: [Int] = []
    while case .attempt = next(&attempts, after: .transient(wish: nil)) { order.append(attempts.current) }
    #expect(order == [0, 1, 1, 2, 2])
  }

  @Test(arguments: [Verdict.keyRefused, .refused, .transient(wish: .seconds(3600)), .keyLimited(wish: .seconds(3600))])
  func `where another try of the same is no use, the next model is asked at once`(verdict: Verdict) {
    var attempts = attempts(models: 2)
    #expect(next(&attempts, after: verdict) == .attempt(after: .zero))
    #expect(attempts.current == 1)
  }

  @Test func `a model that is left out comes after all others`() {
    var attempts = attempts(models: 4, leftOut: [0, 2])
    var order = [attempts.current]
    while case .attempt = next(&attempts, after: .keyRefused, leftOut: [0, 2]) { order.append(attempts.current) }
    #expect(order == [1, 3, 0, 2])
  }

  @Test func `what a model that stands in takes for a bad request is not the last word`() {
    var attempts = attempts(models: 3)
    #expect(next(&attempts, after: .keyRefused) == .attempt(after: .zero))
    #expect(next(&attempts, after: .final) == .attempt(after: .zero))
    #expect(attempts.current == 2)
    #expect(next(&attempts, after: .final) == .giveUp)
  }

  @Test func `where the model that was asked for comes last, its word is the last`() {
    var attempts = attempts(models: 2, leftOut: [0])
    #expect(next(&attempts, after: .final) == .attempt(after: .zero))
    #expect(attempts.current == 0)
    #expect(next(&attempts, after: .final) == .giveUp)
  }

  @Test func `where all are left out the one that was asked for is tried all the same`() {
    let attempts = attempts(models: 2, leftOut: [0, 1])
    #expect(attempts.current == 0)
  }

  @Test func `a model that is left out by now is not tried again as long as there is another`() {
    var attempts = attempts(models: 2)
    #expect(next(&attempts, after: .transient(wish: nil), leftOut: [0]) == .attempt(after: .zero))
    #expect(attempts.current == 1)
    #expect(next(&attempts, after: .transient(wish: nil), leftOut: [0, 1]) == .attempt(after: .seconds(1)))
    #expect(attempts.current == 1)
  }

  // MARK: Verdicts

  @Test(arguments: [
    (408, Verdict.transient(wish: nil)), (500, .transient(wish: nil)), (502, .transient(wish: nil)),
    (503, .transient(wish: nil)), (504, .transient(wish: nil)), (529, .transient(wish: nil)),
    (429, .keyLimited(wish: nil)), (401, .keyRefused), (402, .keyRefused), (403, .refused),
    (400, .final), (404, .final), (413, .final), (422, .final), (418, .final), (501, .final), (302, .final),
  ])
  func `a status tells whether another attempt makes sense`(status: Int, verdict: Verdict) {
    #expect(Verdict(ProviderFailure(status: status)) == verdict)
  }

  @Test func `a failure without a number is final, and so is the quota of this key`() {
    #expect(Verdict(ProviderFailure(message: "odd")) == .final)
    var failure = ProviderFailure(status: 429, retryAfter: 2)
    failure.isQuota = true
    #expect(Verdict(failure) == .keyRefused)
  }

  @Test func `a wish comes along, and nonsense in it does no harm`() {
    #expect(Verdict(ProviderFailure(status: 429, retryAfter: 0.5)) == .keyLimited(wish: .milliseconds(500)))
    #expect(Verdict(ProviderFailure(status: 503, retryAfter: -3)) == .transient(wish: .zero))
    #expect(Verdict(ProviderFailure(status: 503, retryAfter: 1e300)) == .transient(wish: .seconds(31_536_000)))
  }
}
