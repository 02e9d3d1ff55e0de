/// What a client asks of a model, by query or by JSON, with what the site has fixed for it.
public struct Ask: Equatable, Sendable {
  /// `provider/model`, or a model's bare name; nil: the default model.
  public var model: String?
  /// The conversation as the JSON elements of OpenAI's `messages`, without the brackets.
  public var messages: [UInt8]
  public var maxTokens: Int?
  public var temperature: Double?

  public init(model: String? = nil, messages: [UInt8], maxTokens: Int? = nil, temperature: Double? = nil) {
    self.model = model
    self.messages = messages
    self.maxTokens = maxTokens
    self.temperature = temperature
  }

  /// - Parameter ceiling: of completion tokens; 0: none.
  public init(_ request: Request, ceiling: Int) throws(Failure) {
    var fields = Fields()
    switch request.method {
    case "GET": try fields.read(query: request.params.raw("QUERY_STRING") ?? [])
    default:
      let type = request.params["CONTENT_TYPE"]?.lowercased().prefix { $0 != ";" && $0 != " " } ?? ""
      guard type == "application/json" || type.hasSuffix("+json") else {
        throw Failure(
          .badRequest, status: 415, "the body's Content-Type is '\(type.prefix(60))'; send application/json")
      }
      try fields.read(json: request.body.span)
    }
    try fields.fix(by: request.params)
    try self.init(fields, ceiling: ceiling)
  }

  private init(_ fields: Fields, ceiling: Int) throws(Failure) {
    var messages: [UInt8] = []
    if let system = fields.system, !system.isEmpty { Self.append(role: "system", system, to: &messages) }
    switch (fields.prompt, fields.messages) {
    case (_?, _?): throw Failure(.badRequest, "both prompt and messages were sent; send one of them")
    case (nil, nil): throw Failure(.badRequest, "prompt is missing; send the text to answer as prompt")
    case (let prompt?, nil):
      guard prompt.contains(where: { !$0.isWhitespace }) else {
        throw Failure(.badRequest, "prompt is empty; send the text to answer")
      }
      Self.append(role: "user", prompt, to: &messages)
    case (nil, let elements?):
      if !messages.isEmpty, !elements.isEmpty { messages.append(UInt8(ascii: ",")) }
      messages += elements
    }
    self.messages = messages
    model = fields.model.flatMap { $0.isEmpty ? nil : $0 }
    temperature = fields.temperature
    maxTokens = fields.maxTokens
    if ceiling > 0 { maxTokens = min(maxTokens ?? ceiling, ceiling) }
  }

  private static func append(role: String, _ content: String, to messages: inout [UInt8]) {
    if !messages.isEmpty { messages.append(UInt8(ascii: ",")) }
    messages.append("{\"role\":\"\(role)\",\"content\":")
    JSONEscaping.append(content, to: &messages)
    messages.append("}")
  }
}

/// The fields of an `Ask`, as they are read from one source after the other.
private struct Fields {
  var prompt: String?
  var messages: [UInt8]?
  var model: String?
  var system: String?
  var maxTokens: Int?
  var temperature: Double?

  // MARK: Query

  mutating func read(query: ArraySlice<UInt8>) throws(Failure) {
    for pair in query.split(separator: UInt8(ascii: "&")) {
      let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      let name = try Self.decode(parts[0], of: "the query")
      switch name {
      case "prompt", "model", "system", "max_tokens", "temperature":
        try set(name, to: try Self.decode(parts.count > 1 ? parts[1] : [], of: name))
      default: continue
      }
    }
  }

