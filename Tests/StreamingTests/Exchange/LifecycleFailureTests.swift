import Testing

@testable import Streaming

/// What a client is told of a generation that fails: by the status line where nothing went out before, else by an event.
struct LifecycleFailureTests {
  /// A failure that came before any output.
  private func expectStatus(
    _ generation: Generation, _ status: Int, _ type: String, _ location: SourceLocation = #_sourceLocation
  ) {
    let answer = generation.answer
    let body = (try? foundationObject(answer.body.bytes)) ?? [:]
    #expect(answer.status == status, sourceLocation: location)
    #expect(answer.fields["Content-Type"] == "application/problem+json", sourceLocation: location)
    #expect(answer.fields["X-Request-Id"] == "r1", sourceLocation: location)
    #expect((body["type"] as? String)?.hasSuffix(type) == true, sourceLocation: location)
    #expect(body["status"] as? Int == status, sourceLocation: location)
    #expect(generation.lifecycle.status == status, sourceLocation: location)
  }

  /// A failure that came after "a".
  private func expectEvent(
    _ generation: Generation, _ status: Int, _ type: String, _ location: SourceLocation = #_sourceLocation
  ) {
    let answer = generation.answer
    #expect(answer.status == 200, sourceLocation: location)
    #expect(answer.text == "a", sourceLocation: location)
    #expect(answer.terminals.map(\.name) == ["error"], sourceLocation: location)
    #expect(answer.terminals.first?.id == "r1.end", sourceLocation: location)
    #expect(answer.terminals.first?.json["type"] as? String == type, sourceLocation: location)
    #expect(answer.terminals.first?.json["status"] as? Int == status, sourceLocation: location)
  }

