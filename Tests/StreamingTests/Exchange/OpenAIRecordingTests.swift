import Foundation
import Testing

@testable import Streaming

/// The recorded streams of the OpenAI wire from the provider's bytes to the client's, judged as `check.py` judges them.
@Suite(.enabled(if: Recordings.arePresent, "the recorded streams are not here; see Support/Recordings.swift"))
struct OpenAIRecordingTests {
  @Test func `there are recordings`() {
    #expect(Recordings.openAI.count > 20)
  }

  @Test(arguments: Recordings.openAI, [0, 1, 7])
  func `a recording comes out as it was meant, however it is cut`(name: String, size: Int) throws {
    let stream = try Recordings.contents("\(name).sse")
    var generation = Generation.streaming()
    for piece in Chunkings.pieces(stream, of: size) { generation.send(piece) }
    generation.end()
    let meant = Meant(try Recordings.expectation(of: name), text: String(try Recordings.contents("\(name).txt")))
    let answer = generation.answer
    guard answer.status == 200 else {
      #expect(meant.fails, "a status \(answer.status), though it did not fail")
      #expect(meant.text.isEmpty && meant.reasoning.isEmpty, "a status, though something came first")
      return
    }
    #expect(answer.text == meant.text)
    #expect(answer.reasoning == meant.reasoning)
    #expect(answer.strayLines.isEmpty)
    #expect(answer.events.last?.isTerminal == true)
    let terminal = try #require(answer.terminals.first)
    #expect(answer.terminals.count == 1)
    #expect(terminal.name == (meant.fails ? "error" : "done"))
    if meant.fails {
      #expect((terminal.json["type"] as? String == "upstream_truncated") == !meant.hasError)
    } else {
      #expect(meant.reasons.contains(terminal.json["finish_reason"] as? String ?? ""))
      let usage = terminal.json["usage"] as? [String: Int]
      #expect(usage?["prompt_tokens"] == meant.promptTokens)
      #expect(usage?["completion_tokens"] == meant.completionTokens)
      #expect(Call.told(in: answer) == meant.calls)
    }
  }

  /// What an `.expect.json` says of the first choice.
  private struct Meant {
    var text: String
    var reasoning: String
    var hasError: Bool
    var fails: Bool
    var reasons: Set<String>
    var promptTokens: Int?
    var completionTokens: Int?
    var calls: [Call]

    init(_ expectation: [String: Any], text: String) {
      func first(_ key: String) -> String? { (expectation[key] as? [String: Any])?["0"] as? String }
      let refusal = first("refusal") ?? ""
      self.text = text.isEmpty ? refusal : text
      reasoning = first("reasoning") ?? ""
      hasError = expectation["error"] is [String: Any] || expectation["error"] is String
      let reason = first("finish")
      fails = hasError || !(expectation["done"] as? Bool == true || reason != nil)
      calls = Call.meant(by: expectation["tool_calls"] as? [String: [String: Any]] ?? [:])
      reasons = reason.map { [FinishReason($0)?.name ?? ""] } ?? (calls.isEmpty ? ["stop"] : ["stop", "tool_calls"])
      if !refusal.isEmpty { reasons = ["content_filter"] }
      let usage = expectation["usage"] as? [String: Any]
      promptTokens = usage?["prompt_tokens"] as? Int
      completionTokens = usage?["completion_tokens"] as? Int
    }
  }

  private struct Call: Equatable {
    var id = ""
    var name = ""
    var arguments = ""

    /// From the fragments, put together by their index.
    static func told(in answer: Answer) -> [Call] {
      var calls: [Call] = []
      for fragment in answer.events.filter({ $0.name == "tool_call" }).map(\.json) {
        guard let index = fragment["index"] as? Int, index <= calls.count else { return [] }
        if index == calls.count { calls.append(Call()) }
        calls[index].id += fragment["id"] as? String ?? ""
        calls[index].name += fragment["name"] as? String ?? ""
        calls[index].arguments += fragment["arguments"] as? String ?? ""
      }
      return calls
    }

    /// The keys are `choice.call`.
    static func meant(by calls: [String: [String: Any]]) -> [Call] {
      let ours = calls.filter { $0.key.hasPrefix("0.") }
      return ours.sorted { Int($0.key.dropFirst(2)) ?? 0 < Int($1.key.dropFirst(2)) ?? 0 }.map { _, call in
        Call(
          id: call["id"] as? String ?? "", name: call["name"] as? String ?? "",
          arguments: call["arguments"] as? String ?? "")
      }
    }
  }
}
