import Streaming

/// One stream as a client sees it: a response whose body is an event stream with numbered tokens.
struct StreamReader {
  enum Progress: Equatable {
    case more
    /// The response is over.
    case ended
    case failed(String)
  }

  private var response = ResponseReader()
  private var events = EventStreamParser(bound: 1 << 20)
  private(set) var check = TokenCheck()
  private var status = 0
  /// The terminal event came: without it a cut stream looks whole.
  private(set) var isDone = false
  private var failure: String?
  /// What came although the terminal event had come.
  private var excess: String?
  private var hint = 0
  private let startedAt: Instant
  private var lastTokenAt: Instant?

  init(startedAt: Instant) {
    self.startedAt = startedAt
  }

  var keepsConnection: Bool { response.keepsConnection }

  /// - Parameter now: when the bytes were read.
  mutating func read(_ input: Span<UInt8>, at now: Instant, into tally: inout Tally) -> Progress {
    var position = 0
    do {
      while let item = try response.next(in: input, from: &position) {
        switch item {
        case .head(let status): self.status = status
        case .body(let range) where status == 200: try readEvents(input.extracting(range), now, &tally)
        case .body(let range): readRefusal(input.extracting(range))
        case .end: return verdict(isWhole: true)
        }
      }
      return .more
    } catch let error as ResponseReader.Malformed {
      return .failed("malformed response: \(error.why)")
    } catch {
      return .failed("malformed event stream: \(error)")
    }
  }

  /// The connection ended.
  mutating func close() -> Progress {
    verdict(isWhole: response.close())
  }

  private func verdict(isWhole: Bool) -> Progress {
    if status == 0 { return .failed("no answer") }
    if status != 200 { return .failed("status \(status)\(failure.map { ": \($0)" } ?? "")") }
    if let failure { return .failed("an error inside the stream: \(failure)") }
    if let excess { return .failed("\(excess) after the terminal event") }
    if !isDone { return .failed("ended without its terminal event") }
    return isWhole ? .ended : .failed("broke off inside the body")
  }

  private mutating func readRefusal(_ body: Span<UInt8>) {
    guard failure == nil else { return }
    failure = Self.excerpt(body)
  }

  private mutating func readEvents(
    _ body: Span<UInt8>, _ now: Instant, _ tally: inout Tally
  ) throws(EventStreamParser.TooLong) {
    var position = 0
    while let item = try events.next(in: body, from: &position) {
      switch item {
      case .event(.input(let range)): readData(body.extracting(range), now, &tally)
      case .event(.carried(let range)):
        // Copied, as the parser cannot be lent and this changed at once; it is an event in thousands.
        let data = [UInt8](copying: events.carriedBytes.extracting(range))
        readData(data.span, now, &tally)
      case .unknownLine: failure = failure ?? "a line that is no field of an event stream"
      }
    }
  }

  private mutating func readData(_ data: Span<UInt8>, _ now: Instant, _ tally: inout Tally) {
    if let token = Token.find(in: data, hint: &hint) {
      if isDone { excess = excess ?? "a token" }
      take(token, now, &tally)
    } else if events.name.elementsEqual("error".utf8) || Self.excerpt(data, 8) == "{\"error\"" {
      failure = failure ?? Self.excerpt(data)
    } else if events.name.elementsEqual("done".utf8) || Self.excerpt(data, 8) == "[DONE]" {
      if isDone { excess = excess ?? "another terminal event" }
      isDone = true
    }
  }

  private mutating func take(_ token: Token, _ now: Instant, _ tally: inout Tally) {
    check.receive(token.number)
    tally.tokens += 1
    tally.delay.record(now.nanoseconds - token.sentAt)
    if let lastTokenAt {
      tally.gap.record(now.nanoseconds - lastTokenAt.nanoseconds)
    } else {
      tally.firstToken.record(now.nanoseconds - startedAt.nanoseconds)
    }
    lastTokenAt = now
  }

  /// The stream is over, which should have had so many tokens.
  ///
  /// - Returns: what it came to, now that this is known.
  mutating func end(_ progress: Progress, expected: Int) -> Progress {
    let count = check.next
    check.end(expected: expected)
    return progress == .ended && count > expected ? .failed("more than \(expected) tokens") : progress
  }

  /// The beginning of it, on one line.
  private static func excerpt(_ bytes: Span<UInt8>, _ length: Int = 120) -> String {
    let text = String(copying: bytes.extracting(0..<min(length, bytes.count)))
    return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }
}