  private static let shapes: [(String, Int, String)] = [
    (Chunk.error(429, "slow down"), 429, "rate_limited"),
    (Chunk.event(#"{"error":{"message":"it broke"}}"#), 502, "upstream_failed"),
    ("event: error\ndata: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n", 503, "overloaded"),
    ("error: {\"code\":401,\"message\":\"whose key\"}\n\n", 502, "upstream_rejected"),
    (Chunk.event(#"{"choices":[],"error":{"message":"too long","code":400}}"#), 400, "bad_request"),
    (Chunk.event(#"{"choices":[{"delta":{"content":"tw"#), 502, "upstream_malformed"),
    (Chunk.event("{\"choices\":[{\"delta\":{\"content\":\"\u{1}\"}}]}"), 502, "upstream_malformed"),
  ]

  @Test(arguments: shapes)
  func `a failure inside the stream ends it at once`(event: String, status: Int, type: String) {
    var generation = Generation.streaming()
    #expect(generation.send(event + Chunk.token("late") + Chunk.done) == .finish)
    expectStatus(generation, status, type)
    expectEvent(.streaming(Chunk.token("a") + event + Chunk.token("late") + Chunk.done), status, type)
  }

  @Test(arguments: [1, 7])
  func `a failure is told however its bytes are cut`(size: Int) {
    for (event, status, type) in Self.shapes {
      var generation = Generation.streaming(Chunk.token("a"))
      for piece in Chunkings.pieces((event + Chunk.done).bytes, of: size) { generation.send(piece) }
      expectEvent(generation, status, type)
    }
  }

  @Test func `broken UTF-8 never reaches the client`() {
    var generation = Generation.streaming(Chunk.token("a"))
    generation.send("data: {\"choices\":[{\"delta\":{\"content\":\"".bytes + [0xE2, 0x82] + "\"}}]}\n\n".bytes)
    expectEvent(generation, 502, "upstream_malformed")
  }

  @Test func `a line over the bound ends the stream`() {
    for size in [0, 100] {
      var generation = Generation(lineBound: 1000)
      generation.head()
      generation.send(Chunk.token("a"))
      for piece in Chunkings.pieces(Chunk.token(String(repeating: "x", count: 2000)).bytes, of: size) {
        generation.send(piece)
      }
      expectEvent(generation, 502, "upstream_malformed")
    }
  }

  // MARK: Replies that are no event stream

  @Test func `bare JSON after the last event is a failure, though the answer had finished`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.finish())
    generation.send("{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"busy\"\n  }\n}\n")
    generation.end()
    expectEvent(generation, 503, "overloaded")
  }

  @Test func `bare JSON without any event is a failure, in a list too`() {
    for body in ["{\n \"error\": {\n \"code\": 503 } }", "[{\n \"error\": {\n \"code\": 503 }\n}\n]\n"] {
      for size in [0, 1] {
        var generation = Generation.streaming()
        for piece in Chunkings.pieces(body.bytes, of: size) { generation.send(piece) }
        generation.end()
        expectStatus(generation, 503, "overloaded")
      }
    }
  }

  @Test(arguments: ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"])
  func `an answer in one piece of JSON is told as if it had been streamed`(type: String) {
    let body =
      #"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"length"}],"#
      + #""usage":{"prompt_tokens":1,"completion_tokens":2}}"#
    for size in [0, 1] {
      var generation = Generation()
      generation.head(200, type)
      for piece in Chunkings.pieces(body.bytes, of: size) { generation.send(piece) }
      #expect(generation.waiting.isEmpty)
      generation.end()
      #expect(generation.answer.text == "a")
      #expect(generation.answer.terminals.first?.json["finish_reason"] as? String == "length")
      #expect(generation.lifecycle.usage == Usage(promptTokens: 1, completionTokens: 2))
    }
  }

  @Test(arguments: [
    (#"{"error":{"message":"slow down","code":429}}"#, 429, "rate_limited"),
    (#"[{"error":{"code":503}}]"#, 503, "overloaded"),
    (#"{"choices":["#, 502, "upstream_malformed"), ("hello", 502, "upstream_malformed"),
    ("", 502, "upstream_truncated"),
    (" \n", 502, "upstream_truncated"), ("{}", 502, "upstream_truncated"),
  ])
  func `a 200 of JSON that is no answer is a failure`(body: String, status: Int, type: String) {
    var generation = Generation()
    generation.head(200, "application/json")
    generation.send(body)
    generation.end()
    expectStatus(generation, status, type)
  }

  @Test func `a 200 of HTML is a failure that says so`() {
    var generation = Generation()
    generation.head(200, "text/html; charset=utf-8")
    generation.send("<!DOCTYPE html>\n<html>\n<body>Sign in: now</body>\n</html>\n")
    generation.end()
    expectStatus(generation, 502, "upstream_malformed")
    #expect(generation.failure?.message.contains("text/html") == true)
    #expect(generation.failure?.message.contains("Sign in") == false)
  }

  @Test func `an empty 200 is a failure`() {
    var generation = Generation.streaming()
    generation.end()
    expectStatus(generation, 502, "upstream_truncated")
  }

  // MARK: Refusals

  @Test(arguments: [Lifecycle.UpstreamEnd.complete, .brokenOff])
  func `a reply that is no 200 is told by its status, with its message`(end: Lifecycle.UpstreamEnd) {
    var generation = Generation()
    generation.head(400, "application/json")
    for piece in Chunkings.pieces(#"{"error":{"message":"prompt is too long"}}"#.bytes, of: 5) {
      #expect(generation.send(piece) == .nothing)
    }
    generation.end(end)
    expectStatus(generation, 400, "bad_request")
    #expect(generation.failure?.message.contains("prompt is too long") == true)
  }

  @Test func `when to come back is passed on in a header, and in an event`() {
    var refused = Generation()
    refused.head(429, "application/json", "Retry-After: 1.2")
    refused.end()
    #expect(refused.answer.fields["Retry-After"] == "2")
    let told = #"{"error":{"code":429,"details":[{"retryDelay":"34s"}]}}"#
    #expect(
      Generation.streaming(Chunk.token("a") + Chunk.event(told)).answer.terminals.first?.json["retry_after"] as? Int
        == 34)
  }

  @Test func `Retry-After on a 200 means nothing`() {
    var generation = Generation()
    generation.head(200, "text/event-stream", "Retry-After: 60")
    generation.send(Chunk.error(429, "slow down"))
    expectStatus(generation, 429, "rate_limited")
    #expect(generation.answer.fields["Retry-After"] == nil)
  }

  @Test func `an endless refusal is read no further than its bound`() {
    var generation = Generation()
    generation.head(500, "text/plain")
    for _ in 0..<100 { generation.send([UInt8](repeating: 0x61, count: 10_000)) }
    generation.end()
    expectStatus(generation, 502, "upstream_failed")
  }

  @Test func `our key never comes back`() {
    for event in [Chunk.error(400, "sk-secret is bad"), "event: error\ndata: sk-secret is bad\n\n"] {
      for start in ["", Chunk.token("a")] {
        let bytes = Generation.streaming(start + event).waiting
        #expect(bytes.firstRange(of: "sk-secret".bytes) == nil)
        #expect(bytes.firstRange(of: "is bad".bytes) != nil)
      }
    }
  }

  // MARK: No reply

  @Test(arguments: [
    (Lifecycle.UpstreamEnd.unreachable("connection refused"), 502, "upstream_unreachable"),
    (.connectTimedOut, 504, "upstream_unreachable"), (.brokenOff, 502, "upstream_truncated"),
    (.noResponse, 502, "upstream_malformed"),
  ])
  func `a provider that cannot be reached is told by the status`(end: Lifecycle.UpstreamEnd, status: Int, type: String)
  {
    var generation = Generation()
    #expect(generation.end(end) == .finish)
    expectStatus(generation, status, type)
  }

  @Test func `a failure of our own is told once`() {
    var generation = Generation.streaming(Chunk.token("a"))
    #expect(generation.lifecycle.fail(Failure(.shuttingDown, "x"), at: Generation.at(1)) == .finish)
    #expect(generation.lifecycle.fail(Failure(.shuttingDown, "x"), at: Generation.at(1)) == .nothing)
    expectEvent(generation, 503, "shutting_down")
  }

  @Test func `a client that left is told nothing`() {
    var generation = Generation.streaming()
    generation.lifecycle.clientLeft()
    #expect(generation.lifecycle.outcome == .clientLeft)
    #expect(generation.send(Chunk.token("a")) == .nothing)
    #expect(generation.end(.brokenOff) == .nothing)
    #expect(generation.waiting.isEmpty)
    #expect(generation.deadline == nil)
  }

  @Test func `a client that leaves before it has taken the end has not been answered`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.finish() + Chunk.done)
    #expect(generation.lifecycle.outcome == .done(.stop))
    generation.lifecycle.clientLeft()
    #expect(generation.lifecycle.outcome == .clientLeft)
  }

  @Test func `a client that leaves after the end has been answered`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.finish() + Chunk.done)
    generation.take()
    generation.lifecycle.clientLeft()
    #expect(generation.lifecycle.outcome == .done(.stop))
  }
}
