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
