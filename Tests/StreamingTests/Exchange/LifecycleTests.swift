import Testing

@testable import Streaming

/// What goes out of a generation that goes well, and what ends it.
struct LifecycleTests {
  @Test func `an answer is its tokens in order, and one done`() throws {
    var generation = Generation.streaming(Chunk.role + Chunk.token("Hel"), at: 0.041)
    generation.send(Chunk.token("lo é😀\n"), at: 1)
    generation.send(Chunk.finish() + Chunk.usage(9, 4) + Chunk.done, at: 2.0415)
    let answer = generation.answer
    #expect(answer.status == 200)
    #expect(answer.text == "Hello é😀\n")
    #expect(answer.events.map(\.name) == ["message", "message", "done"])
    #expect(answer.strayLines.isEmpty)
    let done = try #require(answer.terminals.first)
    #expect(done.id == "r1.end")
    #expect(done.json["id"] as? String == "r1")
    #expect(done.json["model"] as? String == "acme/m")
    #expect(done.json["finish_reason"] as? String == "stop")
    #expect(done.json["ttft_ms"] as? Int == 41)
    #expect(done.json["duration_ms"] as? Int == 2041)
    #expect((done.json["usage"] as? [String: Int])?["total_tokens"] == 13)
    #expect(generation.lifecycle.outcome == .done(.stop))
    #expect(generation.lifecycle.tokenCount == 2)
  }

  @Test(arguments: [1, 2, 3, 7, 50])
  func `the same comes out however the provider's bytes are cut`(size: Int) {
    let stream =
      Chunk.role + Chunk.reasoning("hm") + Chunk.token("é€😀") + Chunk.call("f") + Chunk.finish("tool_calls")
      + Chunk.done
    var whole = Generation.streaming(stream)
    var cut = Generation.streaming()
    for piece in Chunkings.pieces(stream.bytes, of: size) { cut.send(piece) }
    #expect(cut.waiting == whole.waiting)
    whole.take()
    #expect(whole.answer.terminals.count == 1)
  }

  // MARK: The status line

  @Test func `the status is held until the first output`() {
    var generation = Generation.streaming()
    #expect(generation.send(": hello\n\n" + Chunk.role + Chunk.usage(1, 0)) == .nothing)
    #expect(generation.lifecycle.status == 0)
    #expect(generation.waiting.isEmpty)
    #expect(generation.send(Chunk.token("a")) == .send)
    #expect(generation.lifecycle.status == 200)
    #expect(generation.answer.fields["X-Request-Id"] == "r1")
    #expect(generation.answer.fields["Cache-Control"] == "no-cache, no-transform")
    #expect(generation.answer.fields["X-Accel-Buffering"] == "no")
  }

  @Test(arguments: [Chunk.token("a"), Chunk.reasoning("a"), Chunk.call("f"), Chunk.done])
  func `whatever the client can see is output`(event: String) {
    #expect(Generation.streaming(event).lifecycle.status == 200)
  }

  @Test func `every token goes out with the read that brought it`() {
    var generation = Generation.streaming()
    for text in ["a", "b", "c"] {
      #expect(generation.send(Chunk.token(text)) == .send)
      #expect(generation.answer.text.hasSuffix(text))
    }
  }

