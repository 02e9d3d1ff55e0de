/// The words of a prompt that steer its reply: `key=value`, set apart by white space.
///
/// An unknown word or a value that makes no sense is left alone, as if it were prose.
struct Script: Equatable {
  /// Content tokens; nil where the prompt does not say.
  var tokens: Int?
  /// Tokens a second; 0: as fast as the socket takes them.
  var rate = 0.0
  /// Bytes of a token, its space included; less than the stamp takes means the stamp alone.
  var sizeBytes = 0
  /// Milliseconds before the first token, or before an answer that is no stream.
  var firstDelay = 0
  /// Milliseconds between `[DONE]` and the end of the body.
  var linger = 0
  /// Bytes of each flush; 0: an event each.
  var splitBytes = 0
  /// Bytes of the first content token's line; 0: as it comes.
  var lineBytes = 0
  var text: NamedText?
  var reasoning = 0
  var tools = 0
  var finishReason: String?
  var interruption: Interruption?
  var failStatus: Int?
  /// Seconds, in the header of a failure.
  var retryAfter: Int?
  var isEmpty = false
  var isPage = false
  var isWhole = false
  var isSilent = false

  /// How a reply breaks off. Of several the earliest counts.
  struct Interruption: Equatable {
    enum Kind { case drop, cut, stall, error, truncate }
    var kind: Kind
    /// The tokens that are still sent.
    var after: Int
  }

  init() {}

  /// nil where the prompt has no word of a script.
  init?(_ prompt: String) {
    var isScript = false
    for word in prompt.split(whereSeparator: \.isWhitespace) {
      guard let equals = word.firstIndex(of: "=") else { continue }
      if read(word[..<equals], String(word[word.index(after: equals)...])) { isScript = true }
    }
    guard isScript else { return nil }
  }

  /// Whether that was a word of a script.
  private mutating func read(_ key: Substring, _ value: String) -> Bool {
    switch key {
    case "n": set(\.tokens, Self.number(value, 0...100_000_000))
    case "rate": set(\.rate, Self.rate(value))
    case "size": set(\.sizeBytes, Self.number(value, 0...Self.largest))
    case "first": set(\.firstDelay, Self.number(value, 0...Self.longest))
    case "linger": set(\.linger, Self.number(value, 0...Self.longest))
    case "split": set(\.splitBytes, Self.number(value, 1...Self.largest))
    case "line": set(\.lineBytes, Self.number(value, 1...Self.largest))
    case "text": set(\.text, NamedText(rawValue: value))
    case "reasoning": set(\.reasoning, Self.number(value, 0...1_000_000))
    case "tools": set(\.tools, Self.number(value, 0...1_000))
    case "finish": set(\.finishReason, value.isEmpty ? nil : value)
    case "fail": set(\.failStatus, Self.status(value))
    case "retry_after": set(\.retryAfter, Self.number(value, 0...Self.longest))
    case "empty": set(\.isEmpty, Self.flag(value))
    case "html": set(\.isPage, Self.flag(value))
    case "json": set(\.isWhole, Self.flag(value))
    case "silent": set(\.isSilent, Self.flag(value))
    case "drop": interrupt(.drop, value)
    case "cut": interrupt(.cut, value)
    case "stall": interrupt(.stall, value)
    case "error": interrupt(.error, value)
    case "truncate": interrupt(.truncate, value)
    default: false
    }
  }

  private mutating func set<Value>(_ field: WritableKeyPath<Self, Value>, _ value: Value?) -> Bool {
    guard let value else { return false }
    self[keyPath: field] = value
    return true
  }

  private mutating func set<Value>(_ field: WritableKeyPath<Self, Value?>, _ value: Value?) -> Bool {
    guard let value else { return false }
    self[keyPath: field] = value
    return true
  }

  private mutating func interrupt(_ kind: Interruption.Kind, _ value: String) -> Bool {
    guard let after = Self.number(value, 0...100_000_000) else { return false }
    if after < interruption?.after ?? .max { interruption = Interruption(kind: kind, after: after) }
    return true
  }

  /// 64 MiB: no word may ask for more memory at once.
  private static let largest = 64 << 20
  /// A day of milliseconds.
  private static let longest = 86_400_000

  private static func number(_ value: String, _ range: ClosedRange<Int>) -> Int? {
    Int(value).flatMap { range.contains($0) ? $0 : nil }
  }

  private static func rate(_ value: String) -> Double? {
    Double(value).flatMap { $0 == 0 || (0.001...1_000_000).contains($0) ? $0 : nil }
  }

  /// A status whose answer has a body: what is asked for is an answer with one.
  private static func status(_ value: String) -> Int? {
    number(value, 200...599).flatMap { [204, 205, 304].contains($0) ? nil : $0 }
  }

  private static func flag(_ value: String) -> Bool? {
    switch value {
    case "0": false
    case "1": true
    default: nil
    }
  }
}
