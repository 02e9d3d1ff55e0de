import Testing

@testable import Streaming

struct RequestRateTests {
  private static func at(_ seconds: Double) -> Instant { Generation.at(seconds) }

  /// Takes as many as pass at that moment.
  private func burst(_ rate: inout RequestRate, _ perMinute: Int, at seconds: Double) -> Int {
    var count = 0
    while rate.wait(perMinute, at: Self.at(seconds)) == .zero, count < 10_000 {
      rate.take(perMinute, at: Self.at(seconds))
      count += 1
    }
    return count
  }

  @Test(arguments: [1, 2, 7, 60, 600, 5999])
  func `a whole minute's allowance may come at once, and no more`(perMinute: Int) {
    var rate = RequestRate()
    #expect(burst(&rate, perMinute, at: 1000) == perMinute)
    #expect(rate.wait(perMinute, at: Self.at(1000)) > .zero)
  }

  @Test func `it comes back evenly`() {
    var rate = RequestRate()
    #expect(burst(&rate, 6, at: 0) == 6)
    #expect(rate.wait(6, at: Self.at(0)) == .seconds(10))
    #expect(rate.wait(6, at: Self.at(4)) == .seconds(6))
    #expect(burst(&rate, 6, at: 9.9) == 0)
    #expect(burst(&rate, 6, at: 10) == 1)
    #expect(burst(&rate, 6, at: 35) == 2)
    #expect(burst(&rate, 6, at: 1000) == 6)
  }

  @Test func `who keeps to it is never held up`() {
    var rate = RequestRate()
    for second in 0..<1000 {
      #expect(burst(&rate, 6, at: Double(second) * 10) >= 1)
    }
  }

  @Test func `in no minute there are more than twice the allowance`() {
    var rate = RequestRate()
    var taken: [Double] = []
    for step in 0..<6000 {
      let time = Double(step) / 10
      taken += Array(repeating: time, count: burst(&rate, 30, at: time))
    }
    for start in stride(from: 0.0, to: 540, by: 7) {
      let count = taken.count { (start..<start + 60).contains($0) }
      #expect(count <= 60)
    }
    #expect((300...331).contains(taken.count))
  }

  @Test func `what is given back can be taken again`() {
    var rate = RequestRate()
    #expect(burst(&rate, 3, at: 5) == 3)
    rate.giveBack(3)
    #expect(burst(&rate, 3, at: 5) == 1)
  }

  @Test func `it is whole again after a minute at the latest`() {
    var rate = RequestRate()
    #expect(rate.isWhole(at: Self.at(0)))
    _ = burst(&rate, 7, at: 0)
    #expect(!rate.isWhole(at: Self.at(59)))
    #expect(rate.isWhole(at: Self.at(60)))
  }

  @Test func `a lower allowance holds at once`() {
    var rate = RequestRate()
    #expect(burst(&rate, 60, at: 0) == 60)
    #expect(burst(&rate, 6, at: 30) == 3)
  }
}
