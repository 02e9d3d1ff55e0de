/// Why a model stopped, in the four names that clients know.
public enum FinishReason: Equatable, Sendable {
  case stop, length, toolCalls, contentFilter
  /// A reason that no table knows, in lower case.
  case other(String)

  public var name: String {
    switch self {
    case .stop: "stop"
    case .length: "length"
    case .toolCalls: "tool_calls"
    case .contentFilter: "content_filter"
    case .other(let name): name
    }
  }

  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII
      && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil
        || "_-".unicodeScalars.contains(scalar))
  }

  /// From any provider's word. Nil for the words that mean "not yet".
  public init?(_ word: String) {
    switch word {
    case "", "null", "FINISH_REASON_UNSPECIFIED": return nil
    case "stop", "end_turn", "stop_sequence", "STOP", "eos", "pause_turn": self = .stop
    case "length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded": self = .length
    case "tool_calls", "tool_use", "function_call": self = .toolCalls
    case "content_filter", "refusal", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII":
      self = .contentFilter
    default:
      // It goes to clients and into the log: a word, not whatever a provider may send.
      self = .other(String(word.lowercased().unicodeScalars.filter(Self.isPlain).prefix(64).map(Character.init)))
    }
  }
}
