import Foundation
import Testing

@testable import Streaming

/// What `/v1/chat/completions` sends, from the provider's bytes on.
struct ChatAnswerTests {
  private static let chunks = AnswerForm.chunks(includesUsage: false)

  /// The chunks of a stream; the last data line must be what `ending` says.
  private func chunks(of generation: Generation, ending: String = "[DONE]") throws -> [[String: Any]] {
    var data = generation.answer.events.map(\.data)
    #expect(generation.answer.strayLines.isEmpty)
    #expect(data.popLast() == ending)
    return try data.map { try foundationObject($0.bytes) }
  }

  private func deltas(_ chunks: [[String: Any]]) -> [[String: Any]] {
    chunks.compactMap { ($0["choices"] as? [[String: Any]])?.first?["delta"] as? [String: Any] }
  }

  /// The object of an answer in one piece.
  private func whole(_ stream: String, wire: Wire = .openai) throws -> [String: Any] {
    var generation = Generation.streaming(stream, wire: wire, form: .whole)
    generation.end()
    #expect(generation.answer.status == 200)
    #expect(generation.answer.fields["Content-Type"] == "application/json")
    return try foundationObject(generation.answer.body.bytes)
  }

  private func message(_ object: [String: Any]) throws -> [String: Any] {
    try #require((object["choices"] as? [[String: Any]])?.first?["message"] as? [String: Any])
  }

  // MARK: Streamed

  @Test func `a stream is chunks of one answer: the role first, a reason last, and then [DONE]`() throws {
    let generation = Generation.streaming(
      Chunk.role + Chunk.token("Hel") + Chunk.token("lo") + Chunk.finish("length") + Chunk.usage(9, 2) + Chunk.done,
      form: Self.chunks)
    let chunks = try chunks(of: generation)
    #expect(chunks.count == 3)
    for chunk in chunks {
      #expect(chunk["id"] as? String == "chatcmpl-r1")
      #expect(chunk["object"] as? String == "chat.completion.chunk")
      #expect(chunk["created"] as? Int == 1_700_000_000)
      #expect(chunk["model"] as? String == "acme/m")
      #expect(chunk["usage"] == nil)
    }
    #expect(deltas(chunks).map { $0["content"] as? String } == ["Hel", "lo", nil])
    #expect(deltas(chunks).map { $0["role"] as? String } == ["assistant", nil, nil])
    let reasons = chunks.map { ($0["choices"] as? [[String: Any]])?.first?["finish_reason"] as? String }
    #expect(reasons == [nil, nil, "length"])
  }

  @Test func `usage comes in a chunk without a choice, only where it was asked for and is known`() throws {
    func isNull(_ chunk: [String: Any]) -> Bool { chunk["usage"] is NSNull }
    let stream = Chunk.token("a") + Chunk.finish()
    let asked = AnswerForm.chunks(includesUsage: true)
    let told = try chunks(of: .streaming(stream + Chunk.usage(9, 2) + Chunk.done, form: asked))
    #expect((told.last?["choices"] as? [Any])?.isEmpty == true)
    #expect(told.last?["usage"] as? [String: Int] == ["prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11])
    #expect(told.dropLast().allSatisfy(isNull))
    #expect(try chunks(of: .streaming(stream + Chunk.done, form: asked)).allSatisfy(isNull))
    let unasked = try chunks(of: .streaming(stream + Chunk.usage(9, 2) + Chunk.done, form: Self.chunks))
    #expect(unasked.allSatisfy { $0["usage"] == nil })
  }

  @Test func `thinking and refusals have members of their own`() throws {
    let stream = Chunk.reasoning("hm") + Chunk.refusal("No") + Chunk.done
    let deltas = deltas(try chunks(of: .streaming(stream, form: Self.chunks)))
    #expect(deltas[0]["reasoning_content"] as? String == "hm")
    #expect(deltas[1]["refusal"] as? String == "No")
    #expect(deltas[1]["content"] == nil)
  }

