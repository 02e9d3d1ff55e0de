/// The Gemini wire: generateContent, streamed (https://ai.google.dev/api/generate-content).
public enum Gemini {
  public static func request(
    _ ask: Ask, model: String, _ options: ProviderRequest.Options
  ) throws(Failure) -> ProviderRequest {
    let conversation = try Conversation(ask)
    let tools = try Tools(ask)
    let settings = try generationConfig(ask)
    var json = JSONBuilder()
    json.object {
      $0.array("contents") { contents in
        for turn in conversation.turns {
          contents.object {
            $0.string("role", turn.role == .user ? "user" : "model")
            $0.array("parts") { parts in
              for part in signed(turn.parts, for: model) { write(part, to: &parts) }
            }
          }
        }
      }
      if !conversation.system.isEmpty {
        $0.object("systemInstruction") { $0.array("parts") { $0.object { $0.string("text", conversation.system) } } }
      }
      if let settings { $0.raw("generationConfig", settings) }
      write(tools, to: &$0)
    }
    return ProviderRequest(path: "/models/\(escape(model)):streamGenerateContent?alt=sse", body: json.bytes)
  }

  private static func generationConfig(_ ask: Ask) throws(Failure) -> [UInt8]? {
    let stops = try ask.stopSequences()
    let format = try ResponseFormat(ask)
    guard ask.maxTokens != nil || ask.temperature != nil || !stops.isEmpty || format != .text else { return nil }
    var json = JSONBuilder()
    json.object {
      if let maxTokens = ask.maxTokens { $0.raw("maxOutputTokens", "\(maxTokens)".utf8) }
      if let temperature = ask.temperature { $0.raw("temperature", "\(temperature)".utf8) }
      if !stops.isEmpty { $0.array("stopSequences") { for stop in stops { $0.string(stop) } } }
      if format != .text { $0.string("responseMimeType", "application/json") }
      if case .jsonSchema(let schema) = format { $0.raw("responseJsonSchema", schema) }
    }
    return json.bytes
  }

  private static func write(_ tools: Tools, to json: inout JSONBuilder) {
    guard !tools.functions.isEmpty else { return }
    json.array("tools") {
      $0.object {
        $0.array("functionDeclarations") { list in
          for function in tools.functions {
            list.object {
              $0.string("name", function.name)
              $0.string("description", function.description)
              if let parameters = function.parameters { $0.raw("parametersJsonSchema", parameters) }
            }
          }
        }
      }
    }
    guard let choice = tools.choice else { return }
    json.object("toolConfig") {
      $0.object("functionCallingConfig") {
        switch choice {
        case .auto: $0.string("mode", "AUTO")
        case .none: $0.string("mode", "NONE")
        case .required: $0.string("mode", "ANY")
        case .function(let name):
          $0.string("mode", "ANY")
          $0.array("allowedFunctionNames") { $0.string(name) }
        }
      }
    }
  }

  private static func write(_ part: Conversation.Part, to parts: inout JSONBuilder) {
    parts.object {
      switch part {
      case .text(let text): $0.string("text", text)
      case .image(let url): $0.object("fileData") { $0.string("fileUri", url) }
      case .data(let mediaType, let base64):
        $0.object("inlineData") {
          $0.string("mimeType", mediaType)
          $0.string("data", base64)
        }
      case .toolCall(_, let name, let arguments, let signature):
        $0.object("functionCall") {
          $0.string("name", name)
          $0.raw("args", arguments)
        }
        if !signature.isEmpty { $0.string("thoughtSignature", signature) }
      case .toolResult(_, let name, let text):
        $0.object("functionResponse") {
          $0.string("name", name)
          $0.object("response") { $0.string("result", text) }
        }
      }
    }
  }

  /// From version 3 on a turn's first call must be signed. Where the client kept no signature, or another model made the
  /// call, the API takes a word in its place (https://ai.google.dev/gemini-api/docs/thought-signatures, FAQs).
  private static func signed(_ parts: [Conversation.Part], for model: String) -> [Conversation.Part] {
    guard model.hasPrefix("gemini-"), let version = model.dropFirst(7).first?.wholeNumberValue, version >= 3,
      let first = parts.firstIndex(where: { if case .toolCall = $0 { true } else { false } }),
      case .toolCall(let id, let name, let arguments, "") = parts[first]
    else { return parts }
    var parts = parts
    parts[first] = .toolCall(
      id: id, name: name, arguments: arguments, signature: "skip_thought_signature_validator")
    return parts
  }

  /// The model's name goes into the path, and a client may have chosen it.
  private static func escape(_ model: String) -> String {
    var path = ""
    for byte in model.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"), UInt8(ascii: "@"):
        path.unicodeScalars.append(Unicode.Scalar(byte))
      default: path += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return path
  }
}

/// Reads the wire's events. Each is a GenerateContentResponse; the last one that comes has the finish reason and the
/// counts, and the end of the body is the end of the answer.
public struct GeminiDecoder: ProviderDecoder {
  private var calls = 0

  /// Calls that one answer may begin; more are a runaway model's.
  private static let callBound = 1024

  public init() {}

