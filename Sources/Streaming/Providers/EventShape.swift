import Glibc

/// What the events of an answer have in common. Many providers (DeepSeek, Groq, OpenRouter, vLLM, llama.cpp) say the same
/// around each piece of text, so an event that differs from the last one in its text alone is not read as JSON again: only
/// the text is checked. That is 5,000 of the 14,600 instructions that a token cost without it. Others vary what stands
/// around it (OpenAI and Anthropic pad it by chance, Gemini counts in it): with them it soon gives up.
struct EventShape {
  /// The event's name, what stands before the text's literal, and what stands behind it.
  private var bytes: [UInt8] = []
  private var nameCount = 0
  private var frontCount = 0
  /// Shapes that were taken since one has fitted.
  private var misses: UInt8 = 0

  /// Bytes around a text that are remembered; every open stream holds them.
  private static let bound = 1024
  /// Shapes in a row that fitted nothing, after which none is taken any more.
  private static let patience: UInt8 = 8

  /// Takes the shape of an event that said one piece of text and nothing else.
  mutating func take(name: [UInt8], _ data: Span<UInt8>, around text: JSONLiteral) {
    forget()
    let count = name.count + data.count - text.range.count
    guard count <= Self.bound, misses < Self.patience else {
      bytes = []
      return
    }
    misses += 1
    bytes.reserveCapacity(count)
    bytes += name
    bytes.append(data.extracting(0..<text.range.lowerBound))
    bytes.append(data.extracting(text.range.upperBound..<data.count))
    nameCount = name.count
    frontCount = text.range.lowerBound
  }

  /// No event has it any more: what follows may mean something else.
  mutating func forget() {
    bytes.removeAll(keepingCapacity: true)
    (nameCount, frontCount) = (0, 0)
  }

  /// The text of an event that has this shape; nil where it has another, or none in order.
  mutating func text(name: [UInt8], in data: Span<UInt8>) -> JSONLiteral? {
    let backCount = bytes.count - nameCount - frontCount
    guard frontCount > 0, name.count == nameCount, data.count > frontCount + backCount else { return nil }
    let range = frontCount..<data.count - backCount
    guard holds(data.extracting(0..<range.lowerBound), at: nameCount),
      holds(data.extracting(range.upperBound..<data.count), at: nameCount + frontCount), holds(name.span, at: 0)
    else { return nil }
    // From its opening quote; that it ends where it did makes the rest what it was.
    var json = JSONReader(data, at: frontCount - 1)
    guard let text = try? json.string(), text.range == range else { return nil }
    misses = 0
    return text
  }

  private func holds(_ part: Span<UInt8>, at start: Int) -> Bool {
    part.withUnsafeBufferPointer { part in
      bytes.withUnsafeBufferPointer { bytes in
        guard let a = part.baseAddress, let b = bytes.baseAddress else { return part.isEmpty }
        return memcmp(a, b + start, part.count) == 0
      }
    }
  }
}
