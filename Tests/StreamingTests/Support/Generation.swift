import Foundation

@testable import Streaming

/// A generation without a loop: the provider's bytes go in, the client's come out, and the time is whatever is said.
struct Generation {
  static let start = Instant(nanoseconds: 1_000_000_000_000)
  static let clocks = clocks(firstToken: .seconds(60))

  static func clocks(firstToken: Duration) -> Lifecycle.Clocks {
    Lifecycle.Clocks(
      firstToken: firstToken, idle: .seconds(60), total: .seconds(600), clientStall: .seconds(60), ping: .seconds(15),
      hold: .seconds(5))
  }

  var lifecycle: Lifecycle
  /// What the client has taken.
  private(set) var received: [UInt8] = []
  /// There is one attempt, so its failure is the end.
  var givesUp = true

  init(
    mark: BackpressureBuffer.Mark = .bytes(65_536), lineBound: Int = 1 << 20, price: Price? = nil,
    clocks: Lifecycle.Clocks = Self.clocks, wire: Wire = .openai, form: AnswerForm = .events
  ) {
    lifecycle = Lifecycle(
      subject: Lifecycle.Subject(requestID: "r1", fields: [("X-Request-Id", "r1")]), form: form, clocks: clocks,
      mark: mark, lineBound: lineBound, asking: .acme(price: price), on: wire, at: Self.start, wallClock: 1_700_000_000)
  }

  static func at(_ seconds: Double) -> Instant { start + .seconds(seconds) }

  /// A generation whose provider has answered with a 200 and an event stream.
  static func streaming(
    _ text: String = "", at seconds: Double = 0, wire: Wire = .openai, form: AnswerForm = .events
  ) -> Generation {
    var generation = Generation(wire: wire, form: form)
    generation.head()
    if !text.isEmpty { generation.send(text, at: seconds) }
    return generation
  }

  mutating func head(_ status: Int = 200, _ contentType: String = "text/event-stream", _ fields: String...) {
    var head = ResponseHead()
    for line in ["HTTP/1.1 \(status) X", "Content-Type: \(contentType)"] + fields {
      let bytes = line.bytes
      head.consume(line: bytes.span, wallClock: 0)
    }
    lifecycle.receive(head: head)
  }

  @discardableResult
  mutating func send(_ text: String, at seconds: Double = 0) -> Lifecycle.Action { send(text.bytes, at: seconds) }

  @discardableResult
  mutating func send(_ bytes: [UInt8], at seconds: Double = 0) -> Lifecycle.Action {
    var room: [UInt8] = []
    return giveUp(lifecycle.receive(bytes.span, into: &room, at: Self.at(seconds)).action, at: seconds)
  }

  @discardableResult
  mutating func end(_ end: Lifecycle.UpstreamEnd = .complete, at seconds: Double = 0) -> Lifecycle.Action {
    giveUp(lifecycle.upstreamEnded(end, at: Self.at(seconds)), at: seconds)
  }

  @discardableResult
  mutating func tick(at seconds: Double) -> Lifecycle.Action {
    giveUp(lifecycle.tick(at: Self.at(seconds)), at: seconds)
  }

  private mutating func giveUp(_ action: Lifecycle.Action, at seconds: Double) -> Lifecycle.Action {
    guard givesUp, action == .attemptFailed, let failure = lifecycle.failedAttempt?.failure else { return action }
    return lifecycle.fail(failure, at: Self.at(seconds))
  }

  /// The client takes so many bytes, or all that there are.
  @discardableResult
  mutating func take(_ count: Int? = nil, at seconds: Double = 0) -> BackpressureBuffer.Change? {
    let count = min(count ?? .max, lifecycle.buffer.count)
    received += waiting.prefix(count)
    var room: [UInt8] = []
    return lifecycle.send(returning: &room, at: Self.at(seconds)) { _, _ in (count, ()) }.change
  }

  var waiting: [UInt8] { [UInt8](copying: lifecycle.buffer.waiting) }
  var answer: Answer { Answer(received + waiting) }

  /// Seconds from the start until something is due.
  var deadline: Double? {
    var copy = lifecycle
    return copy.takeDeadline().map { Double($0.nanoseconds - Self.start.nanoseconds) / 1e9 }
  }

  var failure: Failure? {
    if case .failed(let failure)? = lifecycle.outcome { failure } else { nil }
  }
}

extension ReplyReader {
  /// What the last item says, however that was seen.
  var said: [Delta] {
    switch piece {
    case .text(let literal)?: [.text(literal)]
    case .reasoning(let literal)?: [.reasoning(literal)]
    case nil: deltas
    }
  }
}

extension Lifecycle.Speaker {
  static func acme(price: Price? = nil) -> Self {
    Self(model: "acme/m", provider: "acme", price: price, secrets: ["sk-secret"])
  }
}

/// The OpenAI wire's events as a provider writes them.
enum Chunk {
  static func event(_ data: String) -> String { "data: \(data)\n\n" }

  static func token(_ text: String) -> String { delta(#"{"content":\#(literal(text))}"#) }
  static func reasoning(_ text: String) -> String { delta(#"{"reasoning_content":\#(literal(text))}"#) }
  static func refusal(_ text: String) -> String { delta(#"{"refusal":\#(literal(text))}"#) }
  static func call(_ name: String) -> String {
    delta(#"{"tool_calls":[{"index":0,"id":"c1","function":{"name":"\#(name)","arguments":"{}"}}]}"#)
  }
  static func finish(_ reason: String = "stop") -> String {
    event(#"{"choices":[{"index":0,"delta":{},"finish_reason":"\#(reason)"}]}"#)
  }
  static func usage(_ prompt: Int, _ completion: Int) -> String {
    event(#"{"choices":[],"usage":{"prompt_tokens":\#(prompt),"completion_tokens":\#(completion)}}"#)
  }
  static func error(_ status: Int, _ message: String) -> String {
    event(#"{"error":{"message":"\#(message)","code":\#(status)}}"#)
  }
  static let role = delta(#"{"role":"assistant","content":""}"#)
  static let done = event("[DONE]")

  private static func delta(_ delta: String) -> String {
    event(#"{"choices":[{"index":0,"delta":\#(delta),"finish_reason":null}]}"#)
  }

  private static func literal(_ text: String) -> String {
    let data = try? JSONSerialization.data(withJSONObject: text, options: .fragmentsAllowed)
    return String(Array(data ?? Data()))
  }
}
