import Foundation
import Testing

@testable import Streaming

struct AnthropicRequestTests {
  private func request(_ ask: Ask) throws -> ProviderRequest {
    try Wire.anthropic.request(ask, model: "claude\"1", .plain)
  }

  private let ask = Ask(messages: #"{"role":"user","content":"Hi"}"#.bytes)

  @Test func `a request asks for the stream, with the bound on tokens that the wire needs`() throws {
    let request = try request(ask)
    #expect(request.path == "/v1/messages")
    #expect(
      String(request.body) == #"""
        {"model":"claude\"1","max_tokens":4096,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"stream":true}
        """#)
  }

  @Test func `everything has its place`() throws {
    let meant = #"""
      {"model":"claude\"1","max_tokens":4096,"stream":true,"system":"Be kind","messages":[
        {"role":"user","content":[{"type":"text","text":"What \"is\" this?"},
          {"type":"image","source":{"type":"url","url":"https://example.org/a.png"}},
          {"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]},
        {"role":"assistant","content":[{"type":"text","text":"Let me see"},
          {"type":"tool_use","id":"t1","name":"f","input":{"a":[1]}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"42\n"},
          {"type":"text","text":"And?"}]}]}
      """#
    let body = try request(Ask(messages: SampleMessages.all.bytes)).body
    #expect(try foundationDictionary(body) == foundationDictionary(meant.bytes))
  }

  @Test(arguments: [(0.2, 0.2), (0, 0), (1, 1), (1.5, 1)])
  func `the client's bound stands, the temperature ends at 1`(asked: Double, sent: Double) throws {
    var ask = ask
    (ask.maxTokens, ask.temperature) = (50, asked)
    let object = try foundationObject(request(ask).body)
    #expect(object["max_tokens"] as? Int == 50)
    #expect(object["temperature"] as? Double == sent)
  }

  @Test func `the key and the version go into headers`() {
    #expect(Wire.anthropic.headers(key: "k") == ["anthropic-version: 2023-06-01", "x-api-key: k"])
    #expect(Wire.anthropic.headers(key: nil) == ["anthropic-version: 2023-06-01"])
  }
}
