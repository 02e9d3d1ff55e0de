import Testing

@testable import Streaming

struct BreakerTests {
  private static func at(_ seconds: Double) -> Instant { Generation.at(seconds) }

  private func admits(_ breaker: inout Breaker, at seconds: Double) -> Bool { breaker.admit(at: Self.at(seconds)) }

  /// One that has just opened at 0 s.
  private func opened() -> Breaker {
    var breaker = Breaker()
    for _ in 0..<Breaker.threshold { breaker.failed(at: Self.at(0)) }
    return breaker
  }

  @Test func `a few failures do not open it`() {
    var breaker = Breaker()
    for _ in 1..<Breaker.threshold { breaker.failed(at: Self.at(0)) }
    #expect(admits(&breaker, at: 0))
    breaker.failed(at: Self.at(0))
    #expect(!admits(&breaker, at: 0))
  }

  @Test func `a success between them makes the count begin anew`() {
    var breaker = Breaker()
    for _ in 0..<3 * Breaker.threshold {
      for _ in 1..<Breaker.threshold { breaker.failed(at: Self.at(0)) }
      breaker.succeeded()
    }
    #expect(admits(&breaker, at: 0))
  }

  @Test func `when its time is over one may try, and the others wait for what comes of it`() {
    var breaker = opened()
    #expect(!admits(&breaker, at: 29))
    #expect(admits(&breaker, at: 30))
    #expect(!admits(&breaker, at: 30))
  }

  @Test func `that one's success closes it, its failure leaves it open for as long again`() {
    var (well, ill) = (opened(), opened())
    #expect(admits(&well, at: 30))
    #expect(admits(&ill, at: 30))
    well.succeeded()
    #expect(admits(&well, at: 31))
    ill.failed(at: Self.at(40))
    #expect(!admits(&ill, at: 69))
    #expect(admits(&ill, at: 70))
  }

  @Test func `it is open from the last failure until its time is over`() {
    var breaker = Breaker()
    #expect(!breaker.isOpen(at: Self.at(0)))
    breaker = opened()
    #expect(breaker.isOpen(at: Self.at(29.9)))
    #expect(!breaker.isOpen(at: Self.at(30)))
    // Who tries now keeps the others out meanwhile.
    #expect(admits(&breaker, at: 31) && breaker.isOpen(at: Self.at(31)))
    breaker.succeeded()
    #expect(!breaker.isOpen(at: Self.at(32)))
  }
}
