import Testing

@testable import Streaming

struct LedgerTests {
  private static let wall = 20_000 * 86_400 + 86_000
  private static func at(_ seconds: Double) -> Instant { Generation.at(seconds) }
  private static func client(_ number: Int) -> ClientID { ClientID(addressHigh: 0, low: UInt64(number)) }

  private static func claims(
    _ number: Int = 1, streams: Int = 0, requests: Int = 0, key: String? = nil, _ quota: Quota = Quota()
  ) -> Claims {
    Claims(client: client(number), Quota(streams: streams, requestsPerMinute: requests), key: key, quota)
  }

  private func admit(_ ledger: inout Ledger, _ claims: Claims, at seconds: Double = 1, wall: Int = wall) -> Refusal? {
    ledger.admit(claims, at: Self.at(seconds), wall: wall)
  }

  private func end(_ ledger: inout Ledger, _ claims: Claims, tokens: Int = 0, at seconds: Double = 1) {
    ledger.end(claims, tokens: tokens, at: Self.at(seconds), wall: Self.wall)
  }

  @Test func `streams are counted for each client`() {
    var ledger = Ledger()
    let (one, two) = (Self.claims(1, streams: 2), Self.claims(2, streams: 2))
    #expect(admit(&ledger, one) == nil && admit(&ledger, one) == nil && admit(&ledger, two) == nil)
    #expect(admit(&ledger, one) == Refusal(.clientStreams, wait: .seconds(1)))
    end(&ledger, one)
    #expect(admit(&ledger, one) == nil)
  }

  @Test func `a refusal costs nothing, of no limit`() {
    var ledger = Ledger()
    let quota = Quota(streams: 1, requestsPerMinute: 100)
    let claims = Self.claims(requests: 2, key: "k", quota)
    #expect(admit(&ledger, claims) == nil)
    for _ in 0..<50 { #expect(admit(&ledger, claims)?.limit == .keyStreams) }
    end(&ledger, claims)
    #expect(admit(&ledger, claims) == nil)
    end(&ledger, claims)
    #expect(admit(&ledger, claims)?.limit == .clientRequests)
  }

  @Test func `of several limits the one that lasts longest is told`() {
    var ledger = Ledger()
    let quota = Quota(streams: 1, requestsPerMinute: 1, tokensPerDay: 1)
    let claims = Self.claims(streams: 1, requests: 1, key: "k", quota)
    #expect(admit(&ledger, claims) == nil)
    #expect(admit(&ledger, claims) == Refusal(.clientRequests, wait: .seconds(60)))
    end(&ledger, claims, tokens: 1)
    #expect(admit(&ledger, claims) == Refusal(.keyTokens, wait: .seconds(400)))
    #expect(admit(&ledger, claims, at: 500, wall: Self.wall + 400) == nil)
  }

  @Test func `a key's tokens are refused once they are reached`() {
    var ledger = Ledger()
    let claims = Self.claims(key: "k", Quota(tokensPerDay: 10))
    for _ in 0..<2 {
      #expect(admit(&ledger, claims) == nil)
      end(&ledger, claims, tokens: 5)
    }
    #expect(admit(&ledger, claims)?.limit == .keyTokens)
    #expect(admit(&ledger, Self.claims(key: "other", Quota(tokensPerDay: 10))) == nil)
  }

  @Test func `what somebody else refused is taken back`() {
    var ledger = Ledger()
    let claims = Self.claims(streams: 1, requests: 2)
    for _ in 0..<10 {
      #expect(admit(&ledger, claims) == nil)
      ledger.takeBack(claims, at: Self.at(1), wall: Self.wall)
    }
    #expect(admit(&ledger, claims) == nil)
  }

  @Test func `who has no limit is not counted`() {
    var ledger = Ledger()
    let claims = Self.claims(key: "k")
    #expect(claims.isEmpty && admit(&ledger, claims) == nil)
    #expect(ledger.clientCount == 0)
  }

  @Test func `clients of whom nothing need be known are forgotten by and by`() {
    var ledger = Ledger()
    for number in 0..<1000 {
      let claims = Self.claims(number, requests: 6)
      #expect(admit(&ledger, claims, at: Double(number) / 100) == nil)
      end(&ledger, claims, at: Double(number) / 100)
    }
    #expect(ledger.clientCount == 1000)
    for number in 0..<600 {
      let claims = Self.claims(2000 + number, requests: 6)
      #expect(admit(&ledger, claims, at: 100) == nil)
      end(&ledger, claims, at: 100)
    }
    #expect(ledger.clientCount == 600)
  }

  @Test func `a client without a rate is forgotten with its last stream`() {
    var ledger = Ledger()
    let claims = Self.claims(streams: 2)
    #expect(admit(&ledger, claims) == nil)
    #expect(ledger.clientCount == 1)
    end(&ledger, claims)
    #expect(ledger.clientCount == 0)
  }

  @Test func `at the bound the oldest idle client goes, and nobody with a running stream`() {
    var ledger = Ledger(clientBound: 3)
    let busy = Self.claims(0, streams: 1)
    #expect(admit(&ledger, busy) == nil)
    for number in 1...5 {
      let claims = Self.claims(number, requests: 1)
      #expect(admit(&ledger, claims) == nil)
      end(&ledger, claims)
    }
    #expect(ledger.clientCount == 3)
    #expect(admit(&ledger, busy)?.limit == .clientStreams)
    // 4 and 5 are known, 3 is not any more.
    #expect(admit(&ledger, Self.claims(5, requests: 1))?.limit == .clientRequests)
    #expect(admit(&ledger, Self.claims(4, requests: 1))?.limit == .clientRequests)
    #expect(admit(&ledger, Self.claims(3, requests: 1)) == nil)
  }

  @Test func `no number of clients makes a key's tokens be forgotten`() {
    var ledger = Ledger(clientBound: 10)
    let key = Self.claims(key: "k", Quota(tokensPerDay: 1))
    #expect(admit(&ledger, key) == nil)
    end(&ledger, key, tokens: 1)
    for number in 0..<100 {
      let claims = Self.claims(number, requests: 1)
      _ = admit(&ledger, claims)
      end(&ledger, claims)
    }
    #expect(admit(&ledger, key)?.limit == .keyTokens)
  }

  /// Against a plain model: whatever comes in whatever order, counts agree and the table stays whole.
  @Test(arguments: 0..<20)
  func `any order of events leaves the counts right`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var ledger = Ledger(clientBound: 8)
    var running = [Int](repeating: 0, count: 20)
    for step in 0..<2000 {
      let number = Int.random(in: 0..<20, using: &generator)
      let claims = Self.claims(number, streams: 2, requests: 1_000_000)
      let second = 1 + Double(step) / 10
      if Bool.random(using: &generator) {
        let refusal = admit(&ledger, claims, at: second)
        #expect((refusal?.limit == .clientStreams) == (running[number] == 2))
        if refusal == nil { running[number] += 1 }
      } else if running[number] > 0 {
        end(&ledger, claims, at: second)
        running[number] -= 1
      }
      #expect(ledger.clientCount >= running.count { $0 > 0 })
      #expect(ledger.clientCount <= max(8, running.count { $0 > 0 }) + 1)
    }
  }

  @Test(arguments: [(0.001, 1), (1, 1), (1.001, 2), (59.2, 60)])
  func `the wait is told in whole seconds, rounded up`(seconds: Double, told: Int) {
    let failure = Refusal(.keyRequests, wait: .seconds(seconds)).failure(Self.claims(key: "k", Quota(streams: 1)))
    #expect(failure.retryAfter == told && failure.status == 429 && failure.limit == .keyRequests)
  }
}
