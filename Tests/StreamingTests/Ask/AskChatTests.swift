import Testing

@testable import Streaming

/// What `/v1/chat/completions` takes beside what `/stream` does.
struct AskChatTests {
  private static let messages = #""messages":[{"role":"user","content":"Hi"}]"#

  private func ask(_ members: String, _ fixed: (String, String)..., ceiling: Int = 0) throws(Failure) -> Ask {
    let params = [("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", "application/json")] + fixed
    let body = "{\(Self.messages)\(members.isEmpty ? "" : ",")\(members)}"
    return try Ask(Request(params: .of(params), body: body.bytes), as: .chatCompletions, ceiling: ceiling)
  }

  private func refusal(_ members: String) -> Failure? {
    do throws(Failure) {
      _ = try ask(members)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: [
    ("", AnswerForm.whole), (#""stream":false"#, .whole), (#""stream":null"#, .whole),
    (#""stream":true"#, .chunks(includesUsage: false)),
    (#""stream_options":{"include_usage":true},"stream":true"#, .chunks(includesUsage: true)),
    (#""stream":true,"stream_options":{"include_usage":false,"x":1}"#, .chunks(includesUsage: false)),
    (#""stream":true,"stream_options":null"#, .chunks(includesUsage: false)),
  ])
  func `the client says in which form it wants its answer`(members: String, form: AnswerForm) throws {
    #expect(try ask(members).form == form)
  }

  @Test(
    arguments: [
      (#""max_tokens":5"#, 5), (#""max_completion_tokens":6"#, 6), (#""max_tokens":5,"max_completion_tokens":6"#, 6),
      (#""max_completion_tokens":6,"max_tokens":5"#, 6), (#""max_tokens":null"#, nil),
    ] as [(String, Int?)])
  func `the bound on tokens has two names`(members: String, tokens: Int?) throws {
    #expect(try ask(members).maxTokens == tokens)
  }

  @Test func `neither name escapes the site's bounds`() throws {
    #expect(try ask(#""max_completion_tokens":600"#, ceiling: 100).maxTokens == 100)
    #expect(try ask(#""max_completion_tokens":600"#, ("SHEEP_MAX_TOKENS", "50")).maxTokens == 50)
  }

  @Test func `what is not understood here is kept as it came`() throws {
    let ask = try ask(#""seed" : 7, "x":{ "y": [1,2 , 3]},"tools":[ ],"user":"ü\u00e9","seed":8,"logprobs":null"#)
    let kept = ask.members.map { "\($0.name)=\(String($0.value))" }
    #expect(kept == ["x={ \"y\": [1,2 , 3]}", "tools=[ ]", #"user="ü\u00e9""#, "seed=8"])
  }

  @Test(arguments: ["model", "messages", "stream", "stream_options", "max_tokens", "temperature", "n", "models"])
  func `what is ours to say is never passed on twice`(name: String) throws {
    let value = [
      "model": #""m""#, "messages": #"[{"role":"user","content":"b"}]"#, "stream": "true", "models": #"["x"]"#,
    ]
    let ask = try ask("\"\(name)\":\(value[name] ?? (name == "stream_options" ? "{}" : "1"))")
    #expect(ask.members.isEmpty)
  }

  @Test(arguments: [
    "Model", "MAX_TOKENS", "Messages", "mOdels", "N", "Max_Completion_Tokens", "Stream", "\\u004dodel", "max_tokenſ",
    "me\\u017f\\u017fages", "n_predict", "Max_New_Tokens", "max_output_tokens", "fallbacks",
  ])
  func `nor in another case, or word, which some providers do not mind`(name: String) throws {
    #expect(try ask("\"\(name)\":1").members.isEmpty)
  }

  @Test(arguments: [#""n":2"#, #""n":"1""#, #""stream":"yes""#, #""max_completion_tokens":0"#, #""temperature":3"#])
  func `what cannot be meant is a 400 that says what to send`(members: String) throws {
    let failure = try #require(refusal(members))
    #expect(failure.status == 400 && failure.message.contains(";"))
  }

  @Test func `one answer a request may be said`() throws {
    #expect(try ask(#""n":1"#).members.isEmpty)
  }

  @Test func `messages are asked for, not a prompt`() throws {
    let params = Params.of([("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", "application/json")])
    var failure: Failure?
    do throws(Failure) {
      _ = try Ask(Request(params: params, body: #"{"prompt":"x"}"#.bytes), as: .chatCompletions, ceiling: 0)
    } catch {
      failure = error
    }
    #expect(failure?.message.contains("messages is missing") == true)
  }

  @Test func `the system messages of a client give way to the site's`() throws {
    let params = Params.of([
      ("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", "application/json"), ("SHEEP_SYSTEM", "Be kind"),
    ])
    let body = #"{"messages":[{"role":"system","content":"Be rude"},{"role":"user","content":"Hi"}]}"#
    let ask = try Ask(Request(params: params, body: body.bytes), as: .chatCompletions, ceiling: 0)
    #expect(ask.conversation == ["system:Be kind", "user:Hi"])
  }

  @Test(arguments: [
    (#""END""#, ["END"]), (#"["a","b"]"#, ["a", "b"]), ("[]", []),
  ])
  func `a stop is one text or several`(value: String, texts: [String]) throws {
    #expect(try ask("\"stop\":\(value)").stopSequences() == texts)
  }

  @Test(arguments: ["7", "{}", "[1]"])
  func `a stop that is no text is a 400 on a wire that must know`(value: String) throws {
    let ask = try ask("\"stop\":\(value)")
    #expect(throws: Failure.self) { () throws -> Void in _ = try ask.stopSequences() }
  }
}
