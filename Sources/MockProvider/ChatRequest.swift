import Foundation

/// What a `/chat/completions` body asks for.
struct ChatRequest: Equatable {
  var model = "mock"
  /// The text of the last user message; empty where there is none.
  var prompt = ""
  var isStreamed = false
  var wantsUsage = false
  /// Words in all messages: a rough count of tokens.
  var wordCount = 0

  struct Malformed: Error, Equatable {
    let message: String
  }

  /// `body` is a JSON object.
  init(_ body: [String: Any]) throws(Malformed) {
    guard let messages = body["messages"] as? [[String: Any]] else {
      throw Malformed(message: "'messages' must be an array of objects")
    }
    if let model = body["model"] as? String { self.model = model }
    isStreamed = body["stream"] as? Bool ?? false
    wantsUsage = (body["stream_options"] as? [String: Any])?["include_usage"] as? Bool ?? false
    for message in messages {
      let text = Self.text(message["content"])
      wordCount += text.utf8.split(whereSeparator: \.isSpace).count
      if message["role"] as? String == "user" { prompt = text }
    }
  }

  /// Parses a whole body, strictly: a broken member that nothing here reads must not pass unseen.
  static func parse(_ body: Data) throws(Malformed) -> [String: Any] {
    // Foundation also takes UTF-16 and UTF-32, and a byte order mark; a provider does not.
    guard !body.prefix(4).contains(0), !body.starts(with: [0xEF, 0xBB, 0xBF]),
      let value = try? JSONSerialization.jsonObject(with: body)
    else {
      throw Malformed(message: "the body is not valid JSON")
    }
    guard let object = value as? [String: Any] else {
      throw Malformed(message: "the body must be a JSON object")
    }
    return object
  }

  /// A content is a string, or parts of which some are text.
  private static func text(_ content: Any?) -> String {
    if let text = content as? String { return text }
    let parts = content as? [[String: Any]] ?? []
    return parts.compactMap { $0["text"] as? String }.joined(separator: " ")
  }
}

extension UInt8 {
  /// Space, tab and the line ends.
  fileprivate var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
