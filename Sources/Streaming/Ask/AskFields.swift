/// The fields of an `Ask`, as they are read from one source after the other.
struct AskFields {
  let dialect: Ask.Dialect
  private(set) var prompt: String?
  private(set) var messages: [UInt8]?
  private(set) var model: String?
  private(set) var system: String?
  private(set) var temperature: Double?
  private(set) var members: [Ask.Member] = []

  private var tokenBound: Int?
  /// OpenAI's newer name for the same, which counts where both are there.
  private var completionTokenBound: Int?
  private var isStreamed = false
  private var includesUsage = false

  init(_ dialect: Ask.Dialect) {
    self.dialect = dialect
  }

  var maxTokens: Int? { completionTokenBound ?? tokenBound }

  var form: AnswerForm {
    switch dialect {
    case .stream: .events
    case .chatCompletions: isStreamed ? .chunks(includesUsage: includesUsage) : .whole
    }
  }

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
    bytes.reserveCapacity(text.count)
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
    case "max_tokens": tokenBound = try Self.tokens(Int(value), as: name)
    default: temperature = try Self.warmth(Double(value), as: name)
    }
  }

  // MARK: JSON

  mutating func read(json bytes: Span<UInt8>) throws(Failure) {
    let remedy = dialect == .stream ? "prompt or messages" : "messages"
    guard !bytes.isEmpty else { throw Failure(.badRequest, "the body is empty; send a JSON object with \(remedy)") }
    guard UTF8Sequence.isValid(bytes) else { throw Failure(.badRequest, "the body is no UTF-8; send JSON as UTF-8") }
    do {
      var json = JSONReader(bytes)
      guard try json.peek() == .object else {
        throw Failure(.badRequest, "the body is no JSON object; send one with \(remedy)")
      }
      try json.enterObject()
      while let name = try json.nextMember() { try read(name.text(in: bytes), &json) }
      try json.end()
    } catch let error as JSONReader.Malformed {
      throw Failure(
        .badRequest, "the body is no JSON (see its byte \(error.offset)); send a JSON object with \(remedy)")
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(.badRequest, "the body cannot be read; send a JSON object with \(remedy)")
    }
  }

  private mutating func read(_ name: String, _ json: inout JSONReader) throws {
    // A name with null as its value might as well be absent, and some clients send all names that they know.
    if try json.peek() == .null {
      try json.skip()
      return
    }
    switch name {
    case "model": model = try Self.string(&json, as: name)
    case "max_tokens": tokenBound = try Self.tokens(try json.integerOrSkip(), as: name)
    case "temperature":
      guard try json.peek() == .number else {
        throw Failure(.badRequest, "temperature is no number; send one from 0 to 2")
      }
      temperature = try Self.warmth(Double(String(copying: json.bytes.extracting(try json.number()))), as: name)
    case "messages": messages = try MessageList.read(&json)
    case "stop", "tools", "tool_choice", "response_format": try keep(name, &json)
    default:
      switch dialect {
      case .stream: try readPlain(name, &json)
      case .chatCompletions: try readChat(name, &json)
      }
    }
  }

  /// What `/stream` alone has.
  private mutating func readPlain(_ name: String, _ json: inout JSONReader) throws {
    switch name {
    case "prompt": prompt = try Self.string(&json, as: name)
    case "system": system = try Self.string(&json, as: name)
    default: try json.skip()
    }
  }

  /// What `/v1/chat/completions` alone has.
  private mutating func readChat(_ name: String, _ json: inout JSONReader) throws {
    switch name {
    case "max_completion_tokens": completionTokenBound = try Self.tokens(try json.integerOrSkip(), as: name)
    case "stream":
      guard let flag = try json.boolOrSkip() else {
        throw Failure(.badRequest, "stream is neither true nor false; send one of them")
      }
      isStreamed = flag
    case "stream_options":
      try json.readObject { (name, json) throws(JSONReader.Malformed) in
        if name.equals("include_usage", in: json.bytes) {
          includesUsage = try json.boolOrSkip() ?? false
        } else {
          try json.skip()
        }
      }
    case "n":
      guard try json.integerOrSkip() == 1 else {
        throw Failure(.badRequest, "n is not 1; a request has one answer here, so ask again for another")
      }
    // In another case, or with a letter that folds to one of ASCII, some read it all the same, and so past what the site
    // has fixed.
    case _ where Self.own.contains(name.lowercased()) || !name.utf8.allSatisfy({ $0 < 0x80 }): try json.skip()
    default: try keep(name, &json)
    }
  }

  /// What is ours to say to a provider, in all the words that one has for it. `models` (OpenRouter) and `fallbacks`
  /// (LiteLLM) list others to take: which models a client may spend money on is the site's affair.
  private static let own: Set = [
    "model", "models", "fallbacks", "messages", "max_tokens", "max_completion_tokens", "max_new_tokens",
    "max_output_tokens", "n_predict", "num_predict", "temperature", "stream", "stream_options", "n",
  ]

  private mutating func keep(_ name: String, _ json: inout JSONReader) throws(JSONReader.Malformed) {
    let value = [UInt8](copying: json.bytes.extracting(try json.skip()))
    // Of two with one name the last counts, as with every other.
    members.removeAll { $0.name == name }
    members.append(Ask.Member(name: name, value: value))
  }

  private static func string(_ json: inout JSONReader, as name: String) throws -> String {
    guard try json.peek() == .string else { throw Failure(.badRequest, "\(name) is no string; send a string") }
    return try json.string().text(in: json.bytes)
  }

  // MARK: What the site fixes

  /// `fastcgi_param SHEEP_…`: it stands over whatever the client sent.
  mutating func fix(by params: Params) throws(Failure) {
    if let model = params["SHEEP_MODEL"] { self.model = model }
    if let text = params["SHEEP_MAX_TOKENS"] {
      tokenBound = try Self.tokens(Int(text), as: "fastcgi_param SHEEP_MAX_TOKENS")
      completionTokenBound = nil
    }
    if let text = params["SHEEP_TEMPERATURE"] {
      temperature = try Self.warmth(Double(text), as: "fastcgi_param SHEEP_TEMPERATURE")
    }
    if let system = params["SHEEP_SYSTEM"] {
      self.system = system
      // A client must not talk over the site's instructions with system messages of its own.
      if let messages { self.messages = try MessageList.without(["system", "developer"], messages) }
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
