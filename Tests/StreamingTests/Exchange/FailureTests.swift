import Testing

@testable import Streaming

/// DESIGN section 3, "Failures".
struct FailureTests {
  private func told(_ failure: ProviderFailure, secrets: [String] = []) -> Failure {
    Failure(failure, of: "acme", secrets: secrets)
  }

  @Test(
    arguments: [
      (401, 502, "upstream_rejected"), (402, 502, "upstream_rejected"), (403, 502, "upstream_rejected"),
      (400, 400, "bad_request"), (404, 400, "bad_request"), (413, 400, "bad_request"), (422, 400, "bad_request"),
      (429, 429, "rate_limited"), (500, 502, "upstream_failed"), (502, 502, "upstream_failed"),
      (504, 502, "upstream_failed"), (503, 503, "overloaded"), (529, 503, "overloaded"), (408, 502, "upstream_failed"),
      (418, 502, "upstream_failed"), (301, 502, "upstream_failed"), (204, 502, "upstream_failed"),
      (0, 502, "upstream_failed"),
      (nil, 502, "upstream_failed"),
    ] as [(Int?, Int, String)])
  func `what a provider refused becomes our status and type`(theirs: Int?, ours: Int, type: String) {
    let failure = told(ProviderFailure(status: theirs, message: "why"))
    #expect(failure.status == ours)
    #expect(failure.kind.rawValue == type)
    #expect(failure.message.contains("acme"))
  }

  @Test(arguments: [400, 422, 429, 500, 503, nil] as [Int?])
  func `its message is passed on`(status: Int?) {
    #expect(told(ProviderFailure(status: status, message: "why it failed")).message.contains("why it failed"))
  }

  @Test(arguments: [401, 402, 403])
  func `what it says of our key is nobody's business`(status: Int) {
    #expect(!told(ProviderFailure(status: status, message: "account 77 is blocked")).message.contains("77"))
  }

  @Test func `our keys are blacked out, wherever they stand`() {
    let failure = ProviderFailure(status: 400, message: "sk-1 is bad, so is sk-1, and key-two")
    let message = told(failure, secrets: ["sk-1", "", "key-two"]).message
    #expect(!message.contains("sk-1") && !message.contains("key-two"))
    #expect(message.contains("[key] is bad, so is [key], and [key]"))
  }

  @Test func `no part of a key is left where another key is a part of it`() {
    for secrets in [["sk-1", "sk-1-long"], ["sk-1-long", "sk-1"]] {
      #expect(!told(ProviderFailure(status: 400, message: "bad: sk-1-long"), secrets: secrets).message.contains("long"))
    }
  }

  @Test func `a long message is cut`() {
    let message = told(ProviderFailure(status: 400, message: String(repeating: "é", count: 100_000))).message
    #expect(message.count < 2200)
    #expect(message.hasSuffix("…"))
  }

  @Test(arguments: [
    (34.0, 34), (0, 0), (0.001, 1), (1.2, 2), (48.9, 49), (-3, 0), (1e300, 31_536_000), (.infinity, 31_536_000),
    (.nan, 0),
  ])
  func `a retry time is passed on in whole seconds, rounded up`(theirs: Double, ours: Int) {
    #expect(told(ProviderFailure(status: 429, retryAfter: theirs)).retryAfter == ours)
  }

  @Test func `what may go away is worth another try`() {
    let lasting: Set<Failure.Kind> = [.badRequest, .unauthorized, .upstreamRejected]
    for kind in Failure.Kind.allCases { #expect(Failure(kind, "x").isRetryable == !lasting.contains(kind)) }
    var quota = ProviderFailure(status: 429, message: "no money")
    quota.isQuota = true
    #expect(!told(quota).isRetryable)
    #expect(told(ProviderFailure(status: 429)).isRetryable)
  }

  @Test(arguments: [
    ("bad_request", 400), ("unauthorized", 401), ("overloaded", 503), ("rate_limited", 429),
    ("upstream_unreachable", 502),
    ("upstream_rejected", 502), ("upstream_failed", 502), ("upstream_truncated", 502), ("upstream_malformed", 502),
    ("timeout_first_token", 504), ("timeout_idle", 504), ("timeout_total", 504), ("shutting_down", 503),
  ])
  func `each type has its status`(type: String, status: Int) throws {
    #expect(Failure(try #require(Failure.Kind(rawValue: type)), "x").status == status)
    #expect(Failure.Kind.allCases.count == 13)
  }
}
