/// OpenAI's `messages` as they stand: checked to be objects with a role each, and otherwise left as they came.
enum MessageList {
  /// The elements without their brackets; those of the given roles are left out.
  static func read(_ json: inout JSONReader, without roles: [String] = []) throws -> [UInt8] {
    guard try json.peek() == .array else {
      throw Failure(.badRequest, "messages is no array; send a list of objects with role and content")
    }
    var elements: [UInt8] = []
    var number = 0
    try json.enterArray()
    while try json.nextElement() {
      guard try json.peek() == .object else {
        throw Failure(.badRequest, "messages[\(number)] is no object; send objects with role and content")
      }
      let start = json.position
      let role = try readRole(&json, of: number)
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

  private static func readRole(_ json: inout JSONReader, of number: Int) throws -> String {
    var role: String?
    try json.enterObject()
    while let name = try json.nextMember() {
      // Which of two a provider reads, and whether the case matters to it, is its own affair: either could hide a system
      // message from us.
      if name.text(in: json.bytes).lowercased() == "role" {
        guard role == nil else { throw Failure(.badRequest, "messages[\(number)].role stands twice; send it once") }
        role = try json.stringOrSkip()?.text(in: json.bytes)
      } else {
        try json.skip()
      }
    }
    guard let role else {
      throw Failure(.badRequest, "messages[\(number)].role is missing or no string; send system, user or assistant")
    }
    return role
  }

  /// The same elements without those of the given roles.
  static func without(_ roles: [String], _ messages: [UInt8]) throws(Failure) -> [UInt8] {
    let list = [UInt8(ascii: "[")] + messages + [UInt8(ascii: "]")]
    do {
      var json = JSONReader(list.span)
      let rest = try read(&json, without: roles)
      guard !rest.isEmpty else { throw Failure(.badRequest, "messages holds no user message; send one") }
      return rest
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(.badRequest, "messages cannot be read")
    }
  }
}
