/// Text as JSON, for what is put together by hand.
enum JSONText {
  /// `text` as a JSON string, quotes included.
  static func quoted(_ text: String) -> String {
    "\"" + escaped(text) + "\""
  }

  /// `text` as the inside of a JSON string.
  static func escaped(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else {
      return text
    }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case ..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

/// A failure as OpenAI tells it, as the body of an answer or inside a stream.
struct ErrorBody {
  var message: String
  var type: String
  /// A word or a number.
  var code: Code

  enum Code {
    case word(String)
    case number(Int)
  }

  /// What a provider answers with that status.
  init(status: Int) {
    message = "mock failure: the prompt asked for status \(status)"
    (type, code) =
      switch status {
      case 401: ("authentication_error", .word("invalid_api_key"))
      case 403: ("permission_error", .word("forbidden"))
      case 429: ("rate_limit_error", .word("rate_limit_exceeded"))
      case 400..<500: ("invalid_request_error", .word("mock"))
      default: ("server_error", .word("mock"))
      }
  }

  init(message: String, type: String, code: Code) {
    self.message = message
    self.type = type
    self.code = code
  }

  var json: String {
    let code =
      switch self.code {
      case .word(let word): JSONText.quoted(word)
      case .number(let number): String(number)
      }
    return "{\"error\":{\"message\":\(JSONText.quoted(message)),\"type\":\(JSONText.quoted(type)),"
      + "\"param\":null,\"code\":\(code)}}"
  }
}
