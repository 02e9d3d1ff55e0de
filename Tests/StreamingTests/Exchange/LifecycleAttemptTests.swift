import Testing

@testable import Streaming

/// What a lifecycle makes of attempts that fail, and of those that follow.
struct LifecycleAttemptTests {
  private static let other = Lifecycle.Speaker(
    model: "beta/n", provider: "beta", price: Price(prompt: 1, completion: 1), secrets: [])

  /// Nil: the action is no failed attempt's.
  private func verdict(_ action: Lifecycle.Action, _ lifecycle: Lifecycle) -> Verdict? {
    action == .attemptFailed ? lifecycle.failedAttempt?.verdict : nil
  }

  private func receive(_ text: String, _ lifecycle: inout Lifecycle, at seconds: Double = 0) -> Lifecycle.Action {
    let bytes = text.bytes
    var room: [UInt8] = []
    return lifecycle.receive(bytes.span, into: &room, at: Generation.at(seconds)).action
  }

  /// One whose first attempt has just failed with a 503.
  private func failedOnce(form: AnswerForm = .events) -> Generation {
    var generation = Generation(form: form)
    generation.head(503)
    let action = generation.lifecycle.upstreamEnded(.complete, at: Generation.at(0))
    #expect(verdict(action, generation.lifecycle) == .transient(wish: nil))
    return generation
  }

  @Test(arguments: [
    (Lifecycle.UpstreamEnd.unreachable("x"), true), (.connectTimedOut, true), (.brokenOff, true), (.noResponse, false),
    (.noDescriptor, false),
  ])
  func `an attempt without a connection may be followed by another`(end: Lifecycle.UpstreamEnd, may: Bool) {
    var lifecycle = Generation().lifecycle
    let action = lifecycle.upstreamEnded(end, at: Generation.at(0))
    #expect(verdict(action, lifecycle) == (may ? .transient(wish: nil) : nil))
    #expect((lifecycle.outcome == nil) == may)
  }

  @Test func `a reply that breaks off after its head is told, as a part of the answer may be lost`() {
    var generation = Generation.streaming()
    #expect(generation.lifecycle.upstreamEnded(.brokenOff, at: Generation.at(0)) == .finish)
    #expect(generation.failure?.kind == .upstreamTruncated)
  }

  @Test func `a failure inside a 200 before any output is a failed attempt, a role and a count notwithstanding`() {
    var lifecycle = Generation.streaming(Chunk.role + Chunk.usage(9, 0)).lifecycle
    let action = receive(Chunk.error(503, "busy"), &lifecycle)
    #expect(verdict(action, lifecycle) == .transient(wish: nil))
    #expect(lifecycle.outcome == nil)
  }

  @Test(arguments: [Chunk.token("a"), Chunk.reasoning("a"), Chunk.call("f"), Chunk.refusal("no")])
  func `after any output a failure is told, and never tried again`(output: String) {
    for form in [AnswerForm.events, .chunks(includesUsage: true), .whole] {
      var generation = Generation.streaming(output, form: form)
      #expect(generation.send(Chunk.error(503, "busy")) == .finish)
      #expect(generation.failure?.kind == .overloaded)
    }
  }

