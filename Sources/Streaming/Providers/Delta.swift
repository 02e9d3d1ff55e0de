/// One thing that a provider's event says. Literals are places in that event's data.
public enum Delta: Equatable {
  /// A piece of visible text.
  case text(JSONLiteral)
  /// A piece of the text by which the model refuses; it is visible too.
  case refusal(JSONLiteral)
  /// A piece of the model's thinking.
  case reasoning(JSONLiteral)
  /// A fragment of a call of one of the client's tools.
  case toolCall(ToolCallFragment)
  case finish(FinishReason)
  /// What was counted so far; a later report replaces it.
  case usage(Usage)
  case failure(ProviderFailure)
  /// The wire's own end marker: what follows is no part of the answer.
  case end
}

public struct ToolCallFragment: Equatable {
  /// From 0, in the order in which the calls began, whatever the provider counts.
  public var index: Int
  /// True for a call's first fragment, which alone tells its id.
  public var isFirst: Bool
  /// Nil where the provider gives none.
  public var id: JSONLiteral?
  public var name: JSONLiteral?
  public var arguments: Arguments?
  /// What the client must send back with the call in its next request, where that is so.
  public var extra: Extra?

  public enum Arguments: Equatable {
    /// A piece of the JSON text, as a literal.
    case literal(JSONLiteral)
    /// The whole JSON text, as it stands in the data.
    case json(Range<Int>)
  }

  public enum Extra: Equatable {
    /// An `extra_content` object, as it stands in the data.
    case content(Range<Int>)
    /// Gemini's signature of the thoughts that led to the call.
    case thoughtSignature(JSONLiteral)
  }
}

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
