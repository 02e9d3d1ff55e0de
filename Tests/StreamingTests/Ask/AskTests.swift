import Testing

@testable import Streaming

extension Ask {
  static func get(_ query: String, _ fixed: (String, String)..., ceiling: Int = 0) throws(Failure) -> Ask {
    let params = [("REQUEST_METHOD", "GET"), ("QUERY_STRING", query)] + fixed
    return try Ask(Request(params: .of(params)), as: .stream, ceiling: ceiling)
  }

  static func post(
    _ body: String, type: String = "application/json", as dialect: Dialect = .stream, _ fixed: (String, String)...,
    ceiling: Int = 0
  ) throws(Failure) -> Ask {
    let params = [("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", type)] + fixed
    return try Ask(Request(params: .of(params), body: body.bytes), as: dialect, ceiling: ceiling)
  }

  /// The messages as `role:content`, read by another's parser.
  var conversation: [String] {
    let list = try? foundationJSON("[".bytes + messages + "]".bytes) as? [[String: Any]]
    return list?.map { "\($0["role"] ?? "?"):\($0["content"] ?? "?")" } ?? ["no JSON: \(String(messages))"]
  }
}

/// What a client may ask, by query and by JSON.
struct AskTests {
  private func refusal(_ body: () throws -> Ask) -> Failure? {
    do {
      _ = try body()
      return nil
    } catch {
      return error as? Failure
    }
  }

  // MARK: Query

  @Test func `a query is read whole`() throws {
    let ask = try Ask.get("prompt=Hi&model=p/m&system=Be+kind&max_tokens=50&temperature=0.5")
    #expect(ask.conversation == ["system:Be kind", "user:Hi"])
    #expect(ask.model == "p/m")
    #expect(ask.maxTokens == 50)
    #expect(ask.temperature == 0.5)
  }

  @Test(arguments: [
    ("a+b", "a b"), ("a%20b", "a b"), ("a%2Bb", "a+b"), ("a%2bb", "a+b"), ("1%261%3D%25", "1&1=%"), ("a=b=c", "a=b=c"),
    ("%C3%A9%F0%9F%98%80", "é😀"), ("é", "é"), ("%22%5C%0A", "\"\\\n"), ("x%00y", "x\u{0}y"),
  ])
  func `the percent-encoding of a form is undone`(encoded: String, text: String) throws {
    #expect(try Ask.get("prompt=\(encoded)").conversation == ["user:\(text)"])
  }

  @Test func `what only a prompt brings leaves the rest to the site`() throws {
    let ask = try Ask.get("prompt=Hi")
    #expect(ask == Ask(messages: #"{"role":"user","content":"Hi"}"#.bytes))
  }

  @Test func `unknown names, empty ones and lone ampersands do not matter`() throws {
    #expect(try Ask.get("&&utm=x&=y&prompt=Hi&flag&model=").conversation == ["user:Hi"])
    #expect(try Ask.get("prompt=Hi&model=").model == nil)
  }

  @Test(arguments: [
    "prompt=%", "prompt=%4", "prompt=%zz", "prompt=a%2", "model=%C3%28&prompt=Hi", "prompt=%ff", "prompt=%ED%A0%80",
  ])
  func `a broken percent-encoding or broken UTF-8 is a 400 that names the field`(query: String) throws {
    let failure = try #require(refusal { try .get(query) })
    #expect(failure.status == 400)
    #expect(failure.message.contains(query.hasPrefix("model") ? "model" : "prompt"))
  }

  @Test func `raw bytes in a query that are no UTF-8 are a 400, not silently replaced`() throws {
    var params = WebServer.pairs([("REQUEST_METHOD", "GET"), ("QUERY_STRING", "prompt=@@")])
    params.replaceSubrange(params.count - 2..<params.count, with: [0xC3, 0x28])
    let request = Request(params: try Params(fastCGI: params))
    let failure = try #require(refusal { try Ask(request, as: .stream, ceiling: 0) })
    #expect(failure.message.contains("UTF-8"))
  }

  // MARK: JSON

