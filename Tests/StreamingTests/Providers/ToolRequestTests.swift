import Foundation
import Testing

@testable import Streaming

/// Tools, their choice, stops and response formats on each wire.
struct ToolRequestTests {
  private static let tools = #"""
    [{"type":"function","function":{"name":"get","description":"Looks it up","strict":true,
      "parameters":{"type":"object","properties":{"q":{"type":"string"}}}}},{"type":"function","function":{"name":"now"}}]
    """#

  private func ask(_ members: (String, String)...) -> Ask {
    Ask(
      messages: #"{"role":"user","content":"Hi"}"#.bytes,
      members: members.map { Ask.Member(name: $0.0, value: $0.1.bytes) })
  }

  private func body(_ wire: Wire, _ ask: Ask, model: String = "m") throws -> [String: Any] {
    try foundationObject(wire.request(ask, model: model, .plain).body)
  }

  private func json(_ text: String) throws -> NSObject { try #require(try foundationJSON(text.bytes) as? NSObject) }

  @Test func `an OpenAI wire gets all of it in the bytes that came`() throws {
    let ask = ask(("tools", Self.tools), ("tool_choice", #""auto""#), ("seed", "7"), ("stop", #"["x"]"#))
    let sent = String(try Wire.openai.request(ask, model: "m", .plain).body)
    #expect(sent.contains(#""tools":\#(Self.tools),"tool_choice":"auto","seed":7,"stop":["x"]"#))
  }

  @Test func `tools go to Anthropic with their schema`() throws {
    let meant = #"""
      [{"name":"get","description":"Looks it up","input_schema":{"type":"object","properties":{"q":{"type":"string"}}}},
       {"name":"now","input_schema":{"type":"object","properties":{}}}]
      """#
    #expect(try body(.anthropic, ask(("tools", Self.tools)))["tools"] as? NSObject == json(meant))
  }

  @Test func `tools go to Gemini with their schema`() throws {
    let meant = #"""
      [{"functionDeclarations":[{"name":"get","description":"Looks it up",
        "parametersJsonSchema":{"type":"object","properties":{"q":{"type":"string"}}}},{"name":"now","description":""}]}]
      """#
    #expect(try body(.gemini, ask(("tools", Self.tools)))["tools"] as? NSObject == json(meant))
  }

  @Test(arguments: [
    (#""auto""#, #"{"type":"auto"}"#, #"{"mode":"AUTO"}"#), (#""none""#, #"{"type":"none"}"#, #"{"mode":"NONE"}"#),
    (#""required""#, #"{"type":"any"}"#, #"{"mode":"ANY"}"#),
    (
      #"{"type":"function","function":{"name":"get"}}"#, #"{"type":"tool","name":"get"}"#,
      #"{"mode":"ANY","allowedFunctionNames":["get"]}"#
    ),
  ])
  func `the choice of a tool is said in each wire's words`(choice: String, anthropic: String, gemini: String) throws {
    let ask = ask(("tools", Self.tools), ("tool_choice", choice))
    #expect(try body(.anthropic, ask)["tool_choice"] as? NSObject == json(anthropic))
    let config = try body(.gemini, ask)["toolConfig"] as? [String: Any]
    #expect(try config?["functionCallingConfig"] as? NSObject == json(gemini))
  }

  @Test(arguments: [Wire.anthropic, .gemini])
  func `a choice without tools is not sent`(wire: Wire) throws {
    for ask in [ask(("tool_choice", #""auto""#)), ask(("tools", "[]"), ("tool_choice", #""none""#))] {
      let body = try body(wire, ask)
      #expect(body["tools"] == nil && body["tool_choice"] == nil && body["toolConfig"] == nil)
    }
  }

  @Test(arguments: [Wire.anthropic, .gemini], [#"[{"type":"web_search"}]"#, "[{}]", "[7]"])
  func `a tool that a wire does not have is a 400 that names it`(wire: Wire, tools: String) throws {
    let failure = try #require(throws: Failure.self) { try body(wire, ask(("tools", tools))) }
    #expect(failure.status == 400 && failure.message.contains("tools[0]"))
  }

  @Test func `stops have a place on each wire`() throws {
    let ask = ask(("stop", #""END""#))
    #expect(try body(.anthropic, ask)["stop_sequences"] as? [String] == ["END"])
    #expect((try body(.gemini, ask)["generationConfig"] as? [String: Any])?["stopSequences"] as? [String] == ["END"])
  }

  @Test func `a schema for the answer has a place on each wire`() throws {
    let schema = #"{"type":"object","properties":{"a":{"type":"integer"}}}"#
    let ask = ask(("response_format", #"{"type":"json_schema","json_schema":{"name":"n","schema":\#(schema)}}"#))
    let output = try body(.anthropic, ask)["output_config"] as? NSObject
    #expect(try output == json(#"{"format":{"type":"json_schema","schema":\#(schema)}}"#))
    let config = try body(.gemini, ask)["generationConfig"] as? NSObject
    #expect(try config == json(#"{"responseMimeType":"application/json","responseJsonSchema":\#(schema)}"#))
  }

  @Test func `just any JSON is asked of Gemini, and Anthropic has no word for it`() throws {
    let ask = ask(("response_format", #"{"type":"json_object"}"#))
    #expect(try body(.anthropic, ask)["output_config"] == nil)
    let config = try body(.gemini, ask)["generationConfig"] as? NSObject
    #expect(try config == json(#"{"responseMimeType":"application/json"}"#))
  }

  @Test(arguments: [#"{"type":"yaml"}"#, "7", #"{"type":"json_schema"}"#])
  func `a response format that nobody knows is a 400`(value: String) {
    #expect(throws: Failure.self) { try body(.anthropic, ask(("response_format", value))) }
    #expect(throws: Failure.self) { try body(.gemini, ask(("response_format", value))) }
  }

  // MARK: Gemini's signatures

  private func calls(_ model: String, extra: String) throws -> [[String: Any]] {
    let messages = #"""
      {"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[
        {"id":"a","function":{"name":"f","arguments":"{}"}\#(extra)},{"id":"b","function":{"name":"g","arguments":"{}"}}]}
      """#
    let contents = try body(.gemini, Ask(messages: messages.bytes), model: model)["contents"] as? [[String: Any]]
    return try #require(contents?.last?["parts"] as? [[String: Any]])
  }

  @Test func `the signature of a call goes back with it`() throws {
    let parts = try calls("gemini-3-pro", extra: #","extra_content":{"google":{"thought_signature":"c2ln"}}"#)
    #expect(parts.map { $0["thoughtSignature"] as? String } == ["c2ln", nil])
  }

  @Test(arguments: [
    ("gemini-3-pro-preview", true), ("gemini-4-flash", true), ("gemini-2.5-flash", false), ("tuned", false),
  ])
  func `where the model insists on one and there is none, it is told so`(model: String, insists: Bool) throws {
    let signatures = try calls(model, extra: "").map { $0["thoughtSignature"] as? String }
    #expect(signatures == [insists ? "skip_thought_signature_validator" : nil, nil])
  }
}
