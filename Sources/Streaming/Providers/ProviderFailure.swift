/// A failure as a provider tells it, in a reply that is no 200 or inside one that is.
///
/// The shapes differ: `{"error":{"message","type","code"}}`, `{"error":"…"}`, `{"message":…}`, `{"detail":…}`,
/// `{"object":"error",…}`, a list around one of them, or no JSON at all.
public struct ProviderFailure: Error, Equatable, Sendable {
  /// The HTTP status, or the number or name inside the body that stands for one.
  public var status: Int?
  /// What the provider says of it; empty where it says nothing.
  public var message: String
  /// Seconds until another try makes sense.
  public var retryAfter: Double?
  /// The account's money is used up: another try fails as well.
  public var isQuota = false
  /// The key is wrong, whatever the status says.
  private var refusesKey = false

  public init(status: Int? = nil, message: String = "", retryAfter: Double? = nil) {
    self.status = status
    self.message = message
    self.retryAfter = retryAfter
  }

  /// From the body of a reply. A body that is no JSON counts as the message where it is short plain text.
  public init(status: Int?, body: Span<UInt8>, retryAfter: Double? = nil) {
    self.init(status: status, retryAfter: retryAfter)
    var json = JSONReader(body)
    do throws(JSONReader.Malformed) {
      try read(&json)
    } catch {
      if message.isEmpty, status.map({ $0 >= 400 }) ?? true { message = Self.plainText(body) }
    }
    if let status { self.status = status }
    if refusesKey { self.status = 401 }
  }

  /// Reads the value of an `error` member. Nil for those that mean there is none: null, false, 0, "", [] and {}.
  init?(member json: inout JSONReader) throws(JSONReader.Malformed) {
    self.init()
    let kind = try json.peek()
    let start = json.position
    try read(&json)
    let isEmpty = json.bytes.extracting(start..<json.position).allSatisfy { $0.isSpace || "0[]{}\"".utf8.contains($0) }
    if kind == .null || kind == .boolean || isEmpty { return nil }
    if refusesKey { status = 401 }
  }

  /// A short text that a person can read; empty for anything else, such as a page or compressed bytes.
  private static func plainText(_ body: Span<UInt8>) -> String {
    let text = body.extracting(body.trimmed)
    guard text.count <= 500, UTF8Sequence.isValid(text), !text.isEmpty else { return "" }
    guard text[0] != UInt8(ascii: "<"), text[0] != UInt8(ascii: "{"), text.allSatisfy({ $0 >= 0x20 || $0.isSpace })
    else { return "" }
    return String(copying: text)
  }

  /// Reads the value of an `error` member, or a whole body.
  mutating func read(_ json: inout JSONReader) throws(JSONReader.Malformed) {
    switch try json.peek() {
    case .string:
      take(message: try json.string().text(in: json.bytes))
    case .array:
      try json.enterArray()
      while try json.nextElement() { try read(&json) }
    case .object:
      try json.enterObject()
      while let name = try json.nextMember() { try readMember(name, &json) }
    default:
      try json.skip()
    }
  }

  mutating func readMember(_ name: JSONLiteral, _ json: inout JSONReader) throws(JSONReader.Malformed) {
    let bytes = json.bytes
    if name.equals("error", in: bytes) || name.equals("details", in: bytes) {
      try read(&json)
    } else if name.equals("message", in: bytes) || name.equals("detail", in: bytes) || name.equals("msg", in: bytes) {
      if try json.peek() == .string { take(message: try json.string().text(in: bytes)) } else { try read(&json) }
    } else if name.equals("code", in: bytes) || name.equals("status", in: bytes) || name.equals("type", in: bytes)
      || name.equals("status_code", in: bytes)
    {
      try readStatus(&json)
    } else if name.equals("reason", in: bytes) {
      // Gemini says it so, under a 400.
      if try json.stringOrSkip()?.text(in: bytes) == "API_KEY_INVALID" { refusesKey = true }
    } else if name.equals("retryDelay", in: bytes) {
      retryAfter = try json.stringOrSkip().flatMap { RetryTime.seconds($0.text(in: bytes)) } ?? retryAfter
    } else {
      try json.skip()
    }
  }

  private mutating func readStatus(_ json: inout JSONReader) throws(JSONReader.Malformed) {
    if try json.peek() == .number {
      if let number = try json.integerOrSkip(), (400..<600).contains(number) { status = number }
    } else if let word = try json.stringOrSkip()?.text(in: json.bytes) {
      if word == "insufficient_quota" { isQuota = true }
      if let number = Int(word), (400..<600).contains(number) {
        status = number
      } else if status == nil || status == 400, let named = Self.status(named: word) {
        // Many say of everything that the request was invalid; a more exact name counts more.
        status = named
      }
    }
  }

  /// The first message said is the provider's own; nested ones repeat or explain it.
  private mutating func take(message text: String) {
    if message.isEmpty { message = text }
    // xAI says it in words alone, under a 400.
    if text.hasPrefix("Incorrect API key provided") { refusesKey = true }
  }

  /// The HTTP status that a provider's name for a failure stands for.
  static func status(named name: String) -> Int? {
    switch name.lowercased() {
    case "invalid_request_error", "invalid_argument", "bad_request", "failed_precondition", "context_length_exceeded",
      "tool_use_failed", "invalid-argument", "exceed_context_size_error", "too_many_prompt_tokens":
      400
    case "authentication_error", "unauthenticated", "invalid_api_key", "unauthorized": 401
    case "billing_error", "payment_required": 402
    case "permission_error", "permission_denied", "forbidden": 403
    case "not_found_error", "not_found", "model_not_found": 404
    case "request_too_large": 413
    case "rate_limit_error", "rate_limit_exceeded", "resource_exhausted", "too_many_requests", "insufficient_quota",
      "ratelimitreached", "rate_limited", "tokens", "requests":
      429
    case "overloaded_error", "overloaded", "unavailable", "service_unavailable", "engine_overloaded": 503
    case "internal", "internal_error", "internal_server_error", "server_error", "api_error": 500
    case "deadline_exceeded", "timeout_error", "timeout": 504
    default: nil
    }
  }
}