  @Test func `a body is read whole`() throws {
    let ask = try Ask.post(
      #"{"prompt":"H\u00e9\n","model":"p/m","system":"Be kind","max_tokens":50,"temperature":1,"other":[{}]}"#)
    #expect(ask.conversation == ["system:Be kind", "user:Hé\n"])
    #expect(ask.model == "p/m")
    #expect(ask.maxTokens == 50)
    #expect(ask.temperature == 1)
  }

  @Test func `messages pass as the bytes they came in`() throws {
    let list = #"{"role": "user",  "content":[{"type":"text","text":"\ud83d\ude00"}]}"#
    #expect(String(try Ask.post(#"{"messages":[ \#(list) ]}"#).messages) == list)
    #expect(
      try Ask.post(#"{"system":"S","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#)
        .conversation == ["system:S", "user:a", "assistant:b"])
  }

  @Test func `null is as good as nothing`() throws {
    let ask = try Ask.post(
      #"{"prompt":"Hi","messages":null,"model":null,"system":null,"max_tokens":null,"temperature":null}"#)
    #expect(ask == Ask(messages: #"{"role":"user","content":"Hi"}"#.bytes))
  }

  @Test(arguments: [
    "application/json", "Application/JSON; charset=utf-8", "application/problem+json", "application/json ;x",
  ])
  func `JSON is taken under its names`(type: String) throws {
    #expect(try Ask.post(#"{"prompt":"Hi"}"#, type: type).conversation == ["user:Hi"])
  }

  @Test(arguments: [
    "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp",
  ])
  func `another content type is a 415 that names JSON`(type: String) throws {
    let failure = try #require(refusal { try .post(#"{"prompt":"Hi"}"#, type: type) })
    #expect(failure.status == 415)
    #expect(failure.kind == .badRequest)
    #expect(failure.message.contains("application/json"))
  }

  @Test(arguments: [
    ("", "empty"), ("{", "JSON"), ("[]", "object"), ("\"Hi\"", "object"), (#"{"prompt":"Hi"} x"#, "JSON"),
    ("{\"prompt\":\"a\u{1}b\"}", "JSON"), ("{}", "prompt"), (#"{"prompt":""}"#, "prompt"),
    (#"{"prompt":" \n\t"}"#, "prompt"),
    (#"{"prompt":5}"#, "prompt"), (#"{"prompt":["Hi"]}"#, "prompt"), (#"{"prompt":null}"#, "prompt"),
    (#"{"prompt":"Hi","messages":[{"role":"user","content":"x"}]}"#, "both"),
    (#"{"messages":[]}"#, "messages"), (#"{"messages":"Hi"}"#, "messages"), (#"{"messages":["Hi"]}"#, "messages[0]"),
    (#"{"messages":[{"role":"user"},{"content":"x"}]}"#, "messages[1].role"),
    (#"{"messages":[{"role":1}]}"#, "messages[0].role"),
    (#"{"prompt":"Hi","model":5}"#, "model"), (#"{"prompt":"Hi","system":{}}"#, "system"),
    (#"{"prompt":"Hi","max_tokens":0}"#, "max_tokens"), (#"{"prompt":"Hi","max_tokens":-1}"#, "max_tokens"),
    (#"{"prompt":"Hi","max_tokens":1.5}"#, "max_tokens"), (#"{"prompt":"Hi","max_tokens":"50"}"#, "max_tokens"),
    (#"{"prompt":"Hi","max_tokens":1e30}"#, "max_tokens"), (#"{"prompt":"Hi","temperature":"hot"}"#, "temperature"),
    (#"{"prompt":"Hi","temperature":-0.1}"#, "temperature"), (#"{"prompt":"Hi","temperature":2.1}"#, "temperature"),
    (#"{"prompt":"Hi","temperature":true}"#, "temperature"),
  ])
  func `bad input is a 400 that names the field`(body: String, word: String) throws {
    let failure = try #require(refusal { try .post(body) })
    #expect(failure.status == 400)
    #expect(failure.kind == .badRequest)
    #expect(failure.message.contains(word))
  }

  @Test(arguments: [
    "", "model=x", "prompt=", "prompt=+%0A", "prompt=Hi&max_tokens=0", "prompt=Hi&max_tokens=x",
    "prompt=Hi&max_tokens=",
    "prompt=Hi&temperature=hot", "prompt=Hi&temperature=nan", "prompt=Hi&temperature=3", "prompt=Hi&temperature=inf",
  ])
  func `bad input in a query is a 400`(query: String) throws {
    #expect(try #require(refusal { try .get(query) }).status == 400)
  }

  @Test func `a body that is no UTF-8 is a 400 that says so, and no prompt is repeated in any failure`() throws {
    let params = Params.of([("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", "application/json")])
    let body = "{\"prompt\":\"secret ".bytes + [0xFF] + "\"}".bytes
    let failure = try #require(refusal { try Ask(Request(params: params, body: body), as: .stream, ceiling: 0) })
    #expect(failure.message.contains("UTF-8"))
    #expect(!failure.message.contains("secret"))
  }

  @Test func `a body nested without end is a 400`() {
    #expect(refusal { try .post(#"{"x":"# + String(repeating: "[", count: 500_000)) }?.status == 400)
    #expect(
      refusal { try .post(#"{"messages":[{"role":"user","content":"# + String(repeating: "[", count: 500_000)) }?.status
        == 400)
  }
}
