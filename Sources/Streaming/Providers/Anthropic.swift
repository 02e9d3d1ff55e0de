/// The Anthropic wire: the Messages API (https://docs.anthropic.com/en/api/messages,
/// https://docs.anthropic.com/en/api/messages-streaming).
public enum Anthropic {
  /// The version of the API that this is written for.
  public static let version = "anthropic-version: 2023-06-01"

  public static func request(
    _ ask: Ask, model: String, _ options: ProviderRequest.Options
  ) throws(Failure) -> ProviderRequest {
    let conversation = try Conversation(ask)
    let tools = try Tools(ask)
    let stops = try ask.stopSequences()
    let format = try ResponseFormat(ask)
    var json = JSONBuilder()
    json.object {
      $0.string("model", model)
      $0.raw("max_tokens", "\(ask.maxTokens ?? options.maxTokens)".utf8)
      if !conversation.system.isEmpty { $0.string("system", conversation.system) }
      $0.array("messages") { messages in
        for turn in conversation.turns {
          messages.object {
            $0.string("role", turn.role == .user ? "user" : "assistant")
            $0.array("content") { for part in turn.parts { write(part, to: &$0) } }
          }
        }
      }
      $0.raw("stream", "true".utf8)
      // This API's scale ends at 1.
      if let temperature = ask.temperature { $0.raw("temperature", "\(min(temperature, 1))".utf8) }
      if !stops.isEmpty { $0.array("stop_sequences") { for stop in stops { $0.string(stop) } } }
      write(tools, to: &$0)
      // For a JSON object of any shape the API has no word.
      if case .jsonSchema(let schema) = format {
        $0.object("output_config") {
          $0.object("format") {
            $0.string("type", "json_schema")
            $0.raw("schema", schema)
          }
        }
      }
    }
    return ProviderRequest(path: "/v1/messages", body: json.bytes)
  }

