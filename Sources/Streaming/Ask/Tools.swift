/// The client's tools and what it says of their use, taken apart for the wires that write them otherwise than OpenAI's
/// `tools` and `tool_choice`.
struct Tools: Equatable {
  struct Function: Equatable {
    var name = ""
    var description = ""
    /// A JSON Schema; nil: the function takes nothing.
    var parameters: [UInt8]?
  }

  enum Choice: Equatable {
    case auto, none, required
    case function(String)
  }

  var functions: [Function] = []
  /// Nil: the client says nothing of it.
  var choice: Choice?

  /// - Throws: a 400 that names what this wire cannot carry.
  init(_ ask: Ask) throws(Failure) {
    do throws(JSONReader.Malformed) {
      if let tools = ask.member("tools") {
        var json = JSONReader(tools.span)
        try json.readArray { (json) throws(JSONReader.Malformed) in functions.append(try Self.readTool(&json)) }
      }
      if let choice = ask.member("tool_choice") {
        var json = JSONReader(choice.span)
        self.choice = try Self.readChoice(&json)
      }
    } catch {
      throw Failure(.badRequest, "tools cannot be read; send a list of tools of the type function")
    }
    if let index = functions.firstIndex(where: \.name.isEmpty) {
      throw Failure(.badRequest, "tools[\(index)] is no function with a name; this model takes tools of no other type")
    }
    if ask.member("tools") != nil, functions.isEmpty { choice = nil }
  }

  private static func readTool(_ json: inout JSONReader) throws(JSONReader.Malformed) -> Function {
    var function = Function()
    try json.readObject { (name, json) throws(JSONReader.Malformed) in
      if name.equals("function", in: json.bytes) {
        try json.readObject { (name, json) throws(JSONReader.Malformed) in
          if name.equals("name", in: json.bytes) {
            function.name = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
          } else if name.equals("description", in: json.bytes) {
            function.description = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
          } else if name.equals("parameters", in: json.bytes) {
            function.parameters = try json.filledObjectOrSkip().map { [UInt8](copying: json.bytes.extracting($0)) }
          } else {
            try json.skip()
          }
        }
      } else {
        try json.skip()
      }
    }
    return function
  }

  /// `"auto"`, `"none"`, `"required"`, or `{"type":"function","function":{"name":…}}`.
  private static func readChoice(_ json: inout JSONReader) throws(JSONReader.Malformed) -> Choice? {
    if let word = try json.peek() == .string ? json.string().text(in: json.bytes) : nil {
      return ["auto": .auto, "none": .none, "required": .required][word]
    }
    let function = try readTool(&json)
    return function.name.isEmpty ? nil : .function(function.name)
  }
}

/// What form the client wants the model's text in: OpenAI's `response_format`.
enum ResponseFormat: Equatable {
  case text
  /// Some JSON object.
  case jsonObject
  /// JSON that follows a schema.
  case jsonSchema([UInt8])

  init(_ ask: Ask) throws(Failure) {
    self = .text
    guard let value = ask.member("response_format") else { return }
    var type = ""
    var schema: [UInt8]?
    var json = JSONReader(value.span)
    do throws(JSONReader.Malformed) {
      try json.readObject { (name, json) throws(JSONReader.Malformed) in
        if name.equals("type", in: json.bytes) {
          type = try json.stringOrSkip()?.text(in: json.bytes) ?? ""
        } else if name.equals("json_schema", in: json.bytes) {
          try json.readObject { (name, json) throws(JSONReader.Malformed) in
            if name.equals("schema", in: json.bytes) {
              schema = try json.filledObjectOrSkip().map { [UInt8](copying: json.bytes.extracting($0)) }
            } else {
              try json.skip()
            }
          }
        } else {
          try json.skip()
        }
      }
    } catch {}
    switch (type, schema) {
    case ("text", _): break
    case ("json_object", _): self = .jsonObject
    case ("json_schema", let schema?): self = .jsonSchema(schema)
    default:
      let remedy = "send the type text, json_object, or json_schema with its schema"
      throw Failure(.badRequest, "response_format is not understood; \(remedy)")
    }
  }
}
