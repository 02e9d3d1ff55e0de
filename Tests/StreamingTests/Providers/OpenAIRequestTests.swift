import Testing

@testable import Streaming

struct OpenAIRequestTests {
  private func body(_ ask: Ask, asksForUsage: Bool = true, field: String = "max_tokens") -> String {
    let options = ProviderRequest.Options(asksForUsage: asksForUsage, maxTokensField: field, maxTokens: 4096)
    return String(OpenAI.request(ask, model: "m\"1", options).body)
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

  @Test func `a request goes to the chat completions, whatever the model's name`() throws {
    let options = ProviderRequest.Options(asksForUsage: true, maxTokensField: "max_tokens", maxTokens: 4096)
    #expect(try Wire.openai.request(ask, model: "a/b", options).path == "/chat/completions")
  }

  @Test func `the key goes into its header, and without one there is none`() {
    #expect(Wire.openai.headers(key: "k") == ["Authorization: Bearer k"])
    #expect(Wire.openai.headers(key: nil) == [])
  }
}
