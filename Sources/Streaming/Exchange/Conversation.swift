/// A conversation taken apart, for the wires that write one otherwise than OpenAI's `messages`.
struct Conversation: Equatable {
  enum Role: Equatable { case user, assistant }

  enum Part: Equatable {
    case text(String)
    /// An image behind a URL.
    case image(url: String)
    /// An image in base64.
    case imageData(mediaType: String, base64: String)
    /// The model called a tool; the arguments are a JSON object.
    case toolCall(id: String, name: String, arguments: [UInt8])
    /// What the tool gave back.
    case toolResult(id: String, name: String, text: String)
  }

  struct Turn: Equatable {
    var role: Role
    var parts: [Part]
  }

  /// All system and developer messages, one after another.
  var system = ""
  /// Turns of the user and of the model, by turns: several of one in a row are one.
  var turns: [Turn] = []

  /// The names of the tool calls so far, which a result refers to by id alone.
  private var toolNames: [String: String] = [:]

  /// - Throws: a 400 that names the message.
  init(_ ask: Ask) throws(Failure) {
    let list = [UInt8(ascii: "[")] + ask.messages + [UInt8(ascii: "]")]
    var json = JSONReader(list.span)
    var number = 0
    var failure: Failure?
    do throws(JSONReader.Malformed) {
      try json.readArray { (json) throws(JSONReader.Malformed) in
        var message = Message()
        try message.read(&json)
        if failure == nil { failure = add(message, number: number) }
        number += 1
      }
    } catch {
      throw Failure(.badRequest, "messages cannot be read (see byte \(error.offset)); send a list of messages")
    }
    if let failure { throw failure }
    guard !turns.isEmpty else { throw Failure(.badRequest, "messages holds no user message; send one") }
  }

  private mutating func add(_ message: Message, number: Int) -> Failure? {
    switch message.role {
    case "system", "developer":
      let text = message.text
      if !text.isEmpty { system += system.isEmpty ? text : "\n\n" + text }
    case "user": append(message.parts, as: .user)
    case "assistant":
      for case .toolCall(let id, let name, _) in message.parts { toolNames[id] = name }
      append(message.parts, as: .assistant)
    case "tool", "function":
      let id = message.toolCallID
      append([.toolResult(id: id, name: toolNames[id] ?? message.name, text: message.text)], as: .user)
    default:
      return Failure(
        .badRequest, "messages[\(number)].role is '\(message.role.prefix(40))'; send system, user, assistant or tool")
    }
    return nil
  }

  private mutating func append(_ parts: [Part], as role: Role) {
    guard !parts.isEmpty else { return }
    if turns.last?.role == role {
      turns[turns.count - 1].parts += parts
    } else {
      turns.append(Turn(role: role, parts: parts))
    }
  }
}

/// One of OpenAI's messages.
private struct Message {
  var role = ""
  var name = ""
  var toolCallID = ""
  var parts: [Conversation.Part] = []

  /// Its text parts together.
  var text: String {
    parts.compactMap { if case .text(let text) = $0 { text } else { nil } }.joined(separator: "\n")
  }

  mutating func read(_ json: inout JSONReader) throws(JSONReader.Malformed) {
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("role", in: bytes) {
        role = try json.stringOrSkip()?.text(in: bytes) ?? role
      } else if name.equals("content", in: bytes) {
        try readContent(&json)
      } else if name.equals("tool_calls", in: bytes) {
        try json.readArray { (json) throws(JSONReader.Malformed) in try readToolCall(&json) }
      } else if name.equals("tool_call_id", in: bytes) {
        toolCallID = try json.stringOrSkip()?.text(in: bytes) ?? ""
      } else if name.equals("name", in: bytes) {
        self.name = try json.stringOrSkip()?.text(in: bytes) ?? ""
      } else {
        try json.skip()
      }
    }
  }

  private mutating func readContent(_ json: inout JSONReader) throws(JSONReader.Malformed) {
    guard try json.peek() == .array else {
      if let text = try json.stringOrSkip()?.text(in: json.bytes), !text.isEmpty { parts.append(.text(text)) }
      return
    }
    try json.readArray { (json) throws(JSONReader.Malformed) in
      try json.readObject { (name, json) throws(JSONReader.Malformed) in
        if name.equals("text", in: json.bytes) {
          if let text = try json.stringOrSkip()?.text(in: json.bytes), !text.isEmpty { parts.append(.text(text)) }
        } else if name.equals("image_url", in: json.bytes) {
          try readImage(&json)
        } else {
          try json.skip()
        }
      }
    }
  }

  /// `{"url": …}`, or the URL alone; `data:image/png;base64,…` is an image itself.
  private mutating func readImage(_ json: inout JSONReader) throws(JSONReader.Malformed) {
    var url = ""
    if try json.peek() == .string {
      url = try json.string().text(in: json.bytes)
    } else {
      try json.readObject { (name, json) throws(JSONReader.Malformed) in
        if name.equals("url", in: json.bytes) {
          url = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
        } else {
          try json.skip()
        }
      }
    }
    guard url.hasPrefix("data:"), let comma = url.firstIndex(of: ",") else {
      if !url.isEmpty { parts.append(.image(url: url)) }
      return
    }
    let mediaType = url[..<comma].dropFirst(5).prefix { $0 != ";" }
    parts.append(.imageData(mediaType: String(mediaType), base64: String(url[url.index(after: comma)...])))
  }

  private mutating func readToolCall(_ json: inout JSONReader) throws(JSONReader.Malformed) {
    var (id, name, arguments) = ("", "", "")
    try json.readObject { (member, json) throws(JSONReader.Malformed) in
      if member.equals("id", in: json.bytes) {
        id = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
      } else if member.equals("function", in: json.bytes) {
        try json.readObject { (member, json) throws(JSONReader.Malformed) in
          if member.equals("name", in: json.bytes) {
            name = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
          } else if member.equals("arguments", in: json.bytes) {
            arguments = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
          } else {
            try json.skip()
          }
        }
      } else {
        try json.skip()
      }
    }
    parts.append(.toolCall(id: id, name: name, arguments: Self.object(arguments)))
  }

  /// The arguments where they are a JSON object, as a model may have written something else.
  private static func object(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    var json = JSONReader(bytes.span)
    do throws(JSONReader.Malformed) {
      if try json.peek() == .object {
        try json.skip()
        try json.end()
        return bytes
      }
    } catch {}
    return Array("{}".utf8)
  }
}
