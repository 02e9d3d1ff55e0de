import Testing

@testable import Streaming

struct DayTokensTests {
  private static let midnight = 20_000 * 86_400

  @Test func `a day's tokens add up until midnight UTC`() {
    var tokens = DayTokens()
    tokens.add(5, at: Self.midnight)
    tokens.add(7, at: Self.midnight + 86_399)
    #expect(tokens.used(at: Self.midnight + 86_399) == 12)
    #expect(tokens.used(at: Self.midnight + 86_400) == 0)
    tokens.add(1, at: Self.midnight + 86_400)
    #expect(tokens.used(at: Self.midnight + 86_400) == 1)
  }

  @Test(arguments: [(0, 86_400), (1, 86_399), (86_399, 1)])
  func `the rest of a day is told to the second`(second: Int, rest: Int) {
    #expect(DayTokens.rest(of: Self.midnight + second) == .seconds(rest))
  }

  @Test func `a clock that was put back begins a day anew and breaks nothing`() {
    var tokens = DayTokens()
    tokens.add(5, at: Self.midnight)
    #expect(tokens.used(at: Self.midnight - 1) == 0)
    tokens.add(3, at: Self.midnight - 1)
    #expect(tokens.used(at: Self.midnight - 1) == 3)
  }
}
