import Testing

@testable import Streaming

struct OpenAIRequestTests {
  private func body(_ ask: Ask, asksForUsage: Bool = true, field: String = "max_tokens") -> String {
    String(OpenAI.body(ask, model: "m\"1", asksForUsage: asksForUsage, maxTokensField: field))
  }

  private let ask = Ask(messages: #"{"role":"user","content":"Hi"}"#.bytes)

  @Test func `a request asks for the stream and for usage, and for nothing that was not asked`() {
    #expect(
      body(ask) == #"""
        {"model":"m\"1","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}}
        """#)
  }

  @Test func `usage is not asked of a provider that rejects the question`() {
    #expect(!body(ask, asksForUsage: false).contains("stream_options"))
  }

  @Test func `a bound on tokens goes under the provider's own name, the temperature as it is`() throws {
    var ask = ask
    (ask.maxTokens, ask.temperature) = (50, 0.2)
    let object = try foundationObject(body(ask, field: "max_completion_tokens").bytes)
    #expect(object["max_completion_tokens"] as? Int == 50)
    #expect(object["max_tokens"] == nil)
    #expect(object["temperature"] as? Double == 0.2)
  }

  @Test func `the key goes into its header`() {
    #expect(OpenAI.authorization("k") == "Authorization: Bearer k")
  }
}