  /// Undoes the percent-encoding of a form (`+` is a space).
  private static func decode(_ text: ArraySlice<UInt8>, of name: String) throws(Failure) -> String {
    var bytes: [UInt8] = []
    var rest = text
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "+"): bytes.append(0x20)
      case UInt8(ascii: "%"):
        guard let high = rest.popFirst()?.hexDigit, let low = rest.popFirst()?.hexDigit else {
          throw Failure(.badRequest, "\(name) holds a % that two hexadecimal digits do not follow; write %25 for it")
        }
        bytes.append(high << 4 | low)
      default: bytes.append(byte)
      }
    }
    guard UTF8Sequence.isValid(bytes.span) else {
      throw Failure(.badRequest, "\(name) is no UTF-8; encode the text as UTF-8 before its percent-encoding")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private mutating func set(_ name: String, to value: String) throws(Failure) {
    switch name {
    case "prompt": prompt = value
    case "model": model = value
    case "system": system = value
    case "max_tokens": maxTokens = try Self.tokens(Int(value), as: name)
    default: temperature = try Self.warmth(Double(value), as: name)
    }
  }

  // MARK: JSON

  mutating func read(json bytes: Span<UInt8>) throws(Failure) {
    guard !bytes.isEmpty else { throw Failure(.badRequest, "the body is empty; send a JSON object with prompt") }
    guard UTF8Sequence.isValid(bytes) else { throw Failure(.badRequest, "the body is no UTF-8; send JSON as UTF-8") }
    do {
      var json = JSONReader(bytes)
      guard try json.peek() == .object else {
        throw Failure(.badRequest, "the body is no JSON object; send one with prompt or messages")
      }
      try json.enterObject()
      while let name = try json.nextMember() { try read(name.text(in: bytes), &json) }
      try json.end()
    } catch let error as JSONReader.Malformed {
      throw Failure(
        .badRequest, "the body is no JSON (see its byte \(error.offset)); send a JSON object with prompt or messages")
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(.badRequest, "the body cannot be read; send a JSON object with prompt or messages")
    }
  }

  private mutating func read(_ name: String, _ json: inout JSONReader) throws {
    let kind = try json.peek()
    let start = json.position
    switch name {
    case "prompt", "model", "system":
      guard kind != .null else { break }
      guard kind == .string else { throw Failure(.badRequest, "\(name) is no string; send a string") }
      try set(name, to: try json.string().text(in: json.bytes))
    case "max_tokens":
      guard kind != .null else { break }
      maxTokens = try Self.tokens(try json.integerOrSkip(), as: name)
    case "temperature":
      guard kind != .null else { break }
      guard kind == .number else { throw Failure(.badRequest, "temperature is no number; send one from 0 to 2") }
      temperature = try Self.warmth(Double(String(copying: json.bytes.extracting(try json.number()))), as: name)
    case "messages":
      guard kind != .null else { break }
      messages = try readMessages(&json, without: [])
    default: break
    }
    if json.position == start { try json.skip() }
  }

  /// The elements as they stand, each checked to be an object with a role; those of the given roles are left out.
  private func readMessages(_ json: inout JSONReader, without roles: [String]) throws -> [UInt8] {
    guard try json.peek() == .array else {
      throw Failure(.badRequest, "messages is no array; send a list of objects with role and content")
    }
    var elements: [UInt8] = []
    var number = 0
    try json.enterArray()
    while try json.nextElement() {
      var role: String?
      guard try json.peek() == .object else {
        throw Failure(.badRequest, "messages[\(number)] is no object; send objects with role and content")
      }
      let start = json.position
      try json.enterObject()
      while let name = try json.nextMember() {
        if name.equals("role", in: json.bytes) {
          // Which of two a provider reads is its own affair, so they could hide a system message from us.
          guard role == nil else { throw Failure(.badRequest, "messages[\(number)].role stands twice; send it once") }
          role = try json.stringOrSkip()?.text(in: json.bytes)
        } else {
          try json.skip()
        }
      }
      guard let role else {
        throw Failure(.badRequest, "messages[\(number)].role is missing or no string; send system, user or assistant")
      }
      if !roles.contains(role.lowercased()) {
        if !elements.isEmpty { elements.append(UInt8(ascii: ",")) }
        elements.append(json.bytes.extracting(start..<json.position))
      }
      number += 1
    }
    guard !elements.isEmpty || !roles.isEmpty && number > 0 else {
      throw Failure(.badRequest, "messages is empty; send at least one message")
    }
    return elements
  }

  // MARK: What the site fixes

  /// `fastcgi_param SHEEP_…`: it stands over whatever the client sent.
  mutating func fix(by params: Params) throws(Failure) {
    if let model = params["SHEEP_MODEL"] { self.model = model }
    if let text = params["SHEEP_MAX_TOKENS"] {
      maxTokens = try Self.tokens(Int(text), as: "fastcgi_param SHEEP_MAX_TOKENS")
    }
    if let text = params["SHEEP_TEMPERATURE"] {
      temperature = try Self.warmth(Double(text), as: "fastcgi_param SHEEP_TEMPERATURE")
    }
    if let system = params["SHEEP_SYSTEM"] {
      self.system = system
      if let messages { self.messages = try withoutSystem(messages) }
    }
  }

  /// A client must not talk over the site's instructions with system messages of its own.
  private func withoutSystem(_ messages: [UInt8]) throws(Failure) -> [UInt8] {
    let list = [UInt8(ascii: "[")] + messages + [UInt8(ascii: "]")]
    do {
      var json = JSONReader(list.span)
      let rest = try readMessages(&json, without: ["system", "developer"])
      guard !rest.isEmpty else { throw Failure(.badRequest, "messages holds no user message; send one") }
      return rest
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(.badRequest, "messages cannot be read")
    }
  }

  // MARK: Numbers

  private static func tokens(_ value: Int?, as name: String) throws(Failure) -> Int {
    guard let value, value > 0 else {
      throw Failure(.badRequest, "\(name) is no whole number above 0; send how many tokens the answer may have")
    }
    return value
  }

  private static func warmth(_ value: Double?, as name: String) throws(Failure) -> Double {
    guard let value, value >= 0, value <= 2 else {
      throw Failure(.badRequest, "\(name) is no number from 0 to 2; send one")
    }
    return value
  }
}
