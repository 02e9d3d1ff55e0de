/// Reads the events of one answer on one wire.
public protocol ProviderDecoder {
  /// Appends what one event says. `name` is the event's type, empty for a plain one.
  /// - Throws: where the data begins an object and is no JSON.
  /// - Returns: false for data that is no JSON object and says nothing.
  mutating func decode(
    name: Span<UInt8>, data: Span<UInt8>, into deltas: inout [Delta]
  ) throws(JSONReader.Malformed) -> Bool
}

extension Span<UInt8> {
  /// Whether the text begins a JSON object.
  var opensObject: Bool { trimmed.first.map { self[$0] == UInt8(ascii: "{") } ?? false }
}

extension Wire {
  /// For one answer.
  public func makeDecoder() -> any ProviderDecoder {
    switch self {
    case .openai: OpenAIDecoder()
    case .anthropic: AnthropicDecoder()
    case .gemini: GeminiDecoder()
    }
  }
}
