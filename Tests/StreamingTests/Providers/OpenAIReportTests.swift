import Testing

@testable import Streaming

/// What the wire says beside the answer: counts and failures.
struct OpenAIReportTests {
  private static let counts = #"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}"#
  private static let usage = Usage(promptTokens: 9, completionTokens: 4, totalTokens: 13)

  @Test func `usage is told after the finish reason, on it, and inside x_groq`() throws {
    #expect(try OpenAIDecoder.said(#"{"choices":[],"usage":\#(Self.counts)}"#) == [.usage(Self.usage)])
    #expect(
      try OpenAIDecoder.said(#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":\#(Self.counts)}"#)
        == [.finish(.stop), .usage(Self.usage)])
    #expect(
      try OpenAIDecoder.said(
        #"{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":\#(Self.counts)}}"#)
        == [.finish(.stop), .usage(Self.usage)])
  }

  @Test func `usage may stand in the choice`() throws {
    #expect(
      try OpenAIDecoder.said(#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":\#(Self.counts)}]}"#)
        == [.usage(Self.usage), .finish(.stop)])
  }

  @Test(arguments: [
    (#"{"prompt_tokens":9,"completion_tokens":4}"#, Usage(promptTokens: 9, completionTokens: 4, totalTokens: 13)),
    (
      #"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":20}"#,
      Usage(promptTokens: 9, completionTokens: 4, totalTokens: 20)
    ),
    (#"{"completion_tokens":4}"#, Usage(promptTokens: 0, completionTokens: 4)),
    (#"{"prompt_tokens":9,"completion_tokens":null}"#, Usage(promptTokens: 9, completionTokens: 0)),
    (#"{"prompt_tokens":9.0,"completion_tokens":4e0}"#, Usage(promptTokens: 9, completionTokens: 4)),
    (
      #"{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6,"audio_tokens":1}}"#,
      Usage(promptTokens: 9, cachedTokens: 6, completionTokens: 4)
    ),
    (
      #"{"prompt_tokens":9,"completion_tokens":4,"cached_tokens":2}"#,
      Usage(promptTokens: 9, cachedTokens: 2, completionTokens: 4)
    ),
    (
      #"{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":null}"#,
      Usage(promptTokens: 9, completionTokens: 4)
    ),
    (
      #"{"prompt_cache_hit_tokens":3,"prompt_tokens":9,"completion_tokens":4}"#,
      Usage(promptTokens: 9, cachedTokens: 3, completionTokens: 4)
    ),
    (
      #"{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":60}}"#,
      Usage(promptTokens: 9, cachedTokens: 9, completionTokens: 4)
    ),
    (#"{"prompt_tokens":-9,"completion_tokens":-4}"#, Usage(promptTokens: 0, completionTokens: 0)),
  ])
  func `counts are read, cached ones within the prompt's`(json: String, usage: Usage) throws {
    #expect(try OpenAIDecoder.said(#"{"choices":[],"usage":\#(json)}"#) == [.usage(usage)])
  }

  @Test(arguments: ["null", "{}", "5", "[]", #"{"total_tokens":5}"#, #"{"prompt_tokens":"9"}"#])
  func `a report without counts is none`(json: String) throws {
    #expect(try OpenAIDecoder.said(#"{"choices":[],"usage":\#(json)}"#) == [])
  }

  @Test func `counts beyond reason do no harm`() throws {
    let most = Int.max
    #expect(Usage(promptTokens: most, completionTokens: most, totalTokens: most).totalTokens > 0)
    #expect(
      try OpenAIDecoder.said(#"{"usage":{"prompt_tokens":\#(most),"completion_tokens":\#(most)}}"#)
        == [.usage(Usage(promptTokens: most, completionTokens: most))])
  }

  // MARK: Failures

  @Test(arguments: [
    (
      #"{"error":{"message":"slow down","type":"rate_limit_error","code":429}}"#, Said.failure(status: 429, "slow down")
    ),
    (#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#, .failure(status: 429, "slow down")),
    (#"{"error":"it broke"}"#, .failure("it broke")),
    (#"{"error":{"code":"502","message":"it broke"}}"#, .failure(status: 502, "it broke")),
    (#"{"error":{"message":"odd","code":7}}"#, .failure("odd")),
    (
      #"{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}"#,
      .failure(status: 400, "too long")
    ),
    (#"{"message":"no","code":"model_not_found"}"#, .failure(status: 404, "no")),
    (#"{"detail":"no"}"#, .failure("no")),
    (#"{"error":{"error":{"message":"deep"}}}"#, .failure("deep")),
    (#"{"error":[{"message":"first"},{"message":"second"}]}"#, .failure("first")),
    (#"{"x_groq":{"id":"r","error":"over capacity"}}"#, .failure("over capacity")),
    (
      #"{"choices":[{"index":0,"error":{"message":"it broke","code":502},"delta":null}]}"#,
      .failure(status: 502, "it broke")
    ),
  ])
  func `an error inside a 200 is a failure, whatever its shape`(data: String, said: Said) throws {
    #expect(try OpenAIDecoder.said(data) == [said])
  }

  @Test(arguments: ["null", "false", #""""#, "{}", "{ }"])
  func `an error member that holds nothing is no error`(value: String) throws {
    let data =
      #"{"error":\#(value),"choices":[{"delta":{"content":"a"},"error":\#(value)}],"x_groq":{"error":\#(value)}}"#
    #expect(try OpenAIDecoder.said(data) == [.text("a")])
  }

  @Test(arguments: [
    #"{"message":"welcome","choices":[]}"#, #"{"code":0,"choices":[]}"#,
    #"{"object":"chat.completion.chunk","choices":[]}"#,
    #"{"type":"ping"}"#, #"{"message":"","id":"x"}"#,
  ])
  func `a word that may belong to an error is none beside an answer`(data: String) throws {
    #expect(try OpenAIDecoder.said(data) == [])
  }

  @Test(arguments: [
    #"{"error":{"message":"gone","code":502},"choices":[{"delta":{"content":"a"},"index":0}]}"#,
    #"{"choices":[{"delta":{"content":"a"},"index":0}],"error":{"message":"gone","code":502}}"#,
  ])
  func `an error beside choices comes after their text`(data: String) throws {
    #expect(try OpenAIDecoder.said(data) == [.text("a"), .failure(status: 502, "gone")])
  }

  @Test(arguments: [
    #"{"error":{"message":"gone","code":503},"choices":[{"delta":{"content":""},"index":0,"finish_reason":"error"}]}"#,
    #"{"choices":[{"delta":{"content":""},"index":0,"finish_reason":"error"}],"error":{"message":"gone","code":503}}"#,
    #"{"choices":[{"finish_reason":"error","error":{"message":"gone","code":503},"index":0}]}"#,
  ])
  func `the finish reason error does not hide what the error says`(data: String) throws {
    #expect(try OpenAIDecoder.said(data)?.first == .failure(status: 503, "gone"))
  }

  @Test func `the finish reason error alone is a failure`() throws {
    #expect(try OpenAIDecoder.said(delta: "{}", finish: #""error""#) == [.failure("")])
  }

  @Test(arguments: [
    (#"{"message":"it broke","code":500}"#, Said.failure(status: 500, "it broke")),
    (#"{"error":{"type":"overloaded_error","message":"busy"}}"#, .failure(status: 503, "busy")),
    ("it broke", .failure("it broke")), ("", .failure("")), (#"{"half":"#, .failure("")),
  ])
  func `an event named error is a failure, whatever it holds`(data: String, said: Said) throws {
    #expect(try OpenAIDecoder.said(data, name: "error") == [said])
  }
}