  public mutating func decode(
    name: Span<UInt8>, data: Span<UInt8>, into deltas: inout [Delta]
  ) throws(JSONReader.Malformed) -> Bool {
    if name.equals("error") {
      deltas.append(.failure(ProviderFailure(status: nil, body: data)))
      return true
    }
    guard data.opensObject else { return false }
    var json = JSONReader(data)
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("candidates", in: bytes) {
        try json.readArray { (json) throws(JSONReader.Malformed) in
          let (mark, callsBefore) = (deltas.count, calls)
          if try readCandidate(&json, into: &deltas) != 0 {
            // Of several answers the first is told; its number stands behind its content.
            deltas.removeSubrange(mark...)
            calls = callsBefore
          }
        }
      } else if name.equals("promptFeedback", in: bytes) {
        try readFeedback(&json, into: &deltas)
      } else if name.equals("usageMetadata", in: bytes) {
        try readUsage(&json, into: &deltas)
      } else if name.equals("error", in: bytes) {
        if let failure = try ProviderFailure(member: &json) { deltas.append(.failure(failure)) }
      } else {
        try json.skip()
      }
    }
    try json.end()
    return true
  }

  /// Appends what one candidate says and returns its number.
  private mutating func readCandidate(
    _ json: inout JSONReader, into deltas: inout [Delta]
  ) throws(JSONReader.Malformed) -> Int {
    var index = 0
    var reason: FinishReason?
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("content", in: json.bytes) {
        try json.readObject { (name, json) throws(JSONReader.Malformed) in
          if name.equals("parts", in: json.bytes) {
            try json.readArray { (json) throws(JSONReader.Malformed) in try readPart(&json, into: &deltas) }
          } else {
            try json.skip()
          }
        }
      } else if name.equals("finishReason", in: json.bytes) {
        reason = try json.stringOrSkip().flatMap { FinishReason($0.text(in: json.bytes)) }
      } else if name.equals("index", in: json.bytes) {
        index = try json.integerOrSkip() ?? 0
      } else {
        try json.skip()
      }
    }
    // The wire has no word of its own for an answer that ends in calls.
    if let reason { deltas.append(.finish(reason == .stop && calls > 0 ? .toolCalls : reason)) }
    return index
  }

  /// Text, thinking or a call. Code that the provider runs itself, its results and files are nothing to the client.
  private mutating func readPart(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    var text: JSONLiteral?
    var isThought = false
    var call: ToolCallFragment?
    var signature: JSONLiteral?
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("text", in: json.bytes) {
        text = try json.stringOrSkip()
      } else if name.equals("thought", in: json.bytes) {
        isThought = try json.boolOrSkip() ?? false
      } else if name.equals("functionCall", in: json.bytes) {
        call = try readCall(&json)
      } else if name.equals("thoughtSignature", in: json.bytes) {
        signature = try json.nonemptyOrSkip()
      } else {
        try json.skip()
      }
    }
    if var call, calls < Self.callBound {
      call.extra = signature.map(ToolCallFragment.Extra.thoughtSignature)
      calls += 1
      deltas.append(.toolCall(call))
    }
    if let text, !text.isEmpty { deltas.append(isThought ? .reasoning(text) : .text(text)) }
  }

  /// A call comes whole.
  private func readCall(_ json: inout JSONReader) throws(JSONReader.Malformed) -> ToolCallFragment {
    var call = ToolCallFragment(index: calls, isFirst: true)
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("name", in: json.bytes) {
        call.name = try json.nonemptyOrSkip()
      } else if name.equals("id", in: json.bytes) {
        call.id = try json.nonemptyOrSkip()
      } else if name.equals("args", in: json.bytes) {
        call.arguments = try json.peek() == .object ? .json(try json.skip()) : nil
        if call.arguments == nil { try json.skip() }
      } else {
        try json.skip()
      }
    }
    return call
  }

  /// A prompt that was refused has no candidate: it is an answer all the same, and a filtered one.
  private func readFeedback(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("blockReason", in: json.bytes) {
        if try json.stringOrSkip()?.equals("BLOCK_REASON_UNSPECIFIED", in: json.bytes) == false {
          deltas.append(.finish(.contentFilter))
        }
      } else {
        try json.skip()
      }
    }
  }

  /// Thoughts and the prompts of tools are counted apart.
  private func readUsage(_ json: inout JSONReader, into deltas: inout [Delta]) throws(JSONReader.Malformed) {
    var prompt: Int?
    var cached = 0
    var completion: Int?
    var total: Int?
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      let bytes = json.bytes
      if name.equals("promptTokenCount", in: bytes) || name.equals("toolUsePromptTokenCount", in: bytes) {
        prompt = (prompt ?? 0) + Usage.sane(try json.integerOrSkip() ?? 0)
      } else if name.equals("cachedContentTokenCount", in: bytes) {
        cached = try json.integerOrSkip() ?? 0
      } else if name.equals("candidatesTokenCount", in: bytes) || name.equals("thoughtsTokenCount", in: bytes) {
        completion = (completion ?? 0) + Usage.sane(try json.integerOrSkip() ?? 0)
      } else if name.equals("totalTokenCount", in: bytes) {
        total = try json.integerOrSkip()
      } else {
        try json.skip()
      }
    }
    guard prompt != nil || completion != nil else { return }
    deltas.append(
      .usage(
        Usage(promptTokens: prompt ?? 0, cachedTokens: cached, completionTokens: completion ?? 0, totalTokens: total)))
  }
}