  @Test func `a surrogate pair split over two tokens survives`() {
    let half = { (escape: String) in Chunk.event(#"{"choices":[{"delta":{"content":"\#(escape)"}}]}"#) }
    let answer = Generation.streaming(half(#"a\ud83d"#) + half(#"\ude00b"#)).answer
    #expect(answer.events.map(\.data) == [#"{"token":"a\ud83d"}"#, #"{"token":"\ude00b"}"#])
    #expect(answer.text == "a😀b")
  }

  @Test func `the first token is the first visible one, though thoughts came before it`() {
    var generation = Generation.streaming(Chunk.reasoning("hm"), at: 1)
    #expect(generation.lifecycle.firstTokenMilliseconds == nil)
    generation.send(Chunk.token("a"), at: 2)
    #expect(generation.lifecycle.firstTokenMilliseconds == 2000)
  }

  // MARK: Endings

  private static let properEnds: [(String, String)] = [
    ("\(Chunk.token("a"))\(Chunk.finish("length"))", "length"), ("\(Chunk.token("a"))\(Chunk.done)", "stop"),
    ("\(Chunk.call("f"))\(Chunk.done)", "tool_calls"), ("\(Chunk.call("f"))\(Chunk.finish("stop"))", "stop"),
    ("\(Chunk.token("a"))\(Chunk.finish())\(Chunk.usage(1, 1))", "stop"),
    (Chunk.finish("content_filter"), "content_filter"),
    ("\(Chunk.token("a"))\(Chunk.finish().dropLast(2))", "stop"),
    ("\(Chunk.token("a"))\(Chunk.done.dropLast(2))", "stop"),
    ("\(Chunk.refusal("No"))\(Chunk.finish())", "content_filter"),
    ("\(Chunk.refusal("No"))\(Chunk.done)", "content_filter"),
  ]

  @Test(arguments: properEnds)
  func `a proper end is done, with its reason`(stream: String, reason: String) {
    var generation = Generation.streaming(stream)
    generation.end()
    #expect(generation.answer.terminals.map(\.name) == ["done"])
    #expect(generation.answer.terminals.first?.json["finish_reason"] as? String == reason)
  }

  @Test func `the end marker ends the answer at once, though the body stays open`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.finish())
    #expect(generation.lifecycle.outcome == nil)
    #expect(generation.send(Chunk.done) == .finish)
    #expect(generation.lifecycle.outcome == .done(.stop))
  }

  @Test func `nothing counts after the end marker`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.done + Chunk.token("b") + Chunk.error(500, "x"))
    let answer = generation.answer
    #expect(generation.send(Chunk.token("c") + Chunk.done) == .nothing)
    #expect(generation.end(.brokenOff) == .nothing)
    #expect(generation.tick(at: 700) == .nothing)
    #expect(generation.answer.events == answer.events)
    #expect(answer.text == "a")
    #expect(answer.terminals.count == 1)
  }

  @Test(arguments: [Lifecycle.UpstreamEnd.complete, .brokenOff])
  func `an end without reason or marker is no end`(end: Lifecycle.UpstreamEnd) {
    var generation = Generation.streaming(Chunk.token("a"))
    #expect(generation.end(end) == .finish)
    #expect(generation.failure?.kind == .upstreamTruncated)
    #expect(generation.answer.terminals.map { $0.json["type"] as? String } == ["upstream_truncated"])
  }

  @Test func `a body that breaks off after its finish reason is no end either`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.finish())
    generation.end(.brokenOff)
    #expect(generation.failure?.kind == .upstreamTruncated)
  }

  // MARK: Counts

  @Test func `the last report of usage counts, and is priced`() throws {
    var generation = Generation(price: Price(prompt: 1, completion: 10))
    generation.head()
    generation.send(Chunk.token("a") + Chunk.usage(100, 1) + Chunk.usage(100, 5) + Chunk.done)
    let done = try #require(generation.answer.terminals.first)
    #expect((done.json["usage"] as? [String: Int])?["completion_tokens"] == 5)
    #expect(done.data.contains(#""cost_usd":0.00015,"#))
  }

  @Test func `without a report usage is null, and without a price there is no cost`() throws {
    let unreported = try #require(Generation.streaming(Chunk.token("a") + Chunk.done).answer.terminals.first)
    #expect(unreported.data.contains(#""usage":null"#))
    #expect(!unreported.data.contains("cost_usd"))
    let unpriced = try #require(Generation.streaming(Chunk.usage(1, 1) + Chunk.done).answer.terminals.first)
    #expect(!unpriced.data.contains("cost_usd"))
  }

  @Test func `events that are no JSON object are skipped, and counted`() {
    let stream = Chunk.event("ping") + Chunk.token("a") + Chunk.event("ping") + Chunk.token("b") + Chunk.done
    let answer = Generation.streaming(stream).answer
    #expect(answer.text == "ab")
    #expect(answer.terminals.first?.json["skipped"] as? Int == 2)
    #expect(Generation.streaming(Chunk.done).answer.terminals.first?.json["skipped"] == nil)
  }

  @Test func `what the provider's comments say goes nowhere`() {
    let answer = Generation.streaming(": OPENROUTER PROCESSING\n\n" + Chunk.token("a") + ": x\n" + Chunk.done).answer
    #expect(answer.comments == 0)
    #expect(answer.terminals.first?.json["skipped"] == nil)
  }
}
