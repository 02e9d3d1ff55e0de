import Testing

@testable import Streaming

struct InstantTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  @Test func `time goes on by a duration, and back`() {
    let later = start + .milliseconds(1500)
    #expect(later.nanoseconds == 2_500_000_000)
    #expect(start < later)
    #expect(start.duration(to: later) == .milliseconds(1500))
    #expect(later.duration(to: start) == .milliseconds(-1500))
    #expect(start.advanced(by: .seconds(-1)).nanoseconds == 0)
  }

  @Test func `milliseconds are whole ones`() {
    #expect(start.milliseconds(to: start + .microseconds(1999)) == 1)
    #expect(start.milliseconds(to: start) == 0)
  }

  @Test func `a duration's nanoseconds are cut off below one and beyond 292 years`() {
    #expect(Duration.seconds(3).nanoseconds == 3_000_000_000)
    #expect(Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999).nanoseconds == 1)
    #expect(Duration.milliseconds(-5).nanoseconds == -5_000_000)
    #expect(Duration.seconds(Int64.max).nanoseconds == .max)
    #expect(Duration.seconds(Int64.min).nanoseconds == .min)
    #expect(
      Duration(secondsComponent: 9_223_372_036, attosecondsComponent: 999_999_999_000_000_000).nanoseconds == .max)
  }

  @Test func `a limit of centuries is no end of the world`() {
    #expect(start + .seconds(Int64.max) > start)
  }
}
