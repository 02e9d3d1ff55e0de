import Testing

@testable import Streaming

struct EventStreamWriterTests {
  private let writer = EventStreamWriter(requestID: "r1")

  private func written(_ body: (EventStreamWriter, inout [UInt8]) -> Void) -> String {
    var output: [UInt8] = []
    body(writer, &output)
    return String(output)
  }

  private let completion = Completion(
    model: "p/m", finishReason: .stop, usage: Usage(promptTokens: 9, completionTokens: 100), cost: 0.0000458,
    firstToken: 41, duration: 2041, skipped: 0)

  @Test func `a token is one data line, its literal copied as it stands`() {
    let text = #"a\ud83d\n€"#.bytes
    #expect(written { $0.text(text.span, to: &$1) } == "data: {\"token\":\"a\\ud83d\\n€\"}\n\n")
  }

  @Test func `reasoning is an event of its own`() {
    let text = "hm".bytes
    #expect(written { $0.reasoning(text.span, to: &$1) } == "event: reasoning\ndata: {\"token\":\"hm\"}\n\n")
  }

  @Test func `a tool call's first fragment has its id and name, the others what they bring`() {
    let data = #"call_7|get|{\"a\"|:1}"#.bytes
    func literal(_ range: Range<Int>) -> JSONLiteral { JSONLiteral(range: range, hasEscapes: false) }
    let first = ToolCallFragment(
      index: 0, isFirst: true, id: literal(0..<6), name: literal(7..<10), arguments: .literal(literal(11..<17)))
    let second = ToolCallFragment(index: 0, isFirst: false, arguments: .literal(literal(18..<21)))
    #expect(
      written { $0.toolCall(first, in: data.span, to: &$1) }
        == "event: tool_call\ndata: {\"index\":0,\"id\":\"call_7\",\"name\":\"get\",\"arguments\":\"{\\\"a\\\"\"}\n\n")
    #expect(
      written { $0.toolCall(second, in: data.span, to: &$1) }
        == "event: tool_call\ndata: {\"index\":0,\"arguments\":\":1}\"}\n\n")
  }

  @Test func `a missing id is made up, another for each call`() throws {
    let nothing: [UInt8] = []
    let ids = try (0..<2).map { index in
      let event = written {
        $0.toolCall(ToolCallFragment(index: index, isFirst: true), in: nothing.span, to: &$1)
      }
      let data = try #require(event.split(separator: "data: ").last)
      return try #require(try foundationObject(String(data).bytes)["id"] as? String)
    }
    #expect(Set(ids).count == 2)
    #expect(ids.allSatisfy { !$0.isEmpty })
  }

  @Test func `a ping is a comment`() {
    #expect(written { $0.ping(to: &$1) } == ": ping\n\n")
  }

  @Test func `done tells its members in order and carries the id that ends an EventSource`() {
    #expect(
      written { $0.done(completion, to: &$1) } == """
        event: done
        id: r1.end
        data: {"id":"r1","model":"p/m","finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":100,\
        "total_tokens":109},"cost_usd":0.0000458,"ttft_ms":41,"duration_ms":2041}


        """)
  }

  @Test func `done says null for what is not known, and leaves out a cost without a price`() {
    var completion = completion
    (completion.usage, completion.cost, completion.firstToken) = (nil, nil, nil)
    completion.finishReason = .other("tired")
    #expect(
      written { $0.done(completion, to: &$1) } == """
        event: done
        id: r1.end
        data: {"id":"r1","model":"p/m","finish_reason":"tired","usage":null,"ttft_ms":null,"duration_ms":2041}


        """)
  }

  @Test func `done counts what was skipped`() {
    var completion = completion
    completion.skipped = 2
    #expect(written { $0.done(completion, to: &$1) }.hasSuffix(#""duration_ms":2041,"skipped":2}"# + "\n\n"))
  }

  @Test func `an error tells its type, message, status and whether to try again`() {
    let failure = Failure(.rateLimited, "p limits the rate", retryAfter: 34)
    #expect(
      written { $0.error(failure, to: &$1) } == """
        event: error
        id: r1.end
        data: {"type":"rate_limited","message":"p limits the rate","status":429,"retryable":true,"retry_after":34}


        """)
    #expect(!written { $0.error(Failure(.badRequest, "no"), to: &$1) }.contains("retry_after"))
  }

  @Test func `no newline gets into a data line, whoever wrote the text`() throws {
    let evil = "a\n\nevent: done\r\ndata: {}\r\u{0}"
    var completion = completion
    completion.model = evil
    completion.finishReason = .other(evil)
    for event in [written { $0.done(completion, to: &$1) }, written { $0.error(Failure(.badRequest, evil), to: &$1) }] {
      #expect(event.hasSuffix("}\n\n"))
      #expect(event.utf8.count { $0 == 0x0A } == 4)
      #expect(!event.utf8.contains(0x0D))
      let data = try #require(event.split(separator: "\ndata: ").last)
      let object = try foundationObject(String(data).bytes)
      #expect([object["model"] as? String, object["message"] as? String].contains(evil))
    }
  }

  @Test func `the head forbids every cache and every buffer`() {
    var output: [UInt8] = []
    writer.header.write(to: &output)
    #expect(
      String(output) == """
        Status: 200 OK\r
        Content-Type: text/event-stream; charset=utf-8\r
        Cache-Control: no-cache, no-transform\r
        X-Accel-Buffering: no\r
        \r

        """)
  }
}

struct DecimalTests {
  @Test(arguments: [
    (0.0000458, "0.0000458"), (0, "0"), (1, "1"), (12.5, "12.5"), (0.1 + 0.2, "0.3"), (1e-9, "0.000000001"),
    (1e-10, "0.0000000001"), (4e-11, "0"), (6e-11, "0.0000000001"), (0.99999999999, "1"), (99_999_999, "99999999"),
    (1234.0001, "1234.0001"), (0.00000004, "0.00000004"),
  ])
  func `a sum of money has no exponent and no needless digit`(value: Double, text: String) {
    #expect(Decimal.text(value) == text)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity, -1, 1e300])
  func `what is no sum of money is still a JSON number`(value: Double) {
    #expect(Decimal.text(value) == "0")
  }
}
