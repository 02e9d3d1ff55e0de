import Testing

@testable import Streaming

struct OpenAIToolCallTests {
  private func chunk(_ calls: String) -> String { #"{"tool_calls":[\#(calls)]}"# }

  @Test func `fragments of one call share its index, and its id is told once`() throws {
    var decoder = OpenAIDecoder()
    #expect(
      try decoder.said(
        delta: chunk(#"{"index":0,"id":"c1","type":"function","function":{"name":"get","arguments":""}}"#))
        == [.call(0, first: true, id: "c1", name: "get", arguments: "")])
    #expect(
      try decoder.said(delta: chunk(#"{"index":0,"function":{"arguments":"{\"a\""}}"#))
        == [.call(0, first: false, arguments: #"{"a""#)])
    #expect(
      try decoder.said(delta: chunk(#"{"index":0,"id":"c1","function":{"arguments":":1}"}}"#))
        == [.call(0, first: false, arguments: ":1}")])
  }

  @Test func `a name that comes again is told once, one that comes in pieces in pieces`() throws {
    var decoder = OpenAIDecoder()
    var names: [String?] = []
    for name in ["get", "get", "_it"] {
      let said = try decoder.said(
        delta: chunk(#"{"index":0,"id":"c","function":{"name":"\#(name)","arguments":"{}"}}"#))
      for case .call(_, _, _, let name, _) in said ?? [] { names.append(name) }
    }
    #expect(names == ["get", nil, "_it"])
  }

  @Test(arguments: [[0, 1], [1, 2], [3, 7], [7, 3], [-1, 5]])
  func `calls are numbered from 0, whatever the provider counts`(numbers: [Int]) throws {
    var decoder = OpenAIDecoder()
    for (index, number) in numbers.enumerated() {
      #expect(
        try decoder.said(delta: chunk(#"{"index":\#(number),"id":"c\#(number)","function":{"name":"f"}}"#))
          == [.call(index, first: true, id: "c\(number)", name: "f")])
    }
    for (index, number) in numbers.enumerated() {
      #expect(
        try decoder.said(delta: chunk(#"{"index":\#(number),"function":{"arguments":"x"}}"#))
          == [.call(index, first: false, arguments: "x")])
    }
  }

  @Test func `without numbers, a name begins a call and the rest goes on with it`() throws {
    var decoder = OpenAIDecoder()
    #expect(
      try decoder.said(delta: chunk(#"{"id":"a","function":{"name":"f","arguments":"1"}}"#))
        == [.call(0, first: true, id: "a", name: "f", arguments: "1")])
    #expect(
      try decoder.said(delta: chunk(#"{"function":{"arguments":"2"}}"#)) == [.call(0, first: false, arguments: "2")])
    #expect(
      try decoder.said(delta: chunk(#"{"id":"b","function":{"name":"f","arguments":"3"}}"#))
        == [.call(1, first: true, id: "b", name: "f", arguments: "3")])
    #expect(
      try decoder.said(delta: chunk(#"{"function":{"arguments":"4"}}"#)) == [.call(1, first: false, arguments: "4")])
  }

  @Test func `several whole calls in one chunk are several calls`() throws {
    let calls =
      #"{"id":"a","function":{"name":"f","arguments":"1"}},{"id":"b","function":{"name":"g","arguments":"2"}}"#
    let said: [Said] = [
      .call(0, first: true, id: "a", name: "f", arguments: "1"),
      .call(1, first: true, id: "b", name: "g", arguments: "2"),
    ]
    #expect(try OpenAIDecoder.said(delta: chunk(calls)) == said)
    let whole = #"{"choices":[{"message":{"content":null,"tool_calls":[\#(calls)]},"finish_reason":"tool_calls"}]}"#
    #expect(try OpenAIDecoder.said(whole) == said + [.finish(.toolCalls)])
  }

  @Test func `one number for every call does not make them one, as their ids differ`() throws {
    var decoder = OpenAIDecoder()
    #expect(
      try decoder.said(delta: chunk(#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#))
        == [.call(0, first: true, id: "a", name: "f", arguments: "1")])
    #expect(
      try decoder.said(delta: chunk(#"{"index":0,"id":"b","function":{"name":"f","arguments":"2"}}"#))
        == [.call(1, first: true, id: "b", name: "f", arguments: "2")])
    #expect(
      try decoder.said(delta: chunk(#"{"index":0,"function":{"arguments":"3"}}"#))
        == [.call(1, first: false, arguments: "3")])
  }

  @Test(arguments: [
    #"{"index":0,"function":{"name":"f"}}"#, #"{"index":0,"id":"","function":{"name":"f"}}"#,
    #"{"id":null,"function":{"name":"f"}}"#,
  ])
  func `a missing id is told to be missing`(call: String) throws {
    #expect(try OpenAIDecoder.said(delta: chunk(call)) == [.call(0, first: true, name: "f")])
  }

  @Test func `a call of the old style is the first call`() throws {
    var decoder = OpenAIDecoder()
    #expect(
      try decoder.said(delta: #"{"function_call":{"name":"f","arguments":""}}"#)
        == [.call(0, first: true, name: "f", arguments: "")])
    #expect(
      try decoder.said(delta: #"{"function_call":{"arguments":"{}"}}"#) == [.call(0, first: false, arguments: "{}")])
    #expect(try decoder.said(delta: #"{"function_call":null}"#, finish: #""function_call""#) == [.finish(.toolCalls)])
  }

  @Test func `arguments that are an object are told as its text`() throws {
    #expect(
      try OpenAIDecoder.said(delta: chunk(#"{"index":0,"id":"c","function":{"name":"f","arguments":{"a": "b"}}}"#))
        == [.call(0, first: true, id: "c", name: "f", arguments: #"{"a": "b"}"#)])
    let event = #"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"a": "b\n"}}}]}}]}"#
    let told = Generation.streaming(Chunk.event(event)).answer.events.first?.json
    #expect(told?["arguments"] as? String == #"{"a": "b\n"}"#)
  }

  @Test(arguments: ["null", "{}", "5", "[null]", "[5]", "[]"])
  func `what is no list of calls says nothing`(calls: String) throws {
    #expect(try OpenAIDecoder.said(delta: #"{"tool_calls":\#(calls)}"#) == [])
  }

  @Test func `a runaway model's calls are bounded`() throws {
    var decoder = OpenAIDecoder()
    let calls = (0..<OpenAIDecoder.callBound + 500).map { #"{"index":\#($0),"id":"c","function":{"name":"f"}}"# }
    #expect(try decoder.said(delta: chunk(calls.joined(separator: ",")))?.count == OpenAIDecoder.callBound)
  }
}
