import Testing

@testable import Streaming

/// The clocks, with the time given: first token 60 s, idle 60 s, total 600 s, stall 60 s, ping 15 s, hold 5 s.
struct LifecycleClockTests {
  @Test func `the status goes out with a ping after the hold, so that no proxy gives up`() {
    var generation = Generation.streaming()
    #expect(generation.deadline == 5)
    #expect(generation.tick(at: 4.999) == .nothing)
    #expect(generation.tick(at: 5) == .send)
    #expect(generation.answer.status == 200)
    #expect(generation.answer.comments == 1)
    #expect(generation.answer.events.isEmpty)
  }

  @Test func `a failure after the hold is an event`() {
    var generation = Generation()
    generation.tick(at: 5)
    generation.end(.unreachable("x"), at: 6)
    #expect(generation.answer.status == 200)
    #expect(generation.answer.terminals.map(\.name) == ["error"])
  }

  @Test func `a ping goes out after 15 s without output, and again`() {
    var generation = Generation.streaming()
    generation.send(Chunk.token("a"), at: 1)
    generation.take(at: 1)
    #expect(generation.deadline == 16)
    #expect(generation.tick(at: 15.999) == .nothing)
    #expect(generation.tick(at: 16) == .send)
    generation.take(at: 16)
    #expect(generation.deadline == 31)
    generation.send(Chunk.token("b"), at: 20)
    generation.take(at: 20)
    #expect(generation.deadline == 35)
    #expect(generation.answer.comments == 1)
  }

  @Test func `the provider's comments are no output, so pings go on`() {
    var generation = Generation.streaming(Chunk.token("a"))
    generation.take()
    generation.send(": still here\n\n", at: 14)
    #expect(generation.tick(at: 15) == .send)
  }

  @Test func `no ping is added while the client has not taken what is there`() {
    var generation = Generation.streaming(Chunk.token("a"))
    generation.take(3, at: 0)
    #expect(generation.tick(at: 15) == .nothing)
    #expect(generation.tick(at: 30) == .nothing)
    generation.take(at: 40)
    #expect(generation.deadline ?? .infinity <= 40)
    #expect(generation.lifecycle.hasEarlierDeadline)
    #expect(generation.tick(at: 40) == .send)
  }

  // MARK: Whom it waits for

  private func heldUp(_ generation: Generation, at seconds: Double) -> Int64 {
    generation.lifecycle.heldUp(at: Generation.at(seconds)) / 1_000_000
  }

  @Test func `what the client takes at once holds nothing up`() {
    var generation = Generation.streaming(Chunk.token("a"), at: 1)
    generation.take(at: 1)
    generation.send(Chunk.token("b"), at: 9)
    generation.take(at: 9)
    #expect(heldUp(generation, at: 20) == 0)
  }

  @Test func `time in which bytes wait for the client is told while it lasts, and added up when it is over`() {
    var generation = Generation.streaming(Chunk.token("a"), at: 1)
    generation.take(3, at: 1)
    #expect(heldUp(generation, at: 3) == 2000)
    // A little at a time, and more comes meanwhile: it is one wait.
    generation.take(3, at: 4)
    generation.send(Chunk.token("b"), at: 5)
    generation.take(0, at: 5)
    generation.take(at: 6)
    #expect(heldUp(generation, at: 9) == 5000)
    generation.send(Chunk.token("c"), at: 10)
    generation.take(1, at: 10)
    generation.take(at: 10.5)
    #expect(heldUp(generation, at: 99) == 5500)
  }

