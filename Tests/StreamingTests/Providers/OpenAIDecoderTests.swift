import Testing

@testable import Streaming

/// What the wire says of an answer: text, thoughts, the end.
struct OpenAIDecoderTests {
  @Test(
    arguments: [
      (#"{"role":"assistant","content":""}"#, []), (#"{"content":null}"#, []), (#"{}"#, []), ("null", []),
      (#"{"content":"Hi"}"#, [.text("Hi")]), (#"{"content":" \u00e9\n"}"#, [.text(" é\n")]),
      (#"{"reasoning_content":"hm"}"#, [.reasoning("hm")]), (#"{"reasoning":"hm"}"#, [.reasoning("hm")]),
      (#"{"reasoning":"hm","reasoning_content":"hm"}"#, [.reasoning("hm")]),
      (#"{"reasoning":null,"reasoning_content":"hm","content":""}"#, [.reasoning("hm")]),
      (#"{"reasoning_content":"hm","content":"Hi"}"#, [.reasoning("hm"), .text("Hi")]),
      (#"{"content":[]}"#, []), (#"{"content":["a","b"]}"#, [.text("a"), .text("b")]),
      (#"{"content":[{"type":"text","text":"Hi"},{"type":"image"}]}"#, [.text("Hi")]),
      (#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#, [.reasoning("hm")]),
      (
        #"{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"Hi"}]}"#,
        [.reasoning("hm"), .text("Hi")]
      ),
      (#"{"\u0063ontent":"Hi"}"#, [.text("Hi")]), (#"{"content":5}"#, []), (#"{"content":{"text":"x"}}"#, []),
      (#"{"refusal":null,"content":"Hi"}"#, [.text("Hi")]),
    ] as [(String, [Said])])
  func `a delta's text and thoughts are told`(delta: String, said: [Said]) throws {
    #expect(try OpenAIDecoder.said(delta: delta) == said)
  }

  @Test func `spaces padded into the JSON do not matter`() throws {
    #expect(
      try OpenAIDecoder.said(" { \"choices\" : [ { \"delta\" : { \"content\" : \"Hi\" } , \"index\" : 0 } ] } ")
        == [.text("Hi")])
  }

  @Test(arguments: [
    #"{"choices":[]}"#, #"{"choices":null}"#, #"{"choices":[],"prompt_filter_results":[{}]}"#, "{}",
    #"{"choices":[{"index":0}]}"#, #"{"choices":[{"index":0,"content_filter_results":{}}]}"#, #"{"choices":[null,5]}"#,
    #"{"choices":{}}"#, #"{"error":null,"choices":[]}"#, #"{"usage":null}"#, #"{"x_groq":null}"#,
    #"{"x_groq":{"id":"r"}}"#,
  ])
  func `a chunk without choices, or a choice without a delta, says nothing`(data: String) throws {
    #expect(try OpenAIDecoder.said(data) == [])
  }

  @Test func `text on the chunk that finishes comes before the end`() throws {
    #expect(try OpenAIDecoder.said(delta: #"{"content":"!"}"#, finish: #""stop""#) == [.text("!"), .finish(.stop)])
    #expect(
      try OpenAIDecoder.said(#"{"choices":[{"finish_reason":"length","delta":{"content":"!"},"index":0}]}"#)
        == [.text("!"), .finish(.length)])
  }

  @Test func `an answer in one piece has a message where a delta would be`() throws {
    #expect(
      try OpenAIDecoder.said(#"{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}"#)
        == [.text("Hi"), .finish(.stop)])
  }

  @Test(arguments: [
    #"{"choices":[{"delta":{"content":"i"},"message":{"content":"Hi"}}]}"#,
    #"{"choices":[{"message":{"content":"Hi"},"delta":{"content":"i"}}]}"#,
  ])
  func `a message beside a delta repeats it and is not told`(data: String) throws {
    #expect(try OpenAIDecoder.said(data) == [.text("i")])
  }

  @Test(arguments: [
    #"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"},"finish_reason":"stop"}]}"#,
    #"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"stop"},{"index":0,"delta":{"content":"a"}}]}"#,
    #"{"choices":[{"delta":{"content":"b"},"finish_reason":"stop","index":1},{"delta":{"content":"a"},"index":0}]}"#,
    #"{"choices":[{"delta":{"content":"b","tool_calls":[{"index":0,"id":"x"}]},"index":2},{"delta":{"content":"a"}}]}"#,
  ])
  func `of several choices the first is told, wherever its number stands`(data: String) throws {
    #expect(try OpenAIDecoder.said(data) == [.text("a")])
  }

  @Test func `another choice's calls and refusals do not count for the first`() throws {
    var decoder = OpenAIDecoder()
    _ = try decoder.said(
      #"{"choices":[{"delta":{"refusal":"No","tool_calls":[{"index":5,"id":"x","function":{"name":"g"}}]},"index":1}]}"#
    )
    #expect(
      try decoder.said(delta: #"{"tool_calls":[{"index":0,"id":"y","function":{"name":"f"}}]}"#, finish: #""stop""#)
        == [.call(0, first: true, id: "y", name: "f"), .finish(.stop)])
  }

  // MARK: Refusals

  @Test func `a refusal is visible text, and makes the reason content_filter`() throws {
    var decoder = OpenAIDecoder()
    #expect(try decoder.said(delta: #"{"refusal":"I can"}"#) == [.refusal("I can")])
    #expect(try decoder.said(delta: #"{"refusal":"not"}"#) == [.refusal("not")])
    #expect(try decoder.said(delta: "{}", finish: #""stop""#) == [.finish(.contentFilter)])
  }

  @Test func `a refusal without any reason is content_filter too`() throws {
    var decoder = OpenAIDecoder()
    _ = try decoder.said(delta: #"{"refusal":"No"}"#)
    #expect(try decoder.said("[DONE]") == [.finish(.contentFilter), .end])
  }

  // MARK: Endings

  @Test(arguments: ["null", #""""#, "5", "{}"])
  func `a finish reason that is none says nothing`(reason: String) throws {
    #expect(try OpenAIDecoder.said(delta: "{}", finish: reason) == [])
  }

  @Test(arguments: ["[DONE]", " [DONE]", "[DONE] ", "\t[DONE]\n"])
  func `the end marker may have space around it`(data: String) throws {
    #expect(try OpenAIDecoder.said(data) == [.end])
  }

  @Test(arguments: ["ping", "", " ", "[DONE", "[DONE]]", "DONE", "[1]", "\"{}\"", "5", "null", "true", "hello {"])
  func `what is no JSON object is told to be none, and says nothing`(data: String) throws {
    #expect(try OpenAIDecoder.said(data) == nil)
  }

  @Test(arguments: [
    #"{"choices":[{"delta":{"content":"tw"#, "{", "{}x", "{\"a\":\"\u{1}\"}",
    #"{"choices":[{"delta":{"content":"\x"}}]}"#,
    "{} {}", #"{"choices":[}"#, "{'choices':[]}",
  ])
  func `what begins an object and is no JSON may have held a token, so it is thrown`(data: String) {
    #expect(throws: JSONReader.Malformed.self) { try OpenAIDecoder.said(data) }
  }

  @Test func `broken UTF-8 is thrown, wherever it stands`() {
    for data in [#"{"choices":[{"delta":{"content":"@"}}]}"#, #"{"other":"@"}"#, #"{"@":1}"#] {
      let bytes = data.bytes.flatMap { $0 == UInt8(ascii: "@") ? [0xE2, 0x82] as [UInt8] : [$0] }
      var decoder = OpenAIDecoder()
      var deltas: [Delta] = []
      let name: [UInt8] = []
      #expect(throws: JSONReader.Malformed.self) {
        try decoder.decode(name: name.span, data: bytes.span, into: &deltas)
      }
    }
  }

  @Test func `parts nested without end are thrown, not followed until the stack is gone`() {
    let parts = String(repeating: #"[{"thinking":"#, count: 60_000)
    #expect(throws: JSONReader.Malformed.self) {
      try OpenAIDecoder.said(#"{"choices":[{"delta":{"content":"# + parts)
    }
    #expect(throws: JSONReader.Malformed.self) {
      try OpenAIDecoder.said(#"{"error":"# + String(repeating: "[", count: 500_000))
    }
  }
}
