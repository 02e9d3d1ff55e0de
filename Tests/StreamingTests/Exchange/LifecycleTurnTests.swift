import Testing

@testable import Streaming

/// A generation that waits for its turn before anybody is asked.
struct LifecycleTurnTests {
  private func waiting(until seconds: Double, form: AnswerForm = .events) -> Generation {
    var generation = Generation(form: form)
    generation.lifecycle.waitForTurn(until: Generation.at(seconds))
    return generation
  }

  private func turn(_ generation: inout Generation, at seconds: Double) {
    generation.lifecycle.takeTurn(at: Generation.at(seconds))
    generation.lifecycle.begin(asking: .acme(), on: .openai, at: Generation.at(seconds))
  }

  @Test func `the place is told as a comment behind the status`() {
    var generation = waiting(until: 10)
    #expect(generation.lifecycle.tellPlace(3, at: Generation.at(0)) == .send)
    #expect(generation.answer.status == 200 && generation.answer.events.isEmpty)
    #expect(String(decoding: generation.waiting, as: UTF8.self).hasSuffix("\r\n\r\n: place 3 in the queue\n\n"))
    generation.take()
    #expect(generation.lifecycle.tellPlace(2, at: Generation.at(1)) == .send)
    #expect(String(decoding: generation.waiting, as: UTF8.self) == ": place 2 in the queue\n\n")
  }

  @Test func `an answer that is collected is told nothing, and fails with its status`() {
    var generation = waiting(until: 10, form: .whole)
    #expect(generation.lifecycle.tellPlace(1, at: Generation.at(0)) == .nothing)
    #expect(generation.deadline == 10)
    #expect(generation.tick(at: 10) == .finish)
    #expect(generation.answer.status == 503 && generation.failure?.kind == .overloaded)
  }

  @Test func `it is kept alive while it waits`() {
    var generation = waiting(until: 100)
    _ = generation.lifecycle.tellPlace(1, at: Generation.at(0))
    generation.take()
    #expect(generation.deadline == 15)
    #expect(generation.tick(at: 15) == .send)
    #expect(generation.answer.comments == 2)
  }

  @Test func `a turn that does not come is an error event`() {
    var generation = waiting(until: 10)
    _ = generation.lifecycle.tellPlace(1, at: Generation.at(0))
    #expect(generation.tick(at: 9.9) == .nothing)
    #expect(generation.tick(at: 10) == .finish)
    #expect(generation.answer.terminals.map(\.name) == ["error"])
    #expect(generation.failure?.kind == .overloaded && generation.failure?.retryAfter == 1)
  }

  @Test func `the clocks of the answer start with the turn`() {
    var generation = waiting(until: 5000)
    _ = generation.lifecycle.tellPlace(1, at: Generation.at(0))
    generation.take()
    for second in stride(from: 15.0, to: 3000, by: 15) {
      #expect(generation.tick(at: second) == .send)
      generation.take(at: second)
    }
    turn(&generation, at: 3000)
    #expect(generation.lifecycle.isRunning && generation.deadline == 3000)
    generation.head()
    generation.send(Chunk.token("a"), at: 3002)
    generation.take(at: 3002)
    #expect(generation.lifecycle.firstTokenMilliseconds == 2000)
    generation.send(Chunk.finish() + Chunk.done, at: 3003)
    #expect(generation.answer.terminals.map(\.name) == ["done"])
    #expect(generation.lifecycle.milliseconds(at: Generation.at(3003)) == 3000)
  }

  @Test func `the first token's clock starts with the turn`() {
    var generation = waiting(until: 5000)
    turn(&generation, at: 1000)
    #expect(generation.tick(at: 1000) == .nothing)
    #expect(generation.deadline == 1005)
    #expect(generation.tick(at: 1005) == .send)
    generation.take(at: 1005)
    for second in [1020.0, 1035, 1050] {
      #expect(generation.tick(at: second) == .send)
      generation.take(at: second)
    }
    #expect(generation.tick(at: 1060) != .nothing)
    #expect(generation.failure?.kind == .timeoutFirstToken)
  }

  @Test func `a client that leaves is nobody's any more`() {
    var generation = waiting(until: 10)
    generation.lifecycle.clientLeft()
    #expect(generation.lifecycle.isOver && generation.tick(at: 10) == .nothing)
    #expect(generation.lifecycle.tellPlace(1, at: Generation.at(1)) == .nothing)
  }
}
