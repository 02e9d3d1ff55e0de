import Testing

@testable import Streaming

/// Random inputs in a random order, from a seed: whatever happens, an answer ends once.
struct LifecycleFuzzTests {
  @Test(arguments: 0..<40 as Range<UInt64>)
  func `exactly one terminal event or status ends an answer, and nothing comes after it`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<100 {
      var play = Play(&random)
      play.run(&random)
    }
  }
}

/// One generation with its attempts, of which each says only what bears its number.
private struct Play {
  private var generation: Generation
  private var now = 0.0
  /// The attempt that runs, or that failed last, counted from 1.
  private var attempt = 1
  /// An attempt has failed, and the next has not begun.
  private var isBetween = false
  private var lastDeadline: Instant?

  init(_ random: inout SeededGenerator) {
    generation = Generation(
      mark: [.bytes(200), .tokens(4, bytes: 500)].randomElement(using: &random)!, lineBound: 600)
    generation.givesUp = false
    lastDeadline = generation.lifecycle.takeDeadline()
    head(&random)
  }

  mutating func run(_ random: inout SeededGenerator) {
    for _ in 0..<Int.random(in: 0...40, using: &random) {
      now += [0, 0, 0.125, 3, 20].randomElement(using: &random)!
      let ticked = step(&random)
      check()
      // A loop that asks for the deadline only when told to must not miss an earlier one.
      if generation.lifecycle.hasEarlierDeadline || ticked {
        lastDeadline = generation.lifecycle.takeDeadline()
      } else if let deadline = generation.deadline, generation.lifecycle.outcome == nil {
        #expect(lastDeadline.map { Generation.at(deadline) >= $0 } ?? false, "an earlier deadline was not announced")
      }
    }
    now += 601
    settle()
    checkEnd()
  }

  // MARK: What may happen

  private var stream: [String] {
    [
      Chunk.role, Chunk.token("<\(attempt)>"), Chunk.token("<\(attempt)>" + String(repeating: "long ", count: 60)),
      Chunk.reasoning("<\(attempt)>"), Chunk.call("f\(attempt)"), Chunk.usage(100 + attempt, 4), ": ping\n\n",
      Chunk.event("ping"), "data: ", "\n", "\r\n\r", "{", "odd line\n",
    ]
  }

  private var ends: [String] {
    [
      Chunk.finish("r\(attempt)"), Chunk.finish("r\(attempt)"), Chunk.done, Chunk.error(429, "slow"),
      Chunk.error(503, "busy"), Chunk.error(400, "no"), Chunk.event("{\"half\":"), "error: {}\n",
      "event: error\ndata: x\n\n", "{\"error\":{\"code\":503}}\n",
    ]
  }

  private mutating func head(_ random: inout SeededGenerator) {
    generation.head(
      [200, 200, 200, 200, 429].randomElement(using: &random)!,
      ["text/event-stream", "text/event-stream", "application/json", "text/html"].randomElement(using: &random)!)
  }

