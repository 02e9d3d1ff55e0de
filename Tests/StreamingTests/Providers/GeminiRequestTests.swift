import Foundation
import Testing

@testable import Streaming

struct GeminiRequestTests {
  private func request(_ ask: Ask, model: String = "gemini-2.5-flash") throws -> ProviderRequest {
    try Wire.gemini.request(ask, model: model, .plain)
  }

  private let ask = Ask(messages: #"{"role":"user","content":"Hi"}"#.bytes)

  @Test func `a request asks for the stream by its path, and for nothing that was not asked`() throws {
    let request = try request(ask)
    #expect(request.path == "/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    #expect(String(request.body) == #"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#)
  }

  @Test(arguments: [
    ("a/b", "a%2Fb"), ("../x", "..%2Fx"), ("a?b#c", "a%3Fb%23c"), ("a b", "a%20b"), ("é", "%C3%A9"),
    ("a%2Fb", "a%252Fb"),
    ("a:b", "a%3Ab"), ("a\r\nb", "a%0D%0Ab"), ("a_b~c@d.e-f", "a_b~c@d.e-f"),
  ])
  func `the model's name cannot leave its place in the path`(model: String, escaped: String) throws {
    #expect(try request(ask, model: model).path == "/models/\(escaped):streamGenerateContent?alt=sse")
  }

  @Test func `everything has its place`() throws {
    let meant = #"""
      {"systemInstruction":{"parts":[{"text":"Be kind"}]},"contents":[
        {"role":"user","parts":[{"text":"What \"is\" this?"},{"fileData":{"fileUri":"https://example.org/a.png"}},
          {"inlineData":{"mimeType":"image/png","data":"aGk="}}]},
        {"role":"model","parts":[{"text":"Let me see"},{"functionCall":{"name":"f","args":{"a":[1]}}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"42\n"}}},{"text":"And?"}]}]}
      """#
    let body = try request(Ask(messages: SampleMessages.all.bytes)).body
    #expect(try foundationDictionary(body) == foundationDictionary(meant.bytes))
  }

  @Test func `the bound on tokens and the temperature are sent where they were asked`() throws {
    var ask = ask
    ask.maxTokens = 50
    #expect(try config(ask) == ["maxOutputTokens": 50])
    ask.temperature = 1.5
    #expect(try config(ask) == ["maxOutputTokens": 50, "temperature": 1.5])
    ask.maxTokens = nil
    #expect(try config(ask) == ["temperature": 1.5])
  }

  private func config(_ ask: Ask) throws -> NSDictionary? {
    try foundationObject(request(ask).body)["generationConfig"] as? NSDictionary
  }

  @Test func `the key goes into its header, never into the path`() {
    #expect(Wire.gemini.headers(key: "k") == ["x-goog-api-key: k"])
    #expect(Wire.gemini.headers(key: nil) == [])
  }
}
