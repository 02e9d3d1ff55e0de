/// The OpenAI wire: Chat Completions (https://platform.openai.com/docs/api-reference/chat), as OpenAI and the many who
/// imitate it speak it.
public enum OpenAI {
  public static func request(_ ask: Ask, model: String, _ options: ProviderRequest.Options) -> ProviderRequest {
    var json = JSONBuilder(capacity: ask.messages.count + 256)
    json.object {
      $0.string("model", model)
      $0.array("messages") { $0.raw(ask.messages) }
      $0.raw("stream", "true".utf8)
      if options.asksForUsage { $0.object("stream_options") { $0.raw("include_usage", "true".utf8) } }
      if let maxTokens = ask.maxTokens { $0.raw(options.maxTokensField, "\(maxTokens)".utf8) }
      if let temperature = ask.temperature { $0.raw("temperature", "\(temperature)".utf8) }
      for member in ask.members { $0.raw(member.name, member.value) }
    }
    return ProviderRequest(path: "/chat/completions", body: json.bytes)
  }
}

/// Reads the wire's events.
public struct OpenAIDecoder: ProviderDecoder {
  private struct Call {
    var number: Int
    var id: [UInt8]
    var name: [UInt8]
  }

  /// The provider's own number of each tool call, its id and its name, in the order of their beginning. Its place here is our index.
  private var calls: [Call] = []
  private var refused = false

  public init() {}

  /// Calls that one answer may begin; more are a runaway model's.
  static let callBound = 1024

  public mutating func decode(
    name: Span<UInt8>, data: Span<UInt8>, into deltas: inout [Delta]
  ) throws(JSONReader.Malformed) -> Bool {
    let text = data.extracting(data.trimmed)
    if text.equals("[DONE]") {
      if refused { deltas.append(.finish(.contentFilter)) }
      deltas.append(.end)
      return true
    }
    if name.equals("error") {
      deltas.append(.failure(ProviderFailure(status: nil, body: data)))
      return true
    }
    guard text.opensObject else { return false }
    var json = JSONReader(data)
    try readChunk(&json, into: &deltas)
    try json.end()
    return true
  }

