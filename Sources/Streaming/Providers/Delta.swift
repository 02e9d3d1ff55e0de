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
  /// Indirect, so that the others are copied as what they are: a few numbers.
  indirect case failure(ProviderFailure)
  /// The wire's own end marker: what follows is no part of the answer.
  case end
}

/// What nearly every event says, of the deltas: apart from them, as it is copied without a look at what it holds.
enum Piece: Equatable {
  case text(JSONLiteral)
  case reasoning(JSONLiteral)

  /// Nil: the delta says more.
  init?(_ delta: Delta) {
    switch delta {
    case .text(let literal): self = .text(literal)
    case .reasoning(let literal): self = .reasoning(literal)
    default: return nil
    }
  }

  var literal: JSONLiteral {
    switch self {
    case .text(let literal), .reasoning(let literal): literal
    }
  }
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