  private static func write(_ tools: Tools, to json: inout JSONBuilder) {
    guard !tools.functions.isEmpty else { return }
    json.array("tools") { list in
      for function in tools.functions {
        list.object {
          $0.string("name", function.name)
          if !function.description.isEmpty { $0.string("description", function.description) }
          $0.raw("input_schema", function.parameters ?? Array(#"{"type":"object","properties":{}}"#.utf8))
        }
      }
    }
    guard let choice = tools.choice else { return }
    json.object("tool_choice") {
      switch choice {
      case .auto: $0.string("type", "auto")
      case .none: $0.string("type", "none")
      case .required: $0.string("type", "any")
      case .function(let name):
        $0.string("type", "tool")
        $0.string("name", name)
      }
    }
  }

  private static func write(_ part: Conversation.Part, to content: inout JSONBuilder) {
    content.object {
      switch part {
      case .text(let text):
        $0.string("type", "text")
        $0.string("text", text)
      case .image(let url):
        $0.string("type", "image")
        $0.object("source") {
          $0.string("type", "url")
          $0.string("url", url)
        }
      case .data(let mediaType, let base64):
        $0.string("type", mediaType.hasPrefix("image/") ? "image" : "document")
        $0.object("source") {
          $0.string("type", "base64")
          $0.string("media_type", mediaType)
          $0.string("data", base64)
        }
      case .toolCall(let id, let name, let arguments, _):
        $0.string("type", "tool_use")
        $0.string("id", id)
        $0.string("name", name)
        $0.raw("input", arguments)
      case .toolResult(let id, _, let text):
        $0.string("type", "tool_result")
        $0.string("tool_use_id", id)
        $0.string("content", text)
      }
    }
  }
}

/// Reads the wire's events. An answer is a message of content blocks; each block is opened, added to and closed by events
/// that carry its index.
public struct AnthropicDecoder: ProviderDecoder {
  /// What an open block is to the client. Blocks of other kinds are nothing to it: redacted thinking, tools that the
  /// provider runs itself and their results, compactions.
  private enum Block {
    case text, thinking
    case tool(call: Int)
  }

  private var blocks: [Int: Block] = [:]
  private var calls = 0
  private var counts = Counts()

  /// Blocks that an answer may have open, and calls that it may begin; more are a runaway model's.
  private static let bound = 1024

  public init() {}

  public mutating func decode(
    name: Span<UInt8>, data: Span<UInt8>, into deltas: inout [Delta]
  ) throws(JSONReader.Malformed) -> Bool {
    guard data.opensObject else {
      guard name.equals("error") else { return false }
      deltas.append(.failure(ProviderFailure(status: nil, body: data)))
      return true
    }
    var json = JSONReader(data)
    let event = try readEvent(&json)
    try json.end()
    if let failure = event.failure ?? (name.equals("error") ? ProviderFailure() : nil) {
      deltas.append(.failure(failure))
      return true
    }
    func isType(_ word: StaticString) -> Bool { event.type?.equals(word, in: data) == true }
    if isType("content_block_start"), let part = event.part {
      open(part, as: event.index, in: data, into: &deltas)
    } else if isType("content_block_delta"), let part = event.part, let block = blocks[event.index] {
      add(part, to: block, into: &deltas)
    } else if isType("content_block_stop") {
      blocks[event.index] = nil
    }
    for part in event.content { open(part, as: -1, in: data, into: &deltas) }
    if event.isCounted { deltas.append(.usage(counts.usage)) }
    if let reason = event.stopReason.flatMap({ FinishReason($0.text(in: data)) }) { deltas.append(.finish(reason)) }
    if isType("message_stop") { deltas.append(.end) }
    return true
  }

  // MARK: Blocks

  /// A block begins, perhaps with content in it already.
  private mutating func open(_ part: Part, as index: Int, in data: Span<UInt8>, into deltas: inout [Delta]) {
    blocks[index] = nil
    guard let type = part.type, blocks.count < Self.bound else { return }
    if type.equals("text", in: data) {
      blocks[index] = .text
      add(part, to: .text, into: &deltas)
    } else if type.equals("thinking", in: data) {
      blocks[index] = .thinking
      add(part, to: .thinking, into: &deltas)
    } else if type.equals("tool_use", in: data), calls < Self.bound {
      blocks[index] = .tool(call: calls)
      let arguments = part.input.map(ToolCallFragment.Arguments.json)
      deltas.append(
        .toolCall(ToolCallFragment(index: calls, isFirst: true, id: part.id, name: part.name, arguments: arguments)))
      calls += 1
    }
  }

  private func add(_ part: Part, to block: Block, into deltas: inout [Delta]) {
    switch block {
    case .text:
      if let text = part.text, !text.isEmpty { deltas.append(.text(text)) }
    case .thinking:
      if let thinking = part.thinking, !thinking.isEmpty { deltas.append(.reasoning(thinking)) }
    case .tool(let call):
      guard let json = part.partialJSON, !json.isEmpty else { return }
      deltas.append(.toolCall(ToolCallFragment(index: call, isFirst: false, arguments: .literal(json))))
    }
  }

  // MARK: Events

  /// One event's members, in whatever order they stand.
  private struct Event {
    var type: JSONLiteral?
    var index = 0
    /// `delta` or `content_block`.
    var part: Part?
    /// The blocks of an answer that was not streamed.
    var content: [Part] = []
    var stopReason: JSONLiteral?
    var isCounted = false
    var failure: ProviderFailure?
  }

  private struct Part {
    var type: JSONLiteral?
    var text: JSONLiteral?
    var thinking: JSONLiteral?
    var partialJSON: JSONLiteral?
    var id: JSONLiteral?
    var name: JSONLiteral?
    var input: Range<Int>?
    var stopReason: JSONLiteral?
  }

  private mutating func readEvent(_ json: inout JSONReader) throws(JSONReader.Malformed) -> Event {
    var event = Event()
    try readMessage(&json, into: &event)
    return event
  }

  /// An event, or the `message` inside `message_start`.
  private mutating func readMessage(_ json: inout JSONReader, into event: inout Event) throws(JSONReader.Malformed) {
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("type", in: bytes) {
        // The message inside has one as well, behind the event's own.
        let type = try json.stringOrSkip()
        event.type = event.type ?? type
      } else if name.equals("index", in: bytes) {
        event.index = try json.integerOrSkip() ?? 0
      } else if name.equals("delta", in: bytes) || name.equals("content_block", in: bytes) {
        let part = try readPart(&json)
        event.part = part
        event.stopReason = part.stopReason ?? event.stopReason
      } else if name.equals("message", in: bytes) {
        try readMessage(&json, into: &event)
      } else if name.equals("content", in: bytes) {
        try json.readArray { (json) throws(JSONReader.Malformed) in event.content.append(try readPart(&json)) }
      } else if name.equals("stop_reason", in: bytes) {
        event.stopReason = try json.stringOrSkip() ?? event.stopReason
      } else if name.equals("usage", in: bytes) {
        event.isCounted = try counts.read(&json) || event.isCounted
      } else if name.equals("error", in: bytes) {
        event.failure = try ProviderFailure(member: &json)
      } else {
        try json.skip()
      }
    }
  }

  private func readPart(_ json: inout JSONReader) throws(JSONReader.Malformed) -> Part {
    var part = Part()
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("type", in: bytes) {
        part.type = try json.stringOrSkip()
      } else if name.equals("text", in: bytes) {
        part.text = try json.stringOrSkip()
      } else if name.equals("thinking", in: bytes) {
        part.thinking = try json.stringOrSkip()
      } else if name.equals("partial_json", in: bytes) {
        part.partialJSON = try json.stringOrSkip()
      } else if name.equals("id", in: bytes) {
        part.id = try json.nonemptyOrSkip()
      } else if name.equals("name", in: bytes) {
        part.name = try json.nonemptyOrSkip()
      } else if name.equals("input", in: bytes) {
        // Empty where its fragments are still to come.
        part.input = try json.filledObjectOrSkip()
      } else if name.equals("stop_reason", in: bytes) {
        part.stopReason = try json.stringOrSkip()
      } else {
        try json.skip()
      }
    }
    return part
  }

  // MARK: Usage

  /// `message_start` counts, and `message_delta` counts again: what it names replaces what was there, the rest stands.
  private struct Counts {
    var input = 0
    var cacheRead = 0
    var cacheCreation = 0
    var output = 0

    /// `input_tokens` leaves out what was read from the cache and written to it.
    var usage: Usage {
      Usage(promptTokens: input + cacheRead + cacheCreation, cachedTokens: cacheRead, completionTokens: output)
    }

    /// Returns whether anything was counted.
    mutating func read(_ json: inout JSONReader) throws(JSONReader.Malformed) -> Bool {
      var any = false
      func count(_ json: inout JSONReader, _ value: inout Int) throws(JSONReader.Malformed) {
        guard let number = try json.integerOrSkip() else { return }
        value = Usage.sane(number)
        any = true
      }
      try json.readObject { (name, json) throws(JSONReader.Malformed) in
        let bytes = json.bytes
        if name.equals("input_tokens", in: bytes) {
          try count(&json, &input)
        } else if name.equals("cache_read_input_tokens", in: bytes) {
          try count(&json, &cacheRead)
        } else if name.equals("cache_creation_input_tokens", in: bytes) {
          try count(&json, &cacheCreation)
        } else if name.equals("output_tokens", in: bytes) {
          try count(&json, &output)
        } else {
          try json.skip()
        }
      }
      return any
    }
  }
}