  @Test func `a client that takes nothing more after the end still holds it up`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.finish() + Chunk.done, at: 1)
    generation.take(3, at: 1)
    #expect(heldUp(generation, at: 8) == 7000)
  }

  // MARK: The provider

  @Test func `silence before the first token is a timeout, told by an event after the hold`() {
    var generation = Generation.streaming()
    generation.tick(at: 5)
    generation.take(at: 5)
    generation.send(Chunk.role + ": working\n\n", at: 59)
    #expect(generation.tick(at: 59.999) != .finish)
    #expect(generation.tick(at: 60) == .finish)
    #expect(generation.failure?.kind == .timeoutFirstToken)
    #expect(generation.answer.terminals.first?.json["status"] as? Int == 504)
  }

  @Test func `silence before the first token is a 504 where the status is still held`() {
    var generation = Generation(clocks: Generation.clocks(firstToken: .seconds(2)))
    #expect(generation.deadline == 2)
    #expect(generation.tick(at: 2) == .finish)
    #expect(generation.answer.status == 504)
    #expect(generation.failure?.kind == .timeoutFirstToken)
  }

  @Test func `silence within the answer is a timeout, and any byte ends it`() {
    var generation = Generation.streaming(Chunk.token("a"), at: 1)
    generation.take(at: 1)
    generation.send(":", at: 50)
    #expect(generation.tick(at: 109.999) != .finish)
    #expect(generation.tick(at: 110) == .finish)
    #expect(generation.failure?.kind == .timeoutIdle)
    #expect(generation.failure?.status == 504)
  }

  @Test func `the whole answer has its time, however lively it is`() {
    var generation = Generation.streaming()
    for second in stride(from: 0.0, to: 600, by: 10) {
      generation.send(Chunk.token("a"), at: second)
      generation.take(at: second)
      #expect(generation.tick(at: second) == .nothing)
    }
    #expect(generation.tick(at: 599.999) != .finish)
    #expect(generation.tick(at: 600) == .finish)
    #expect(generation.failure?.kind == .timeoutTotal)
  }

  @Test func `a pause of ours stops the idle clock, and the resume starts it anew`() {
    var generation = Generation(mark: .bytes(100))
    generation.head()
    generation.send(Chunk.token(String(repeating: "x", count: 200)))
    #expect(generation.take(1, at: 0) == .pause)
    for second in stride(from: 50.0, through: 250, by: 50) {
      generation.take(1, at: second)
      #expect(generation.tick(at: second) == .nothing)
    }
    #expect(generation.take(at: 280) == .resume)
    #expect(generation.lifecycle.hasEarlierDeadline)
    for second in [280.0, 295, 310, 325] {
      #expect(generation.tick(at: second) == .send, "a ping")
      generation.take(at: second)
    }
    #expect(generation.tick(at: 339.999) == .nothing)
    #expect(generation.tick(at: 340) == .finish)
    #expect(generation.failure?.kind == .timeoutIdle)
  }

  // MARK: The client

  @Test func `a client that takes nothing is cut off at the stall limit`() {
    var generation = Generation.streaming()
    generation.send(Chunk.token("a"), at: 1)
    generation.take(0, at: 2)
    generation.send(Chunk.token("b"), at: 50)
    generation.take(0, at: 50)
    #expect(generation.tick(at: 61.999) == .nothing)
    #expect(generation.tick(at: 62) == .abandon)
    #expect(generation.lifecycle.outcome == .clientStalled)
    #expect(generation.answer.terminals.isEmpty)
  }

  @Test func `a client that takes a byte now and then is not cut off`() {
    var generation = Generation.streaming(Chunk.token("a"))
    generation.take(0, at: 0)
    for second in [50.0, 100, 150] {
      generation.take(1, at: second)
      generation.send(": alive\n", at: second)
      #expect(generation.tick(at: second) == .nothing)
    }
    #expect(generation.deadline == 210)
  }

  @Test func `the stall limit holds after the end as well`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.done)
    generation.take(3, at: 1)
    #expect(generation.deadline == 61)
    #expect(generation.tick(at: 60.999) == .nothing)
    #expect(generation.tick(at: 61) == .abandon)
  }

  @Test func `an answer that is taken whole has nothing due any more`() {
    var generation = Generation.streaming(Chunk.token("a") + Chunk.done)
    generation.take(3, at: 1)
    generation.take(at: 2)
    #expect(generation.deadline == nil)
    #expect(generation.tick(at: 1000) == .nothing)
  }
}