  @Test func `tool calls are numbered from 0, with id, type and name first and what must come back with them`() throws {
    let stream = #"""
      data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":
      data: 1}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"g"}}]},"finishReason":"STOP"}]}


      """#
    var generation = Generation.streaming(stream, wire: .gemini, form: Self.chunks)
    generation.end()
    let calls = deltas(try chunks(of: generation)).compactMap { ($0["tool_calls"] as? [[String: Any]])?.first }
    #expect(calls.map { $0["index"] as? Int } == [0, 1])
    #expect(calls.map { $0["id"] as? String } == ["call_r1_0", "call_r1_1"])
    #expect(calls.allSatisfy { $0["type"] as? String == "function" })
    let functions = calls.compactMap { $0["function"] as? [String: String] }
    #expect(functions.map { $0["name"] } == ["f", "g"])
    #expect(try foundationObject((functions[0]["arguments"] ?? "").bytes)["a"] as? Int == 1)
    let extra = (calls[0]["extra_content"] as? [String: [String: String]])?["google"]
    #expect(extra == ["thought_signature": "c2ln"])
    #expect(calls[1]["extra_content"] == nil)
  }

  @Test func `an OpenAI wire's own extra_content comes through on one line`() throws {
    let stream = #"""
      data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"},
      data: "extra_content":{"google":
      data: {"thought_signature":"c2ln"}}}]}}]}


      """#
    let generation = Generation.streaming(stream + Chunk.done, form: Self.chunks)
    let call = try #require((deltas(try chunks(of: generation))[0]["tool_calls"] as? [[String: Any]])?.first)
    #expect((call["extra_content"] as? [String: [String: String]])?["google"]?["thought_signature"] == "c2ln")
  }

  @Test func `an answer without any output is a role, an empty text and a reason`() throws {
    let deltas = deltas(try chunks(of: .streaming(Chunk.finish() + Chunk.done, form: Self.chunks)))
    #expect(deltas.count == 1)
    #expect(deltas[0]["role"] as? String == "assistant" && deltas[0]["content"] as? String == "")
  }

  @Test func `a stream that fails later ends with the error, and without [DONE]`() throws {
    let generation = Generation.streaming(Chunk.token("a") + Chunk.error(429, "slow"), form: Self.chunks)
    let data = generation.answer.events.map(\.data)
    #expect(data.count == 2 && !data.contains("[DONE]"))
    let error = try foundationObject(data[1].bytes)["error"] as? [String: Any]
    #expect(error?["code"] as? String == "rate_limited")
  }

  @Test func `signs of life are comments`() {
    var generation = Generation(form: Self.chunks)
    generation.tick(at: 5)
    #expect(generation.answer.status == 200 && generation.answer.comments == 1)
  }

  // MARK: In one piece

  @Test func `an answer in one piece has everything together`() throws {
    let object = try whole(
      Chunk.reasoning("hm ") + Chunk.reasoning("so") + Chunk.token("Hel") + Chunk.token("lo\n\"") + Chunk.call("f")
        + Chunk.finish("tool_calls") + Chunk.usage(9, 2) + Chunk.done)
    #expect(object["id"] as? String == "chatcmpl-r1")
    #expect(object["object"] as? String == "chat.completion")
    #expect(object["created"] as? Int == 1_700_000_000)
    #expect(object["model"] as? String == "acme/m")
    #expect(object["usage"] as? [String: Int] == ["prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11])
    let message = try message(object)
    #expect(message["role"] as? String == "assistant")
    #expect(message["content"] as? String == "Hello\n\"")
    #expect(message["reasoning_content"] as? String == "hm so")
    #expect(message["refusal"] is NSNull)
    let call = try #require((message["tool_calls"] as? [[String: Any]])?.first)
    #expect(call["id"] as? String == "c1" && call["type"] as? String == "function")
    #expect(call["function"] as? [String: String] == ["name": "f", "arguments": "{}"])
    #expect((object["choices"] as? [[String: Any]])?.first?["finish_reason"] as? String == "tool_calls")
  }

  @Test func `a call's name that comes again is told once, one that comes in pieces whole`() throws {
    let message = try message(
      whole(Chunk.call("get") + Chunk.call("get") + Chunk.call("_it") + Chunk.finish("tool_calls") + Chunk.done))
    let call = try #require((message["tool_calls"] as? [[String: Any]])?.first)
    #expect(call["function"] as? [String: String] == ["name": "get_it", "arguments": "{}{}{}"])
  }

  @Test func `a character that is split over two tokens is whole again`() throws {
    let stream = [#"\ud83d"#, #"\ude00"#].map {
      Chunk.event(#"{"choices":[{"index":0,"delta":{"content":"\#($0)"}}]}"#)
    }
    #expect(try message(whole(stream.joined() + Chunk.done))["content"] as? String == "😀")
  }

  @Test func `what there is none of is null, and an empty answer an empty text`() throws {
    #expect(try message(whole(Chunk.call("f") + Chunk.done))["content"] is NSNull)
    #expect(try message(whole(Chunk.refusal("No") + Chunk.done))["content"] is NSNull)
    #expect(try message(whole(Chunk.refusal("No") + Chunk.done))["refusal"] as? String == "No")
    #expect(try message(whole(Chunk.finish()))["content"] as? String == "")
    #expect(try whole(Chunk.finish())["usage"] == nil)
  }

  @Test func `nothing goes out before the end, however long that takes`() {
    var generation = Generation.streaming(Chunk.token("a"), form: .whole)
    for seconds in [5.0, 15, 30, 45] { #expect(generation.tick(at: seconds) == .nothing) }
    #expect(generation.waiting.isEmpty)
    #expect(generation.deadline == 60)
  }

  @Test func `a failure after output still has its status line`() throws {
    var generation = Generation.streaming(Chunk.token("a"), form: .whole)
    generation.end(.brokenOff)
    #expect(generation.answer.status == 502)
    #expect(generation.answer.fields["Content-Type"] == "application/json")
    let error = try foundationObject(generation.answer.body.bytes)["error"] as? [String: Any]
    #expect(error?["code"] as? String == "upstream_truncated")
    #expect(error?["message"] as? String != nil)
  }

  @Test func `an answer without end is given up at its bound`() {
    var generation = Generation.streaming(form: .whole)
    let token = Chunk.token(String(repeating: "x", count: 1 << 19)).bytes
    var pieces = 0
    while generation.lifecycle.outcome == nil, pieces < 100 {
      generation.send(token)
      pieces += 1
    }
    #expect(pieces == 33)
    #expect(generation.answer.status == 502)
    #expect(generation.answer.body.contains("stream"))
  }
}