  /// - Returns: whether it was a tick.
  private mutating func step(_ random: inout SeededGenerator) -> Bool {
    var isTick = false
    let before = generation.lifecycle.outcome
    let bytes = written
    var action = Lifecycle.Action.nothing
    switch Int.random(in: 0..<48, using: &random) {
    case 0..<16: action = generation.send(stream.randomElement(using: &random)!, at: now)
    case 16..<19: action = generation.send(ends.randomElement(using: &random)!, at: now)
    case 19..<21:
      let ends: [Lifecycle.UpstreamEnd] = [.complete, .brokenOff, .unreachable("x"), .connectTimedOut]
      action = generation.end(ends.randomElement(using: &random)!, at: now)
    case 21: action = generation.lifecycle.fail(Failure(.shuttingDown, "x"), at: Generation.at(now))
    case 22 where Bool.random(using: &random): generation.lifecycle.clientLeft()
    case 23..<32:
      isTick = true
      action = generation.tick(at: now)
    case 32..<34 where isBetween: head(&random)
    default: generation.take(Int.random(in: 0...300, using: &random), at: now)
    }
    if isBetween, !isTick, action != .finish {
      #expect(written == bytes, "an attempt that has failed says nothing more")
    }
    if action == .attemptFailed {
      #expect(written == bytes && !generation.lifecycle.hasOutput && !isBetween)
      #expect(generation.lifecycle.failedAttempt != nil && before == nil)
      action = follow(&random)
    }
    if action == .attemptDue {
      #expect(isBetween)
      action = begin(&random)
    }
    let ended = before == nil && generation.lifecycle.outcome != nil
    #expect((written > bytes) == (action == .send || action == .finish), "what goes out is announced, and nothing else")
    if action == .finish { #expect(ended) }
    if before != nil { #expect(written == bytes, "nothing goes out after the end") }
    return isTick
  }

  private var written: Int { generation.received.count + generation.waiting.count }

  /// What a loop may do when an attempt has failed.
  private mutating func follow(_ random: inout SeededGenerator) -> Lifecycle.Action {
    isBetween = true
    switch Int.random(in: 0..<8, using: &random) {
    case 0: return generation.lifecycle.fail(Failure(.upstreamFailed, "x"), at: Generation.at(now))
    case 1..<4: return begin(&random)
    default:
      generation.lifecycle.wait(until: Generation.at(now + [0.125, 3, 10].randomElement(using: &random)!))
      #expect(generation.lifecycle.failedAttempt == nil, "what follows is chosen once")
      return .nothing
    }
  }

  /// Begins the next attempt, which goes on at random or is good at once.
  private mutating func begin(_ random: inout SeededGenerator) -> Lifecycle.Action {
    begin()
    guard Int.random(in: 0..<4, using: &random) == 0 else {
      head(&random)
      return .nothing
    }
    generation.head()
    let (hasReason, hasUsage) = (Bool.random(using: &random), Bool.random(using: &random))
    let action = generation.send(
      Chunk.token("<\(attempt)>") + (hasReason ? Chunk.finish("r\(attempt)") : "")
        + (hasUsage ? Chunk.usage(100 + attempt, 4) : "") + Chunk.done, at: now)
    let done = generation.answer.terminals.first?.json
    #expect(generation.answer.text == "<\(attempt)>", "nothing of it is lost")
    #expect(done?["finish_reason"] as? String == (hasReason ? "r\(attempt)" : "stop"))
    #expect((done?["usage"] as? [String: Int])?["prompt_tokens"] == (hasUsage ? 100 + attempt : nil))
    return action
  }

  private mutating func begin() {
    attempt += 1
    isBetween = false
    let speaker = Lifecycle.Speaker(model: "acme/\(attempt)", provider: "acme", price: nil, secrets: [])
    generation.lifecycle.begin(asking: speaker, on: .openai, at: Generation.at(now))
  }

  // MARK: What must hold

  /// Does all that is due, which must come to an end. Nothing follows an attempt that fails.
  private mutating func settle() {
    for _ in 0..<5 {
      switch generation.tick(at: now) {
      case .nothing, .abandon: return
      case .attemptFailed:
        _ = generation.lifecycle.fail(Failure(.upstreamFailed, "x"), at: Generation.at(now))
      case .attemptDue: begin()
      case .send, .finish: continue
      }
    }
    Issue.record("it finds something to do for ever")
  }

  /// `tick` and the deadline agree, so a loop that sleeps until the deadline neither spins nor oversleeps.
  private func check() {
    var ticked = self
    let isDue = generation.deadline.map { $0 <= now } ?? false
    #expect((ticked.generation.tick(at: now) != .nothing) == isDue)
    ticked = self
    ticked.settle()
    guard ticked.generation.lifecycle.outcome != .clientStalled, let deadline = ticked.generation.deadline else {
      return
    }
    #expect(deadline > now)
    var early = ticked.generation
    #expect(early.tick(at: max(now, deadline - 0.0625)) == .nothing)
    #expect(ticked.generation.tick(at: deadline + 0.0625) != .nothing)
  }

  private func checkEnd() {
    guard let outcome = generation.lifecycle.outcome else {
      Issue.record("it never ended")
      return
    }
    let answer = generation.answer
    #expect(answer.strayLines.isEmpty)
    #expect(!answer.body.contains("Status: "))
    checkOrigin(of: answer)
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

  /// All that was said is the last attempt's.
  private func checkOrigin(of answer: Answer) {
    for event in answer.events {
      switch event.name {
      case "message", "reasoning": #expect((event.json["token"] as? String)?.hasPrefix("<\(attempt)>") == true)
      case "tool_call": #expect(event.json["name"] as? String ?? "f\(attempt)" == "f\(attempt)")
      case "done":
        #expect(event.json["model"] as? String == (attempt == 1 ? "acme/m" : "acme/\(attempt)"))
        let prompt = (event.json["usage"] as? [String: Int])?["prompt_tokens"]
        #expect(prompt == nil || prompt == 100 + attempt)
        let reason = event.json["finish_reason"] as? String ?? ""
        #expect(["r\(attempt)", "stop", "tool_calls"].contains(reason))
        if reason == "tool_calls" { #expect(answer.events.contains { $0.name == "tool_call" }) }
      default: #expect(event.name == "error")
      }
    }
  }
}
