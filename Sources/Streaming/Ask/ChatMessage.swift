/// One of OpenAI's messages, read part by part for a `Conversation`.
struct ChatMessage {
  var role = ""
  var name = ""
  var toolCallID = ""
  var parts: [Conversation.Part] = []
  /// The type of a part that no wire but OpenAI's has.
  var strangePart: String?

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
    try json.readArray { (json) throws(JSONReader.Malformed) in try readPart(&json) }
  }

  private mutating func readPart(_ json: inout JSONReader) throws(JSONReader.Malformed) {
    var type = ""
    var isKnown = false
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("text", in: json.bytes) || name.equals("refusal", in: json.bytes) {
        isKnown = true
        if let text = try json.stringOrSkip()?.text(in: json.bytes), !text.isEmpty { parts.append(.text(text)) }
      } else if name.equals("image_url", in: json.bytes) {
        isKnown = true
        // `{"url": …}`, or the URL alone.
        append(url: try Self.string("url", inside: &json))
      } else if name.equals("file", in: json.bytes) {
        let data = try Self.string("file_data", inside: &json)
        isKnown = data.hasPrefix("data:")
        if isKnown { append(url: data) }
      } else if name.equals("type", in: json.bytes) {
        type = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
      } else {
        try json.skip()
      }
    }
    if !isKnown { strangePart = strangePart ?? type }
  }

  /// A member of the object that comes, or the string that stands in its place.
  private static func string(
    _ member: StaticString, inside json: inout JSONReader
  ) throws(JSONReader.Malformed) -> String {
    if try json.peek() == .string { return try json.string().text(in: json.bytes) }
    var text = ""
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals(member, in: json.bytes) {
        text = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
      } else {
        try json.skip()
      }
    }
    return text
  }

  /// `data:image/png;base64,…` is the thing itself.
  private mutating func append(url: String) {
    guard url.hasPrefix("data:"), let comma = url.firstIndex(of: ","), url[..<comma].hasSuffix(";base64") else {
      if !url.isEmpty { parts.append(.image(url: url)) }
      return
    }
    let mediaType = url[..<comma].dropFirst(5).prefix { $0 != ";" }
    parts.append(.data(mediaType: String(mediaType), base64: String(url[url.index(after: comma)...])))
  }

  private mutating func readToolCall(_ json: inout JSONReader) throws(JSONReader.Malformed) {
    var (id, name, arguments, signature) = ("", "", "", "")
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
      } else if member.equals("extra_content", in: json.bytes) {
        try json.readObject { (member, json) throws(JSONReader.Malformed) in
          if member.equals("google", in: json.bytes) {
            signature = try Self.string("thought_signature", inside: &json)
          } else {
            try json.skip()
          }
        }
      } else {
        try json.skip()
      }
    }
    parts.append(.toolCall(id: id, name: name, arguments: Self.object(arguments), signature: signature))
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
