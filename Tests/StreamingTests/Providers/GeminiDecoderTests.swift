import Testing

@testable import Streaming

struct GeminiDecoderTests {
  private static func parts(_ parts: String, _ more: String = "") -> String {
    #"{"candidates":[{"content":{"parts":[\#(parts)],"role":"model"},"index":0\#(more)}],"modelVersion":"g"}"#
  }

  // MARK: Text and thoughts

  @Test(
    arguments: [
      (#"{"text":"Hi"}"#, [.text("Hi")]), (#"{"text":"a"},{"text":"b"}"#, [.text("a"), .text("b")]),
      (#"{"text":"hm","thought":true}"#, [.reasoning("hm")]), (#"{"thought":true,"text":"hm"}"#, [.reasoning("hm")]),
      (#"{"thought":false,"text":"Hi"}"#, [.text("Hi")]), (#"{"thought":null,"text":"Hi"}"#, [.text("Hi")]),
      (#"{"text":"hm","thought":true},{"text":"Hi","thoughtSignature":"c2ln"}"#, [.reasoning("hm"), .text("Hi")]),
      (#"{"text":""}"#, []), ("", []), ("null", []), ("{}", []), (#"{"text":5}"#, []),
      (#"{"executableCode":{"language":"PYTHON","code":"no"}}"#, []),
      (#"{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"no"}}"#, []),
      (#"{"inlineData":{"mimeType":"image/png","data":"no"}}"#, []),
    ] as [(String, [Said])])
  func `text and thought parts are told, other parts are not`(parts: String, said: [Said]) throws {
    #expect(try GeminiDecoder.said(Self.parts(parts)) == said)
  }

  @Test(arguments: [
    "{}", #"{"candidates":[]}"#, #"{"candidates":null}"#, #"{"candidates":[{"index":0}]}"#,
    #"{"candidates":[{"content":{}}]}"#, #"{"candidates":[{"content":null,"finishReason":null}]}"#,
    #"{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#, #"{"error":null}"#,
    #"{"promptFeedback":{"safetyRatings":[]}}"#, #"{"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED"}}"#,
    #"{"promptFeedback":{"blockReason":null}}"#,
  ])
  func `an event without parts or reasons says nothing`(data: String) throws {
    #expect(try GeminiDecoder.said(data) == [])
  }

  @Test(arguments: [
    #"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0},{"content":{"parts":[{"text":"b"}]},"index":1}]}"#,
    #"{"candidates":[{"content":{"parts":[{"text":"b"}]},"index":1},{"index":0,"content":{"parts":[{"text":"a"}]}}]}"#,
    #"{"candidates":[{"finishReason":"STOP","index":2},{"content":{"parts":[{"text":"a"}]}}]}"#,
  ])
  func `of several candidates the first is told`(data: String) throws {
    #expect(try GeminiDecoder.said(data) == [.text("a")])
  }

  @Test func `another candidate's calls do not count for the first`() throws {
    let said = try GeminiDecoder.said(all: [
      #"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"g","args":{}}}]},"index":1}]}"#,
      Self.parts(#"{"text":"a"}"#, #","finishReason":"STOP""#),
    ])
    #expect(said == [.text("a"), .finish(.stop)])
  }

  // MARK: Tool calls

  @Test func `calls come whole, numbered over all events, with an id where there is one`() throws {
    let said = try GeminiDecoder.said(all: [
      Self.parts(
        #"{"functionCall":{"name":"f","args":{"a":[1]}}},{"functionCall":{"args":{},"name":"g","id":"t2"}}"#),
      Self.parts(#"{"functionCall":{"name":"h"},"thoughtSignature":"c2ln"}"#),
    ])
    #expect(
      said == [
        .call(0, first: true, name: "f", arguments: #"{"a":[1]}"#),
        .call(1, first: true, id: "t2", name: "g", arguments: "{}"), .call(2, first: true, name: "h"),
      ])
  }

  @Test func `STOP after calls is tool_calls, in the same event and in a later one`() throws {
    let call = #"{"functionCall":{"name":"f","args":{}}}"#
    let stop = #","finishReason":"STOP""#
    #expect(try GeminiDecoder.said(Self.parts(call, stop))?.last == .finish(.toolCalls))
    #expect(try GeminiDecoder.said(all: [Self.parts(call), Self.parts("", stop)]).last == .finish(.toolCalls))
    #expect(
      try GeminiDecoder.said(
        #"{"candidates":[{"finishReason":"STOP","content":{"parts":[\#(call)]}}]}"#)?.last == .finish(.toolCalls))
    #expect(try GeminiDecoder.said(Self.parts(call, #","finishReason":"MAX_TOKENS""#))?.last == .finish(.length))
  }

  @Test func `an empty id is none, and arguments that are no object are none`() throws {
    #expect(
      try GeminiDecoder.said(Self.parts(#"{"functionCall":{"name":"f","id":"","args":null}}"#))
        == [.call(0, first: true, name: "f")])
  }

  @Test func `a runaway model's calls are bounded`() throws {
    let calls = Array(repeating: #"{"functionCall":{"name":"f"}}"#, count: 3000).joined(separator: ",")
    #expect(try GeminiDecoder.said(Self.parts(calls))?.count == 1024)
  }

  // MARK: Endings

  @Test(arguments: [
    ("STOP", FinishReason.stop), ("MAX_TOKENS", .length), ("SAFETY", .contentFilter), ("RECITATION", .contentFilter),
    ("FAKE_ENUM", .other("fake_enum")),
  ])
  func `the reason comes after the text`(word: String, reason: FinishReason) throws {
    #expect(
      try GeminiDecoder.said(Self.parts(#"{"text":"!"}"#, #","finishReason":"\#(word)""#))
        == [.text("!"), .finish(reason)])
    #expect(
      try GeminiDecoder.said(#"{"candidates":[{"finishReason":"\#(word)","content":{"parts":[{"text":"!"}]}}]}"#)
        == [.text("!"), .finish(reason)])
  }

  @Test func `a prompt that was blocked before any candidate is a filtered answer`() throws {
    #expect(
      try GeminiDecoder.said(
        #"{"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[]},"usageMetadata":{"promptTokenCount":9}}"#)
        == [.finish(.contentFilter), .usage(Usage(promptTokens: 9, completionTokens: 0))])
    var generation = Generation.streaming(
      Chunk.event(#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#), wire: .gemini)
    generation.end()
    #expect(generation.answer.events.map(\.name) == ["done"])
    #expect(generation.answer.events.last?.json["finish_reason"] as? String == "content_filter")
  }

  // MARK: Usage

  @Test(arguments: [
    (
      #"{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}"#,
      Usage(promptTokens: 9, completionTokens: 4)
    ),
    (
      #"{"promptTokenCount":9,"candidatesTokenCount":4,"thoughtsTokenCount":30,"totalTokenCount":43}"#,
      Usage(promptTokens: 9, completionTokens: 34)
    ),
    (#"{"thoughtsTokenCount":30,"promptTokenCount":9}"#, Usage(promptTokens: 9, completionTokens: 30)),
    (
      #"{"promptTokenCount":9,"toolUsePromptTokenCount":5,"candidatesTokenCount":4,"cachedContentTokenCount":6}"#,
      Usage(promptTokens: 14, cachedTokens: 6, completionTokens: 4)
    ),
    (
      #"{"promptTokenCount":9,"promptTokensDetails":[{"modality":"TEXT","tokenCount":8}],"totalTokenCount":20}"#,
      Usage(promptTokens: 9, completionTokens: 0, totalTokens: 20)
    ),
    (
      #"{"promptTokenCount":\#(Int.max),"toolUsePromptTokenCount":\#(Int.max),"thoughtsTokenCount":-1}"#,
      Usage(promptTokens: .max, completionTokens: 0)
    ),
  ])
  func `counts are read, thoughts and the prompts of tools included`(json: String, usage: Usage) throws {
    #expect(try GeminiDecoder.said(#"{"usageMetadata":\#(json)}"#) == [.usage(usage)])
  }

  @Test(arguments: ["null", "{}", "[]", #"{"totalTokenCount":5}"#])
  func `a report without counts is none`(json: String) throws {
    #expect(try GeminiDecoder.said(#"{"usageMetadata":\#(json)}"#) == [])
  }

  // MARK: Failures

  private static let error = #"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#

  @Test func `an error inside a 200 is a failure`() throws {
    #expect(try GeminiDecoder.said(Self.error) == [.failure(status: 503, "overloaded")])
    #expect(try GeminiDecoder.said(Self.error, name: "error") == [.failure(status: 503, "overloaded")])
  }

  @Test(arguments: [Self.error, "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"overloaded\"\n  }\n}\n"])
  func `a bare JSON error after text ends the stream with it`(error: String) throws {
    var generation = Generation.streaming(Chunk.event(Self.parts(#"{"text":"a"}"#)), wire: .gemini)
    generation.send(error)
    generation.end()
    #expect(generation.answer.events.map(\.name) == ["message", "error"])
    #expect(generation.answer.events.last?.json["status"] as? Int == 503)
  }

  @Test(arguments: ["ping", "", "[DONE]", "[{}]", "5"])
  func `what is no JSON object is told to be none`(data: String) throws {
    #expect(try GeminiDecoder.said(data) == nil)
  }

  @Test(arguments: [#"{"candidates":[{"content":{"parts":[{"text":"a"#, "{}x", #"{"candidates":[}"#])
  func `what begins an object and is no JSON is thrown`(data: String) {
    #expect(throws: JSONReader.Malformed.self) { try GeminiDecoder.said(data) }
  }
}
