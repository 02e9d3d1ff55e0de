/// A conversation taken apart, for the wires that write one otherwise than OpenAI's `messages`.
struct Conversation: Equatable {
  enum Role: Equatable { case user, assistant }

  enum Part: Equatable {
    case text(String)
    /// An image behind a URL.
    case image(url: String)
    /// An image, or a file such as a PDF, in base64.
    case data(mediaType: String, base64: String)
    /// The model called a tool; the arguments are a JSON object. The signature is Gemini's, empty where it gave none.
    case toolCall(id: String, name: String, arguments: [UInt8], signature: String)
    /// What the tool gave back.
    case toolResult(id: String, name: String, text: String)

    var isMedia: Bool {
      switch self {
      case .image, .data: true
      case .text, .toolCall, .toolResult: false
      }
    }
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
        var message = ChatMessage()
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

  private mutating func add(_ message: ChatMessage, number: Int) -> Failure? {
    if let type = message.strangePart {
      // Left out, it would be missed: the question may be about nothing else.
      let what = "messages[\(number)] holds a part of the type '\(type.prefix(40))', which does not go with this model"
      return Failure(.badRequest, "\(what); send text and images, or choose a model of another provider")
    }
    if message.role != "user", message.role != "assistant", message.parts.contains(where: \.isMedia) {
      return Failure(
        .badRequest,
        "messages[\(number)] has an image, which only a user's message can have with this model; send it there")
    }
    switch message.role {
    case "system", "developer":
      let text = message.text
      if !text.isEmpty { system += system.isEmpty ? text : "\n\n" + text }
    case "user": append(message.parts, as: .user)
    case "assistant":
      for case .toolCall(let id, let name, _, _) in message.parts { toolNames[id] = name }
      append(message.parts, as: .assistant)
    case "tool", "function":
      let id = message.toolCallID
      let name = toolNames[id] ?? message.name
      guard !name.isEmpty else {
        let what = "messages[\(number)] answers the tool call '\(id.prefix(80))', which no message before it makes"
        return Failure(.badRequest, "\(what); send the assistant's message with the call before it")
      }
      append([.toolResult(id: id, name: name, text: message.text)], as: .user)
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