  private mutating func readChunk(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    var failure: ProviderFailure?
    // Beside an answer these mean nothing to us; alone they are an error (vLLM, FastAPI).
    var alone = ProviderFailure()
    var isAlone = true
    var isErrorObject = false
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("choices", in: bytes) {
        isAlone = false
        try readChoices(&json, into: &deltas)
      } else if name.equals("usage", in: bytes) {
        isAlone = false
        try readUsage(&json, into: &deltas)
      } else if name.equals("x_groq", in: bytes) {
        try readGroq(&json, into: &deltas)
      } else if name.equals("error", in: bytes) {
        isErrorObject = try json.peek() == .object
        failure = try ProviderFailure(member: &json)
      } else if name.equals("object", in: bytes) {
        if try json.stringOrSkip()?.equals("error", in: bytes) == true { failure = failure ?? ProviderFailure() }
      } else if name.equals("message", in: bytes) || name.equals("detail", in: bytes) || name.equals("code", in: bytes)
      {
        try alone.readMember(name, &json)
      } else {
        try json.skip()
      }
    }
    if isErrorObject, isAlone, failure == nil { failure = ProviderFailure() }
    if failure == ProviderFailure() || isAlone && failure == nil && !alone.message.isEmpty { failure = alone }
    if let failure {
      // A choice's finish reason `error` (OpenRouter) says less than the error beside it.
      deltas.removeAll { $0 == .failure(ProviderFailure()) }
      deltas.append(.failure(failure))
    }
  }

  // MARK: Choices

  private mutating func readChoices(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    try json.readArray { (json) throws(JSONReader.Malformed) in
      let mark = deltas.count
      if try readChoice(&json, into: &deltas) != 0 {
        // Of several answers the first is told. Its number may stand behind its text, so this is known only now.
        deltas.removeSubrange(mark...)
      }
    }
  }

  /// Appends what one choice says and returns its number.
  private mutating func readChoice(
    _ json: inout JSONReader, into deltas: inout [Delta]
  ) throws(JSONReader.Malformed) -> Int {
    var index = 0
    var reason: FinishReason?
    var hasDelta = false
    var message: Int?
    let (callsBefore, refusedBefore) = (calls, refused)
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("index", in: bytes) {
        index = try json.integerOrSkip() ?? 0
      } else if name.equals("delta", in: bytes) {
        hasDelta = try json.peek() == .object
        try readDelta(&json, into: &deltas)
      } else if name.equals("message", in: bytes) {
        message = try json.skip().lowerBound
      } else if name.equals("finish_reason", in: bytes) {
        reason = try json.stringOrSkip().flatMap { FinishReason($0.text(in: bytes)) }
      } else if name.equals("usage", in: bytes) {
        // Moonshot's place for it.
        try readUsage(&json, into: &deltas)
      } else if name.equals("error", in: bytes) {
        if let failure = try ProviderFailure(member: &json) { deltas.append(.failure(failure)) }
      } else {
        try json.skip()
      }
    }
    if let message, !hasDelta {
      // Where an answer that was not streamed has what a delta has. Beside a delta it repeats the text (Perplexity).
      var again = JSONReader(json.bytes, at: message)
      try readDelta(&again, into: &deltas)
    }
    if index != 0 { (calls, refused) = (callsBefore, refusedBefore) }
    if let reason {
      deltas.append(
        reason == .other("error") ? .failure(ProviderFailure()) : .finish(refused ? .contentFilter : reason))
    }
    return index
  }

  private mutating func readDelta(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    var reasoned = false
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("content", in: bytes) {
        try readContent(&json, into: &deltas)
      } else if name.equals("reasoning_content", in: bytes) || name.equals("reasoning", in: bytes) {
        // Some send both names with the same text.
        if let text = try json.stringOrSkip(), !text.isEmpty, !reasoned {
          reasoned = true
          deltas.append(.reasoning(text))
        }
      } else if name.equals("refusal", in: bytes) {
        if let text = try json.stringOrSkip(), !text.isEmpty {
          refused = true
          deltas.append(.refusal(text))
        }
      } else if name.equals("tool_calls", in: bytes) {
        try readToolCalls(&json, into: &deltas)
      } else if name.equals("function_call", in: bytes), try json.peek() == .object {
        // What tool calls were before there could be several.
        var fragment = ToolCallFragment(index: 0, isFirst: false)
        try readFunction(&json, into: &fragment)
        append(fragment, number: -1, in: bytes, to: &deltas)
      } else {
        try json.skip()
      }
    }
  }

  /// A string, null, or an array of parts, of which some are thinking (Mistral).
  private func readContent(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    guard try json.peek() == .array else {
      if let text = try json.stringOrSkip(), !text.isEmpty { deltas.append(.text(text)) }
      return
    }
    try json.readArray { (json) throws(JSONReader.Malformed) in
      if try json.peek() == .object {
        try readPart(&json, into: &deltas)
      } else if let text = try json.stringOrSkip(), !text.isEmpty {
        deltas.append(.text(text))
      }
    }
  }

  private func readPart(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("text", in: json.bytes) {
        if let text = try json.stringOrSkip(), !text.isEmpty { deltas.append(.text(text)) }
      } else if name.equals("thinking", in: json.bytes) {
        let mark = deltas.count
        try readContent(&json, into: &deltas)
        for place in mark..<deltas.count {
          if case .text(let text) = deltas[place] { deltas[place] = .reasoning(text) }
        }
      } else {
        try json.skip()
      }
    }
  }

  // MARK: Tool calls

  private mutating func readToolCalls(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed)
  {
    var position = 0
    try json.readArray { (json) throws(JSONReader.Malformed) in
      try readToolCall(&json, at: position, into: &deltas)
      position += 1
    }
  }

  private mutating func readToolCall(
    _ json: inout JSONReader, at position: Int, into deltas: inout [Delta]
  ) throws(JSONReader.Malformed) {
    guard try json.peek() == .object else {
      try json.skip()
      return
    }
    var number: Int?
    var fragment = ToolCallFragment(index: 0, isFirst: false)
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("index", in: json.bytes) {
        number = try json.integerOrSkip()
      } else if name.equals("id", in: json.bytes) {
        fragment.id = try json.nonemptyOrSkip()
      } else if name.equals("function", in: json.bytes) {
        try readFunction(&json, into: &fragment)
      } else if name.equals("extra_content", in: json.bytes) {
        fragment.extra = try json.filledObjectOrSkip().map(ToolCallFragment.Extra.content)
      } else {
        try json.skip()
      }
    }
    // Without a number, a name begins a new call and anything else goes on with the last one.
    let own = number ?? (fragment.name != nil ? calls.count : max(calls.count - 1, position))
    append(fragment, number: own, in: json.bytes, to: &deltas)
  }

  private func readFunction(
    _ json: inout JSONReader, into fragment: inout ToolCallFragment
  ) throws(JSONReader.Malformed) {
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("name", in: json.bytes) {
        fragment.name = try json.nonemptyOrSkip()
      } else if name.equals("arguments", in: json.bytes) {
        switch try json.peek() {
        case .string: fragment.arguments = .literal(try json.string())
        case .object: fragment.arguments = .json(try json.skip())
        default: try json.skip()
        }
      } else {
        try json.skip()
      }
    }
  }

  /// Gives the fragment our own number for its call.
  private mutating func append(
    _ fragment: ToolCallFragment, number: Int, in bytes: Span<UInt8>, to deltas: inout [Delta]
  ) {
    var fragment = fragment
    let id = fragment.id.map { [UInt8](copying: bytes.extracting($0.range)) } ?? []
    let name = fragment.name.map { [UInt8](copying: bytes.extracting($0.range)) } ?? []
    // Some give all calls the same number (Gemini); a name with another id begins another call.
    if let index = calls.lastIndex(where: { $0.number == number }),
      fragment.name == nil || id.isEmpty || id == calls[index].id
    {
      fragment.index = index
      fragment.id = nil
      // Clients put the pieces of a name together, so one that is repeated must not reach them.
      if name == calls[index].name { fragment.name = nil }
      if calls[index].name.isEmpty { calls[index].name = name }
    } else {
      guard calls.count < Self.callBound else { return }
      fragment.index = calls.count
      fragment.isFirst = true
      calls.append(Call(number: number, id: id, name: name))
    }
    deltas.append(.toolCall(fragment))
  }

  // MARK: Usage

  private func readUsage(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    var prompt: Int?
    var completion: Int?
    var total: Int?
    var cached = 0
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("prompt_tokens", in: bytes) {
        prompt = try json.integerOrSkip()
      } else if name.equals("completion_tokens", in: bytes) {
        completion = try json.integerOrSkip()
      } else if name.equals("total_tokens", in: bytes) {
        total = try json.integerOrSkip()
      } else if name.equals("prompt_cache_hit_tokens", in: bytes) || name.equals("cached_tokens", in: bytes) {
        cached = try json.integerOrSkip() ?? cached
      } else if name.equals("prompt_tokens_details", in: bytes) {
        try json.readObject { (name, json) throws(JSONReader.Malformed) in
          if name.equals("cached_tokens", in: bytes) {
            cached = try json.integerOrSkip() ?? cached
          } else {
            try json.skip()
          }
        }
      } else {
        try json.skip()
      }
    }
    guard prompt != nil || completion != nil else { return }
    let usage = Usage(
      promptTokens: prompt ?? 0, cachedTokens: cached, completionTokens: completion ?? 0, totalTokens: total)
    deltas.append(.usage(usage))
  }

  /// Groq tells usage and failures in a member of its own.
  private func readGroq(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("usage", in: json.bytes) {
        try readUsage(&json, into: &deltas)
      } else if name.equals("error", in: json.bytes) {
        if let failure = try ProviderFailure(member: &json) { deltas.append(.failure(failure)) }
      } else {
        try json.skip()
      }
    }
  }
}
