@testable import Streaming

/// What a decoder said, with its literals read.
enum Said: Equatable {
  case text(String)
  case refusal(String)
  case reasoning(String)
  case call(Int, first: Bool, id: String? = nil, name: String? = nil, arguments: String? = nil)
  case finish(FinishReason)
  case usage(Usage)
  case failure(status: Int? = nil, _ message: String)
  case end
}

extension ProviderDecoder {
  /// Nil: the event is no JSON object.
  mutating func said(_ data: String, name: String = "") throws(JSONReader.Malformed) -> [Said]? {
    let bytes = data.bytes
    let name = name.bytes
    var deltas: [Delta] = []
    guard try decode(name: name.span, data: bytes.span, into: &deltas) else { return nil }
    func read(_ literal: JSONLiteral?) -> String? { literal.map { $0.text(in: bytes.span) } }
    func read(_ arguments: ToolCallFragment.Arguments?) -> String? {
      switch arguments {
      case .literal(let literal)?: read(literal)
      case .json(let range)?: String(copying: bytes.span.extracting(range))
      case nil: nil
      }
    }
    return deltas.map { delta in
      switch delta {
      case .text(let literal): .text(literal.text(in: bytes.span))
      case .refusal(let literal): .refusal(literal.text(in: bytes.span))
      case .reasoning(let literal): .reasoning(literal.text(in: bytes.span))
      case .toolCall(let call):
        .call(
          call.index, first: call.isFirst, id: read(call.id), name: read(call.name),
          arguments: read(call.arguments))
      case .finish(let reason): .finish(reason)
      case .usage(let usage): .usage(usage)
      case .failure(let failure): .failure(status: failure.status, failure.message)
      case .end: .end
      }
    }
  }
}

/// A decoder that begins with nothing.
protocol NewDecoder: ProviderDecoder {
  init()
}

extension OpenAIDecoder: NewDecoder {}
extension AnthropicDecoder: NewDecoder {}
extension GeminiDecoder: NewDecoder {}

extension NewDecoder {
  /// What a new decoder makes of it.
  static func said(_ data: String, name: String = "") throws(JSONReader.Malformed) -> [Said]? {
    var decoder = Self()
    return try decoder.said(data, name: name)
  }

  /// What a new decoder makes of one event after another.
  static func said(all events: [String]) throws(JSONReader.Malformed) -> [Said] {
    var decoder = Self()
    var said: [Said] = []
    for event in events { said += try decoder.said(event) ?? [] }
    return said
  }
}

extension OpenAIDecoder {
  /// A choice's chunk.
  mutating func said(delta: String, finish: String = "null") throws -> [Said]? {
    try said(#"{"id":"c","choices":[{"index":0,"delta":\#(delta),"finish_reason":\#(finish)}]}"#)
  }

  static func said(delta: String, finish: String = "null") throws -> [Said]? {
    var decoder = OpenAIDecoder()
    return try decoder.said(delta: delta, finish: finish)
  }
}
