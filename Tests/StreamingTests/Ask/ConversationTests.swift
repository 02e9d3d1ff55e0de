import Testing

@testable import Streaming

/// How OpenAI's messages are taken apart for the other wires.
struct ConversationTests {
  private func read(_ messages: String) throws(Failure) -> Conversation {
    try Conversation(Ask(messages: messages.bytes))
  }

  private func user(_ content: String) throws -> [Conversation.Part]? {
    try read(#"{"role":"user","content":\#(content)}"#).turns.first?.parts
  }

  @Test func `system and developer messages are one text, wherever they stand`() throws {
    let conversation = try read(
      #"""
      {"role":"system","content":"a"},{"role":"user","content":"Hi"},{"content":[{"text":"b","type":"text"}],
      "role":"developer"},{"role":"system","content":""}
      """#)
    #expect(conversation.system == "a\n\nb")
    #expect(conversation.turns == [.init(role: .user, parts: [.text("Hi")])])
  }

  @Test func `several messages of one side in a row are one turn`() throws {
    let conversation = try read(
      #"""
      {"role":"user","content":"a"},{"role":"system","content":"s"},{"role":"user","content":"b"},
      {"role":"assistant","content":"c"},{"role":"assistant","content":null},{"role":"assistant","content":"d"},
      {"role":"user","content":"e"}
      """#)
    #expect(
      conversation.turns == [
        .init(role: .user, parts: [.text("a"), .text("b")]), .init(role: .assistant, parts: [.text("c"), .text("d")]),
        .init(role: .user, parts: [.text("e")]),
      ])
  }

  @Test(
    arguments: [
      (#""H\u00e9""#, [.text("Hé")]),
      (
        #"[{"type":"text","text":"a"},{"type":"text","text":""},{"type":"text","text":"b"}]"#, [.text("a"), .text("b")]
      ),
      (#"[{"type":"image_url","image_url":{"detail":"low","url":"https://e/a"}}]"#, [.image(url: "https://e/a")]),
      (#"[{"type":"image_url","image_url":"https://e/a"}]"#, [.image(url: "https://e/a")]),
      (
        #"[{"type":"image_url","image_url":{"url":"data:image/webp;base64,aGk="}},{"text":"a"}]"#,
        [.data(mediaType: "image/webp", base64: "aGk="), .text("a")]
      ),
      (#"[{"type":"image_url","image_url":{"url":""}},{"text":"a"}]"#, [.text("a")]),
      (
        #"[{"type":"image_url","image_url":{"url":"data:image/svg+xml,<svg>"}}]"#,
        [.image(url: "data:image/svg+xml,<svg>")]
      ),
      (
        #"[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,aGk="}}]"#,
        [.data(mediaType: "application/pdf", base64: "aGk=")]
      ),
      (#"[{"type":"refusal","refusal":"No"}]"#, [.text("No")]),
    ] as [(String, [Conversation.Part])])
  func `content is a text or parts`(content: String, parts: [Conversation.Part]) throws {
    #expect(try user(content) == parts)
  }

  @Test func `calls keep their arguments, and their results find the name`() throws {
    let conversation = try read(
      #"""
      {"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[
      {"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},
      {"id":"t2","type":"function","function":{"arguments":"","name":"g"}}]},
      {"role":"tool","content":"x","tool_call_id":"t2"},{"role":"tool","content":"y","tool_call_id":"t1"},
      {"role":"user","content":"b"}
      """#)
    #expect(
      conversation.turns.dropFirst() == [
        .init(
          role: .assistant,
          parts: [
            .toolCall(id: "t1", name: "f", arguments: #"{"a": 1}"#.bytes, signature: ""),
            .toolCall(id: "t2", name: "g", arguments: "{}".bytes, signature: ""),
          ]),
        .init(
          role: .user,
          parts: [
            .toolResult(id: "t2", name: "g", text: "x"), .toolResult(id: "t1", name: "f", text: "y"), .text("b"),
          ]),
      ])
  }

  @Test func `a result of a call that nobody made is a 400, unless it says of what`() throws {
    let failure = #expect(throws: Failure.self) { try read(#"{"role":"tool","content":"x","tool_call_id":"t9"}"#) }
    #expect(failure?.message.contains("messages[0] answers the tool call 't9'") == true)
    let named = try read(#"{"role":"function","content":"x","name":"f"}"#)
    #expect(named.turns.first?.parts == [.toolResult(id: "", name: "f", text: "x")])
  }

  @Test(arguments: ["", "no", "[1]", #"{\"a\":"#, #"{} {}"#, #"{},\"x\":{}"#])
  func `arguments that are no JSON object cannot break the body`(arguments: String) throws {
    let conversation = try read(
      #"{"role":"assistant","tool_calls":[{"id":"t","function":{"name":"f","arguments":"\#(arguments)"}}]}"#)
    #expect(conversation.turns.first?.parts == [.toolCall(id: "t", name: "f", arguments: "{}".bytes, signature: "")])
  }

  @Test(arguments: [
    #"{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}"#,
    #"{"type":"file","file":{"file_id":"f1"}}"#,
    "{}",
  ])
  func `a part that cannot go along is a 400 that names the message, as the question may be about it`(part: String) {
    let failure = #expect(throws: Failure.self) {
      try read(#"{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},\#(part)]}"#)
    }
    #expect(failure?.status == 400 && failure?.message.contains("messages[1]") == true)
  }

  @Test(arguments: ["system", "tool"])
  func `an image where a wire has no place for it is a 400, not left out`(role: String) {
    let failure = #expect(throws: Failure.self) {
      try read(#"{"role":"\#(role)","content":[{"type":"image_url","image_url":"https://e/a"}]}"#)
    }
    #expect(failure?.message.contains("messages[0]") == true)
  }

  @Test(arguments: ["robot", "System", ""])
  func `a role that nobody knows is a 400 that names the message`(role: String) throws {
    let failure = try #require(throws: Failure.self) {
      try read(#"{"role":"user","content":"Hi"},{"role":"\#(role)","content":"x"}"#)
    }
    #expect(failure.status == 400)
    #expect(failure.message.contains("messages[1].role"))
  }

  @Test(arguments: [#"{"role":"system","content":"a"}"#, #"{"role":"user","content":""}"#, ""])
  func `a conversation in which nobody says anything is a 400`(messages: String) throws {
    let failure = try #require(throws: Failure.self) { try read(messages) }
    #expect(failure.kind == .badRequest)
  }

  @Test(arguments: [Wire.anthropic, .gemini])
  func `a request that cannot be written is the same 400 on its wire`(wire: Wire) throws {
    let ask = Ask(messages: #"{"role":"robot","content":"x"}"#.bytes)
    let failure = try #require(throws: Failure.self) { try wire.request(ask, model: "m", .plain) }
    #expect(failure.status == 400)
  }
}
