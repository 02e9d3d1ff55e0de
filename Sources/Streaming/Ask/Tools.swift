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
