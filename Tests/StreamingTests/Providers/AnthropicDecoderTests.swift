import Testing

@testable import Streaming

struct AnthropicDecoderTests {
  private static func start(_ index: Int, _ block: String) -> String {
    #"{"type":"content_block_start","index":\#(index),"content_block":\#(block)}"#
  }

  private static func delta(_ index: Int, _ delta: String) -> String {
    #"{"type":"content_block_delta","index":\#(index),"delta":\#(delta)}"#
  }

  private static func stop(_ index: Int) -> String { #"{"type":"content_block_stop","index":\#(index)}"# }

  private static let text = start(0, #"{"type":"text","text":""}"#)

  // MARK: Text and thoughts

  @Test func `text and thinking are told by the kind of their block`() throws {
    let said = try AnthropicDecoder.said(all: [
      Self.start(0, #"{"type":"thinking","thinking":"","signature":""}"#),
      Self.delta(0, #"{"type":"thinking_delta","thinking":"h\u006d"}"#),
      Self.delta(0, #"{"type":"signature_delta","signature":"c2ln"}"#), Self.stop(0),
      Self.start(1, #"{"type":"text","text":""}"#), Self.delta(1, #"{"type":"text_delta","text":"Hi"}"#),
      Self.delta(1, #"{"type":"text_delta","text":""}"#),
      Self.delta(1, #"{"type":"citations_delta","citation":{"type":"x","cited_text":"no","text":"no"}}"#), Self.stop(1),
    ])
    #expect(said == [.reasoning("hm"), .text("Hi")])
  }

  @Test func `a block may begin with content in it`() throws {
    #expect(try AnthropicDecoder.said(Self.start(0, #"{"type":"text","text":"Hi"}"#)) == [.text("Hi")])
    #expect(try AnthropicDecoder.said(Self.start(0, #"{"type":"thinking","thinking":"hm"}"#)) == [.reasoning("hm")])
  }

  @Test(arguments: [
    #"{"type":"redacted_thinking","data":"EroB"}"#,
    #"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#,
    #"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"text","text":"no"}]}"#,
    #"{"type":"compaction","content":"no"}"#, #"{"type":"new_kind","text":"no"}"#, #"{"text":"no"}"#, "null",
  ])
  func `blocks that are nothing to the client are told nothing, whatever is added to them`(block: String) throws {
    let said = try AnthropicDecoder.said(all: [
      Self.start(3, block), Self.delta(3, #"{"type":"text_delta","text":"no","thinking":"no"}"#),
      Self.delta(3, #"{"type":"input_json_delta","partial_json":"{}"}"#), Self.stop(3),
      Self.start(4, #"{"type":"text","text":"Hi"}"#),
    ])
    #expect(said == [.text("Hi")])
  }

  @Test func `what is added to a block that is closed, or never began, is told nothing`() throws {
    let hi = #"{"type":"text_delta","text":"Hi"}"#
    #expect(try AnthropicDecoder.said(all: [Self.text, Self.stop(0), Self.delta(0, hi), Self.delta(7, hi)]) == [])
  }

  @Test func `members may stand in any order`() throws {
    let said = try AnthropicDecoder.said(all: [
      #"{"content_block":{"input":{},"name":"f","id":"t1","type":"tool_use"},"index":2,"type":"content_block_start"}"#,
      #"{"delta":{"partial_json":"{}","type":"input_json_delta"},"index":2,"type":"content_block_delta"}"#,
      #"{"message":{"usage":{"output_tokens":1,"input_tokens":9},"content":[]},"type":"message_start"}"#,
      #"{"usage":{"output_tokens":4},"delta":{"stop_sequence":null,"stop_reason":"tool_use"},"type":"message_delta"}"#,
    ])
    #expect(
      said == [
        .call(0, first: true, id: "t1", name: "f"), .call(0, first: false, arguments: "{}"),
        .usage(Usage(promptTokens: 9, completionTokens: 1)), .usage(Usage(promptTokens: 9, completionTokens: 4)),
        .finish(.toolCalls),
      ])
  }

  // MARK: Tool calls

  @Test func `the fragments of tool calls are numbered from 0, whatever their block's number`() throws {
    let said = try AnthropicDecoder.said(all: [
      Self.text, Self.start(1, #"{"type":"tool_use","id":"t1","name":"f","input":{}}"#),
      Self.delta(1, #"{"type":"input_json_delta","partial_json":""}"#),
      Self.delta(1, #"{"type":"input_json_delta","partial_json":"{\"a\":"}"#),
      Self.start(2, #"{"type":"tool_use","id":"t2","name":"g","input":{}}"#),
      Self.delta(1, #"{"type":"input_json_delta","partial_json":"1}"}"#),
      Self.delta(2, #"{"type":"input_json_delta","partial_json":"{}"}"#),
    ])
    #expect(
      said == [
        .call(0, first: true, id: "t1", name: "f"), .call(0, first: false, arguments: #"{"a":"#),
        .call(1, first: true, id: "t2", name: "g"), .call(0, first: false, arguments: "1}"),
        .call(1, first: false, arguments: "{}"),
      ])
  }

  @Test func `a call may come whole`() throws {
    #expect(
      try AnthropicDecoder.said(Self.start(0, #"{"type":"tool_use","id":"t1","name":"f","input":{"a":[1]}}"#))
        == [.call(0, first: true, id: "t1", name: "f", arguments: #"{"a":[1]}"#)])
  }

  @Test func `an empty id is none, and an empty input is none however it is written`() throws {
    #expect(
      try AnthropicDecoder.said(Self.start(0, #"{"type":"tool_use","id":"","name":"f","input":{ }}"#))
        == [.call(0, first: true, name: "f")])
  }

  // MARK: Endings

  @Test func `message_stop is the end`() throws {
    #expect(try AnthropicDecoder.said(#"{"type":"message_stop"}"#, name: "message_stop") == [.end])
  }

  @Test(arguments: [
    ("end_turn", FinishReason.stop), ("stop_sequence", .stop), ("max_tokens", .length), ("tool_use", .toolCalls),
    ("refusal", .contentFilter), ("Tired", .other("tired")),
  ])
  func `the reason is told`(word: String, reason: FinishReason) throws {
    #expect(
      try AnthropicDecoder.said(#"{"type":"message_delta","delta":{"stop_reason":"\#(word)","stop_sequence":null}}"#)
        == [.finish(reason)])
  }

  @Test(arguments: [
    #"{"type":"ping"}"#, #"{"type":"new_kind","delta":{"text":"no"}}"#, "{}", #"{"type":5,"index":"x","delta":null}"#,
    #"{"type":"message_start","message":{"type":"message","content":[],"stop_reason":null}}"#,
    #"{"type":"message_delta","delta":{"stop_reason":null},"usage":null}"#, #"{"error":null,"type":"ping"}"#,
  ])
  func `an event that says nothing to the client is none`(data: String) throws {
    #expect(try AnthropicDecoder.said(data) == [])
  }

  @Test func `an answer that was not streamed is told as if it had been`() throws {
    let whole = #"""
      {"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"thinking","thinking":"hm"},
      {"type":"redacted_thinking","data":"x"},{"type":"text","text":"Hi"},
      {"type":"tool_use","id":"t1","name":"f","input":{"a":1}},{"type":"tool_use","id":"t2","name":"g","input":{}}],
      "stop_reason":"tool_use","usage":{"input_tokens":9,"output_tokens":4}}
      """#
    #expect(
      try AnthropicDecoder.said(whole) == [
        .reasoning("hm"), .text("Hi"), .call(0, first: true, id: "t1", name: "f", arguments: #"{"a":1}"#),
        .call(1, first: true, id: "t2", name: "g"), .usage(Usage(promptTokens: 9, completionTokens: 4)),
        .finish(.toolCalls),
      ])
  }

  // MARK: Usage

  @Test func `of two counts the later replaces what it names, and the rest stands`() throws {
    let first = #"""
      {"type":"message_start","message":{"content":[],"usage":{"input_tokens":10,"cache_read_input_tokens":20,
      "cache_creation_input_tokens":5,"cache_creation":{"input_tokens":99},"output_tokens":1}}}
      """#
    #expect(
      try AnthropicDecoder.said(all: [first, #"{"type":"message_delta","delta":{},"usage":{"output_tokens":7}}"#]) == [
        .usage(Usage(promptTokens: 35, cachedTokens: 20, completionTokens: 1)),
        .usage(Usage(promptTokens: 35, cachedTokens: 20, completionTokens: 7)),
      ])
    let second = #"""
      {"type":"message_delta","delta":{},"usage":{"input_tokens":12,"cache_read_input_tokens":null,
      "cache_creation_input_tokens":0,"output_tokens":7}}
      """#
    #expect(
      try AnthropicDecoder.said(all: [first, second]).last
        == .usage(Usage(promptTokens: 32, cachedTokens: 20, completionTokens: 7)))
  }

  @Test(arguments: ["{}", "null", "[]", #"{"service_tier":"standard"}"#, #"{"input_tokens":null}"#])
  func `a report without counts is none`(usage: String) throws {
    #expect(try AnthropicDecoder.said(#"{"type":"message_delta","delta":{},"usage":\#(usage)}"#) == [])
  }

  @Test func `counts beyond reason do no harm`() throws {
    let most = Int.max
    let usage = #"{"input_tokens":\#(most),"cache_read_input_tokens":\#(most),"output_tokens":-1}"#
    #expect(
      try AnthropicDecoder.said(#"{"type":"message_delta","usage":\#(usage)}"#)
        == [.usage(Usage(promptTokens: most, cachedTokens: most, completionTokens: 0))])
  }

  // MARK: Failures

  @Test(arguments: ["error", ""])
  func `an error in the middle is a failure, with the event's name and without`(name: String) throws {
    var decoder = AnthropicDecoder()
    _ = try decoder.said(Self.text)
    #expect(
      try decoder.said(
        #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#, name: name)
        == [.failure(status: 503, "Overloaded")])
  }

  @Test func `an error event is a failure, whatever is in it`() throws {
    #expect(try AnthropicDecoder.said("it broke", name: "error") == [.failure("it broke")])
    #expect(try AnthropicDecoder.said("{}", name: "error") == [.failure("")])
  }

  @Test(arguments: ["ping", "", "[DONE]", "5", "null"])
  func `what is no JSON object is told to be none`(data: String) throws {
    #expect(try AnthropicDecoder.said(data) == nil)
  }

  @Test(arguments: [#"{"type":"ping""#, "{}x", #"{"type":"message_stop"} {}"#, #"{"delta":{"text":"\x"}}"#, "{'a':1}"])
  func `what begins an object and is no JSON is thrown`(data: String) {
    #expect(throws: JSONReader.Malformed.self) { try AnthropicDecoder.said(data) }
  }

  @Test func `messages nested without end are thrown, not followed until the stack is gone`() {
    #expect(throws: JSONReader.Malformed.self) {
      try AnthropicDecoder.said(String(repeating: #"{"message":"#, count: 60_000))
    }
  }

  @Test func `a runaway model's calls and blocks are bounded`() throws {
    var decoder = AnthropicDecoder()
    var said = 0
    for number in 0..<3000 {
      said += try decoder.said(Self.start(number, #"{"type":"tool_use","id":"t","name":"f","input":{}}"#))?.count ?? 0
      _ = try decoder.said(Self.stop(number))
    }
    #expect(said == 1024)
  }
}
