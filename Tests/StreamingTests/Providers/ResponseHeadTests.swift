import Testing

@testable import Streaming

struct ResponseHeadTests {
  private let now = 1_754_667_634.0  // Fri, 08 Aug 2025 15:40:34 GMT

  private func head(_ lines: String...) -> ResponseHead {
    var head = ResponseHead()
    for line in ["HTTP/1.1 429 Too Many Requests"] + lines {
      let bytes = (line + "\r\n").bytes
      head.consume(line: bytes.span, wallClock: now)
    }
    return head
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK", 200), ("HTTP/2 529", 529), ("HTTP/1.1 529 ", 529), ("HTTP/1.0 404 Not Found", 404),
    ("HTTP/1.1", 0), ("HTTP/1.1 abc", 0),
  ])
  func `the status is read`(line: String, status: Int) {
    #expect(head(line).status == status)
  }

  @Test(arguments: [
    ("none", true), ("identity", true), ("", true), ("gzip", false), ("BR", false), ("none, gzip", false),
  ])
  func `a content coding that is none is told from one`(value: String, isNone: Bool) {
    #expect(head("Content-Encoding: \(value)").namesNoCoding == isNone)
    #expect(!head().namesNoCoding)
  }

  @Test(arguments: [
    ("Content-Type: application/json", "application/json"),
    ("content-type:TEXT/Event-Stream; charset=utf-8", "text/event-stream"),
    ("CONTENT-TYPE: text/html ;charset=x", "text/html"), ("X-Content-Type: a/b", ""), ("Content-Type", ""),
  ])
  func `the content type is read without its parameters`(line: String, type: String) {
    #expect(head(line).contentType == type)
  }

  @Test func `a second head replaces the first, as after 100 Continue`() {
    let head = head("Retry-After: 5", "Content-Type: a/b", "", "HTTP/1.1 503 Busy", "Content-Type: c/d")
    #expect(head.status == 503)
    #expect(head.contentType == "c/d")
    #expect(head.retryAfter == nil)
  }

  @Test(
    arguments: [
      ("Retry-After: 34", 34), ("retry-after: 1.5", 1.5), ("Retry-After: 0", 0), ("Retry-After: -5", 0),
      ("Retry-After: soon", nil), ("Retry-After: nan", nil), ("Retry-After:", nil),
      ("Retry-After: Fri, 08 Aug 2025 15:41:34 GMT", 60), ("Retry-After: Fri, 08 Aug 2025 15:39:34 GMT", 0),
      ("Retry-After-Ms: 1500", 1.5), ("retry-after-ms: 0", nil), ("Retry-After-Ms: x", nil),
      ("X-Ratelimit-Reset: 1754667660000", 26), ("X-RateLimit-Reset: 1754667660", 26), ("x-ratelimit-reset: 12", 12),
      ("x-ratelimit-reset: 6m0s", 360), ("x-ratelimit-reset: 1754667600", 0), ("x-ratelimit-reset: x", nil),
    ] as [(String, Double?)])
  func `a retry time is read, in whatever form it comes`(line: String, seconds: Double?) {
    #expect(head(line).retryAfter == seconds)
  }

  @Test func `milliseconds count most, then seconds, a date, and the reset`() {
    #expect(head("Retry-After: 2", "Retry-After-Ms: 1500", "X-Ratelimit-Reset: 9").retryAfter == 1.5)
    #expect(head("X-Ratelimit-Reset: 9", "Retry-After: 2").retryAfter == 2)
    #expect(head("X-Ratelimit-Reset: 9", "Retry-After: Fri, 08 Aug 2025 15:41:34 GMT").retryAfter == 60)
    #expect(head("Retry-After: 1", "Retry-After-Ms: 0").retryAfter == 1)
  }

  @Test func `dates are reckoned from the provider's clock where it tells its own`() {
    let date = "Date: Thu, 01 Jan 2026 00:00:00 GMT"
    #expect(head(date, "Retry-After: Thu, 01 Jan 2026 00:00:10 GMT").retryAfter == 10)
    #expect(head(date, "X-Ratelimit-Reset: 1767225630").retryAfter == 30)
  }
}

struct RetryTimeTests {
  @Test(
    arguments: [
      ("34s", 34), ("48.9s", 48.9), ("120ms", 0.12), ("6m0s", 360), ("1h2m", 3720), ("1h1m1s500ms", 3661.5), ("0s", 0),
      ("", nil), ("34", nil), ("s", nil), ("5x", nil), ("-5s", nil), ("5 s", nil), ("5s-", nil), ("..s", nil),
      ("٣s", nil),
    ] as [(String, Double?)])
  func `a duration is read`(text: String, seconds: Double?) {
    #expect(RetryTime.seconds(text) == seconds)
  }

  @Test(
    arguments: [
      ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
      ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600), ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
      ("Wed, 28 Feb 2024 23:59:59 GMT", 1_709_164_799), ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
      ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200), ("Sat, 01 Mar 2025 00:00:00 GMT", 1_740_787_200),
      ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400), ("Sun, 31 Dec 2028 23:59:60 GMT", 1_861_920_000),
      ("Fri, 08 Aug 2025 15:40:34 GMT", 1_754_667_634),
    ] as [(String, Double)])
  func `an HTTP date is read, leap years too`(text: String, seconds: Double) {
    #expect(RetryTime.epochSeconds(text) == seconds)
  }

  @Test(arguments: [
    "", "soon", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 -1:49:37 GMT",
    "Sun, 06 Nov 1994 999999999999999999:49:37 GMT", "Sun, 06 Nov 99999999999999999 08:49:37 GMT",
  ])
  func `what is no such date is none`(text: String) {
    #expect(RetryTime.epochSeconds(text) == nil)
  }
}
