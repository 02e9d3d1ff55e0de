import Foundation
import Testing

@testable import Streaming

/// The recorded streams of every wire from the provider's bytes to the client's, judged as `check.py` judges them.
@Suite(.enabled(if: Recordings.arePresent, "the recorded streams are not here; see Support/Recordings.swift"))
struct RecordingTests {
  @Test(arguments: Wire.allCases)
  func `there are recordings`(wire: Wire) throws {
    #expect(try Recordings.names.filter { try Recordings.wire(of: $0) == wire }.count >= 8)
  }

  @Test(arguments: Recordings.names, [0, 1, 7])
  func `a recording comes out as it was meant, however it is cut`(name: String, size: Int) throws {
    let stream = try Recordings.contents("\(name).sse")
    let wire = try Recordings.wire(of: name)
    var generation = Generation.streaming(wire: wire)
    for piece in Chunkings.pieces(stream, of: size) { generation.send(piece) }
    generation.end()
    let meant = Meant(
      try Recordings.expectation(of: name), on: wire, text: String(try Recordings.contents("\(name).txt")))
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
      if let total = usage?["total_tokens"] { #expect(meant.totals.contains(total)) }
      #expect(Call.told(in: answer, on: wire) == meant.calls)
    }
  }

  /// The short ones at every place, the long ones at random ones.
  @Test(arguments: Recordings.names)
  func `a recording comes out the same wherever it is cut in two`(name: String) throws {
    let stream = try Recordings.contents("\(name).sse")
    let wire = try Recordings.wire(of: name)
    func answer(_ pieces: ArraySlice<UInt8>...) -> [UInt8] {
      var generation = Generation.streaming(wire: wire)
      for piece in pieces { generation.send(Array(piece)) }
      generation.end()
      return generation.waiting
    }
    let whole = answer(stream[...])
    let places =
      stream.count <= 5000
      ? Array(0...stream.count) : (0..<3_000_000 / stream.count).map { _ in Int.random(in: 0...stream.count) }
    for place in places {
      try #require(answer(stream[..<place], stream[place...]) == whole, "cut before byte \(place)")
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
    var totals: [Int] = []
    var calls: [Call]

    init(_ expectation: [String: Any], on wire: Wire, text: String) {
      func all(_ key: String) -> [String: String] {
        (expectation[key] as? [String: Any] ?? [:]).compactMapValues { $0 as? String }
      }
      let refusal = all("refusal")["0"] ?? ""
      self.text = text.isEmpty ? refusal : text
      // Anthropic's are numbered by block.
      reasoning = all("reasoning").filter { wire == .anthropic || $0.key == "0" }.sorted { $0.key < $1.key }
        .map(\.value).joined()
      hasError = expectation["error"] is [String: Any] || expectation["error"] is String
      let reason = all("finish")["0"]
      let isBlocked = (expectation["prompt_feedback"] as? [String: Any])?["blockReason"] != nil
      fails = hasError || !(expectation["done"] as? Bool == true || reason != nil || isBlocked)
      calls = Call.meant(by: expectation["tool_calls"] as? [String: [String: Any]] ?? [:])
      reasons = reason.map { [FinishReason($0)?.name ?? ""] } ?? (calls.isEmpty ? ["stop"] : ["stop", "tool_calls"])
      if wire == .gemini, !calls.isEmpty { reasons = ["tool_calls"] }
      if !refusal.isEmpty || isBlocked { reasons = ["content_filter"] }
      if let usage = expectation["usage"] as? [String: Any] { count(usage, on: wire) }
    }

    private mutating func count(_ usage: [String: Any], on wire: Wire) {
      func sum(_ names: String...) -> Int? {
        let numbers = names.compactMap { usage[$0] as? Int }
        return numbers.isEmpty ? nil : numbers.reduce(0, +)
      }
      switch wire {
      case .openai:
        (promptTokens, completionTokens) = (sum("prompt_tokens"), sum("completion_tokens"))
      case .anthropic:
        promptTokens = sum("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        completionTokens = sum("output_tokens")
      case .gemini:
        promptTokens = sum("promptTokenCount", "toolUsePromptTokenCount")
        completionTokens = sum("candidatesTokenCount", "thoughtsTokenCount")
      }
      totals = [(promptTokens ?? 0) + (completionTokens ?? 0)]
      if let total = sum("total_tokens", "totalTokenCount") { totals.append(total) }
    }
  }

  private struct Call: Equatable {
    var id = ""
    var name = ""
    var arguments = ""

    /// From the fragments, put together by their index.
    static func told(in answer: Answer, on wire: Wire) -> [Call] {
      var calls: [Call] = []
      for fragment in answer.events.filter({ $0.name == "tool_call" }).map(\.json) {
        guard let index = fragment["index"] as? Int, index <= calls.count else { return [] }
        if index == calls.count { calls.append(Call()) }
        calls[index].id += fragment["id"] as? String ?? ""
        calls[index].name += fragment["name"] as? String ?? ""
        calls[index].arguments += fragment["arguments"] as? String ?? ""
      }
      guard wire == .gemini else { return calls }
      // Its calls have no id, so one is made up; its arguments are an object.
      return calls.map { call in
        let object = try? foundationObject(call.arguments.bytes)
        return Call(id: call.id.isEmpty ? "none" : "", name: call.name, arguments: object.map(sorted) ?? "no object")
      }
    }

    /// The keys are `choice.call`, or the number of the block or part.
    static func meant(by calls: [String: [String: Any]]) -> [Call] {
      let ours = calls.filter { key, call in
        // A tool that the provider runs itself is not the client's to call.
        !key.hasPrefix("1.") && (call["id"] as? String)?.hasPrefix("srvtoolu") != true
      }
      func place(_ key: String) -> Int { key.split(separator: ".").last.flatMap { Int($0) } ?? 0 }
      return ours.sorted { place($0.key) < place($1.key) }.map { _, call in
        Call(
          id: call["id"] as? String ?? "", name: call["name"] as? String ?? "",
          arguments: call["arguments"] as? String ?? (call["args"] as? [String: Any]).map(sorted) ?? "")
      }
    }

    private static func sorted(_ object: [String: Any]) -> String {
      String(Array((try? JSONSerialization.data(withJSONObject: object, options: .sortedKeys)) ?? Data()))
    }
  }
}