  @Test func `a ping is no output of the provider's: after it another attempt may still follow`() {
    var generation = Generation()
    for seconds in [5.0, 20, 35, 50] { #expect(generation.tick(at: seconds) == .send) }
    let action = generation.lifecycle.tick(at: Generation.at(60))
    #expect(verdict(action, generation.lifecycle) == .transient(wish: nil))
  }

  @Test func `what the failed attempt still sends is nobody's`() {
    var generation = failedOnce()
    generation.head()
    #expect(generation.send(Chunk.token("late") + Chunk.done) == .nothing)
    #expect(generation.end() == .nothing)
    #expect(generation.waiting.isEmpty && generation.lifecycle.outcome == nil)
  }

  @Test func `the next attempt answers under its own name, with its own price and count`() throws {
    var generation = Generation.streaming(Chunk.usage(900, 900))
    #expect(receive(Chunk.error(500, "x"), &generation.lifecycle) == .attemptFailed)
    generation.lifecycle.begin(asking: Self.other, on: .anthropic, at: Generation.at(1))
    generation.head()
    generation.send(
      #"""
      data: {"type":"message_start","message":{"usage":{"input_tokens":1000000,"output_tokens":1}}}

      data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hi"}}

      data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1000000}}

      data: {"type":"message_stop"}


      """#, at: 2)
    let done = try #require(generation.answer.terminals.first?.json)
    #expect(generation.answer.text == "Hi")
    #expect(done["model"] as? String == "beta/n")
    #expect(done["cost_usd"] as? Double == 2)
    #expect((done["usage"] as? [String: Int])?["prompt_tokens"] == 1_000_000)
    // The client has waited since the beginning, whoever answered.
    #expect(done["ttft_ms"] as? Int == 2000)
  }

  @Test func `nothing of a failed attempt stays behind: no finish reason, no tool call`() throws {
    var generation = Generation.streaming(Chunk.finish("length"))
    #expect(receive(Chunk.error(500, "x"), &generation.lifecycle) == .attemptFailed)
    generation.lifecycle.begin(asking: .acme(), on: .openai, at: Generation.at(0))
    generation.head()
    generation.send(Chunk.token("a") + Chunk.done)
    #expect(try #require(generation.answer.terminals.first).json["finish_reason"] as? String == "stop")
  }

  // MARK: Clocks

  @Test func `between two attempts the wait is due, and the client gets its signs of life`() {
    var generation = failedOnce()
    generation.lifecycle.wait(until: Generation.at(8))
    #expect(generation.lifecycle.hasEarlierDeadline)
    #expect(generation.deadline == 5)
    #expect(generation.tick(at: 5) == .send)
    #expect(generation.answer.status == 200 && generation.answer.comments == 1)
    generation.take(at: 5)
    #expect(generation.deadline == 8)
    #expect(generation.tick(at: 8) == .attemptDue)
  }

  @Test func `each attempt has the first token's time to itself, and the total is for all`() {
    var generation = failedOnce()
    generation.lifecycle.wait(until: Generation.at(59))
    generation.lifecycle.begin(asking: .acme(), on: .openai, at: Generation.at(59))
    for seconds in [5.0, 20, 35, 50, 65, 80, 95, 110] {
      generation.tick(at: seconds)
      generation.take(at: seconds)
    }
    #expect(generation.deadline == 119)
    generation.lifecycle.wait(until: Generation.at(700))
    for seconds in stride(from: 125.0, to: 600, by: 15) {
      generation.tick(at: seconds)
      generation.take(at: seconds)
    }
    #expect(generation.tick(at: 600) == .finish)
    #expect(generation.failure?.kind == .timeoutTotal)
  }

  @Test func `giving up tells the last failure with its own status`() {
    var generation = failedOnce()
    let action = generation.lifecycle.fail(Failure(.overloaded, "busy", retryAfter: 3), at: Generation.at(0))
    #expect(action == .finish)
    #expect(generation.answer.status == 503)
    #expect(generation.answer.fields["Retry-After"] == "3")
  }

  @Test func `a client that leaves between two attempts ends it`() {
    var generation = failedOnce()
    generation.lifecycle.wait(until: Generation.at(1))
    generation.lifecycle.clientLeft()
    #expect(generation.deadline == nil)
    #expect(generation.tick(at: 1) == .nothing)
  }

  @Test func `a failure of one that was asked before takes no count of another along`() {
    var generation = failedOnce()
    let first = generation.lifecycle.speaker
    generation.lifecycle.begin(asking: Self.other, on: .openai, at: Generation.at(0))
    generation.head()
    _ = receive(Chunk.usage(9, 2), &generation.lifecycle)
    #expect(generation.lifecycle.usage != nil)
    _ = generation.lifecycle.fail(Failure(.overloaded, "busy"), of: first, at: Generation.at(0))
    #expect(generation.lifecycle.speaker.model == first.model && generation.lifecycle.usage == nil)
  }
}
