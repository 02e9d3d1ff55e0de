/// What a client asks of a model, by query or by JSON, with what the site has fixed for it.
public struct Ask: Equatable, Sendable {
  /// Whose names the request is in.
  public enum Dialect: Sendable {
    /// `/stream`: `prompt` or `messages`, and few names besides.
    case stream
    /// `/v1/chat/completions`: all that OpenAI's clients send.
    case chatCompletions
  }

  /// A member of the body that is passed on, or translated, rather than understood here.
  public struct Member: Equatable, Sendable {
    public var name: String
    /// JSON, as it came.
    public var value: [UInt8]

    public init(name: String, value: [UInt8]) {
      self.name = name
      self.value = value
    }
  }

  /// `provider/model`, or a model's bare name; nil: the default model.
  public var model: String?
  /// The conversation as the JSON elements of OpenAI's `messages`, without the brackets.
  public var messages: [UInt8]
  public var maxTokens: Int?
  public var temperature: Double?
  /// `stop`, `tools`, `tool_choice` and `response_format`, which the wires write each in its way (`Tools`,
  /// `ResponseFormat`, `stopSequences`); and what else a client of `/v1` sent, which OpenAI wires alone are given.
  public var members: [Member]
  /// How the client wants to be answered.
  public var form: AnswerForm

  public init(
    model: String? = nil, messages: [UInt8], maxTokens: Int? = nil, temperature: Double? = nil, members: [Member] = [],
    form: AnswerForm = .events
  ) {
    self.model = model
    self.messages = messages
    self.maxTokens = maxTokens
    self.temperature = temperature
    self.members = members
    self.form = form
  }

  /// - Parameter ceiling: of completion tokens; 0: none.
  public init(_ request: Request, as dialect: Dialect, ceiling: Int) throws(Failure) {
    var fields = AskFields(dialect)
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

  private init(_ fields: AskFields, ceiling: Int) throws(Failure) {
    var messages: [UInt8] = []
    if let system = fields.system, !system.isEmpty { Self.append(role: "system", system, to: &messages) }
    switch (fields.prompt, fields.messages) {
    case (_?, _?): throw Failure(.badRequest, "both prompt and messages were sent; send one of them")
    case (nil, nil) where fields.dialect == .chatCompletions:
      throw Failure(.badRequest, "messages is missing; send a list of objects with role and content")
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
    members = fields.members
    form = fields.form
  }

  private static func append(role: String, _ content: String, to messages: inout [UInt8]) {
    messages.reserveCapacity(messages.count + content.utf8.count + 64)
    if !messages.isEmpty { messages.append(UInt8(ascii: ",")) }
    messages.append("{\"role\":\"")
    messages.append(role)
    messages.append("\",\"content\":")
    JSONEscaping.append(content, to: &messages)
    messages.append("}")
  }

  /// The value of a member that was sent.
  func member(_ name: String) -> [UInt8]? { members.last { $0.name == name }?.value }

  /// Texts at which the model shall stop: OpenAI's `stop`, one or a list.
  func stopSequences() throws(Failure) -> [String] {
    guard let value = member("stop") else { return [] }
    var texts: [String?] = []
    var json = JSONReader(value.span)
    do throws(JSONReader.Malformed) {
      if try json.peek() == .array {
        try json.readArray { (json) throws(JSONReader.Malformed) in
          texts.append(try json.stringOrSkip()?.text(in: json.bytes))
        }
      } else {
        texts.append(try json.stringOrSkip()?.text(in: json.bytes))
      }
    } catch {}
    guard !texts.contains(nil) else {
      throw Failure(.badRequest, "stop is no text; send a string or a list of strings")
    }
    return texts.compactMap { $0 }
  }
}
