import Testing

@testable import Streaming

/// Random inputs in a random order, from a seed: whatever happens, an answer ends once.
struct LifecycleFuzzTests {
  private static let stream = [
    Chunk.role, Chunk.token("Hel"), Chunk.token("lo"), Chunk.token(String(repeating: "long ", count: 60)),
    Chunk.reasoning("hm"),
    Chunk.call("f"), Chunk.usage(3, 4), ": ping\n\n", Chunk.event("ping"), "data: ", "\n", "\r\n\r", "{", "odd line\n",
  ]
  private static let ends = [
    Chunk.finish(), Chunk.finish("length"), Chunk.done, Chunk.error(429, "slow"), Chunk.event("{\"half\":"),
    "error: {}\n", "event: error\ndata: x\n\n", "{\"error\":{\"code\":503}}\n",
  ]

  @Test(arguments: 0..<40 as Range<UInt64>)
  func `exactly one terminal event or status ends an answer, and nothing comes after it`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<100 { play(&random) }
  }

  private func play(_ random: inout SeededGenerator) {
    var generation = Generation(
      mark: [.bytes(200), .tokens(4, bytes: 500)].randomElement(using: &random)!, lineBound: 600)
    var now = 0.0
    var lastDeadline = generation.lifecycle.takeDeadline()
    generation.head(
      [200, 200, 200, 200, 429].randomElement(using: &random)!,
      ["text/event-stream", "text/event-stream", "application/json", "text/html"].randomElement(using: &random)!)
    for _ in 0..<Int.random(in: 0...25, using: &random) {
      now += [0, 0, 0.125, 3, 20].randomElement(using: &random)!
      let ticked = step(&generation, at: now, &random)
      check(generation, at: now)
      // A loop that asks for the deadline only when told to must not miss an earlier one.
      if generation.lifecycle.hasEarlierDeadline || ticked {
        lastDeadline = generation.lifecycle.takeDeadline()
      } else if let deadline = generation.deadline, generation.lifecycle.outcome == nil {
        #expect(lastDeadline.map { Generation.at(deadline) >= $0 } ?? false, "an earlier deadline was not announced")
      }
    }
    settle(&generation, at: now + 601)
    checkEnd(generation)
  }

  /// - Returns: whether it was a tick.
  private func step(_ generation: inout Generation, at now: Double, _ random: inout SeededGenerator) -> Bool {
    var isTick = false
    let before = generation.lifecycle.outcome
    let bytes = generation.received.count + generation.waiting.count
    let action: Lifecycle.Action
    switch Int.random(in: 0..<40, using: &random) {
    case 0..<16: action = generation.send(Self.stream.randomElement(using: &random)!, at: now)
    case 16..<19: action = generation.send(Self.ends.randomElement(using: &random)!, at: now)
    case 19:
      let ends: [Lifecycle.UpstreamEnd] = [.complete, .brokenOff, .unreachable("x"), .connectTimedOut]
      action = generation.end(ends.randomElement(using: &random)!, at: now)
    case 20: action = generation.lifecycle.fail(Failure(.shuttingDown, "x"), at: Generation.at(now))
    case 21 where Bool.random(using: &random):
      generation.lifecycle.clientLeft()
      action = .nothing
    case 22..<28:
      isTick = true
      action = generation.tick(at: now)
    default:
      generation.take(Int.random(in: 0...300, using: &random), at: now)
      if generation.lifecycle.buffer.change() == .resume {
        generation.lifecycle.upstreamResumed(at: Generation.at(now))
      }
      action = .nothing
    }
    let grew = generation.received.count + generation.waiting.count > bytes
    let ended = before == nil && generation.lifecycle.outcome != nil
    #expect(grew == (action == .send || action == .finish), "what goes out is announced, and nothing else")
    if action == .finish { #expect(ended) }
    if before != nil { #expect(!grew, "nothing goes out after the end") }
    return isTick
  }

  /// Does all that is due, which must come to an end.
  private func settle(_ generation: inout Generation, at now: Double) {
    for _ in 0..<4 {
      let action = generation.tick(at: now)
      if action == .nothing || action == .abandon { return }
    }
    Issue.record("it finds something to do for ever")
  }

  /// `tick` and the deadline agree, so a loop that sleeps until the deadline neither spins nor oversleeps.
  private func check(_ generation: Generation, at now: Double) {
    var ticked = generation
    let isDue = generation.deadline.map { $0 <= now } ?? false
    #expect((ticked.tick(at: now) != .nothing) == isDue)
    settle(&ticked, at: now)
    guard ticked.lifecycle.outcome != .clientStalled, let deadline = ticked.deadline else { return }
    #expect(deadline > now)
    var early = ticked
    #expect(early.tick(at: max(now, deadline - 0.0625)) == .nothing)
    #expect(ticked.tick(at: deadline + 0.0625) != .nothing)
  }

  private func checkEnd(_ generation: Generation) {
    guard let outcome = generation.lifecycle.outcome else {
      Issue.record("it never ended")
      return
    }
    let answer = generation.answer
    #expect(answer.strayLines.isEmpty)
    switch outcome {
    case .clientLeft, .clientStalled:
      #expect(answer.terminals.count <= 1)
    case .failed where answer.status != 200:
      #expect((try? foundationObject(answer.body.bytes))?["status"] as? Int == answer.status)
    case .failed, .done:
      #expect(answer.status == 200)
      #expect(answer.terminals.count == 1)
      #expect(answer.events.last?.isTerminal == true)
      #expect(answer.body.hasSuffix("}\n\n"))
    }
  }
}
