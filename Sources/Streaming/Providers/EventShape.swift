import Glibc

/// What the events of an answer have in common. Many providers say the same around each piece of text, so an event that
/// differs from the last one in its text alone is not read as JSON again: only the text is checked. That is 5,000 of the
/// 12,300 instructions that a token costs without it. Some hide a text's length behind padding of any length, which may
/// differ too. Others vary what stands around it by more (Gemini counts in it): with them it soon gives up.
struct EventShape {
  /// The event's name, then its data but for the text's literal and the padding: the front before the text, the back behind
  /// it, and the end behind the padding.
  private var bytes: [UInt8] = []
  private var nameCount: UInt16 = 0
  private var frontCount: UInt16 = 0
  private var backCount: UInt16 = 0
  private var padding = Padding.spaces
  private var isReasoning = false
  /// Shapes that were taken since one has fitted.
  private var misses: UInt8 = 0

  /// By what a provider hides how long the text is.
  private enum Padding {
    /// Spaces before the object's last brace, perhaps none (Anthropic).
    case spaces
    /// The string of a member that says nothing (OpenAI, Azure).
    case string

    static let member: StaticString = "\"obfuscation\":\""
  }

  /// Bytes around a text that are remembered; every open stream holds them.
  private static let bound = 1024
  /// Shapes in a row that fitted nothing, after which none is taken any more.
  private static let patience: UInt8 = 8

  /// Takes the shape of an event that said one piece and nothing else.
  /// - Parameter data: one JSON object.
  mutating func take(name: [UInt8], _ data: Span<UInt8>, around piece: Piece) {
    forget()
    let text = piece.literal
    let rest = data.extracting(text.range.upperBound..<data.count)
    let (padding, hole) = Self.padding(in: rest)
    let count = name.count + data.count - text.range.count - hole.count
    guard count <= Self.bound, misses < Self.patience else {
      bytes = []
      return
    }
    misses += 1
    bytes.reserveCapacity(count)
    bytes += name
    bytes.append(data.extracting(0..<text.range.lowerBound))
    bytes.append(rest.extracting(0..<hole.lowerBound))
    bytes.append(rest.extracting(hole.upperBound..<rest.count))
    nameCount = UInt16(name.count)
    frontCount = UInt16(text.range.lowerBound)
    backCount = UInt16(hole.lowerBound)
    self.padding = padding
    if case .reasoning = piece { isReasoning = true } else { isReasoning = false }
  }

  /// Where the padding stands.
  private static func padding(in rest: Span<UInt8>) -> (Padding, Range<Int>) {
    var quote = rest.firstIndex(of: UInt8(ascii: "\""), from: 0)
    while let place = quote {
      if rest.holds(Padding.member, at: place) {
        var json = JSONReader(rest, at: place + Padding.member.utf8CodeUnitCount - 1)
        if let literal = try? json.string() { return (.string, literal.range) }
      }
      quote = rest.firstIndex(of: UInt8(ascii: "\""), from: place + 1)
    }
    let end = rest.count > 0 && rest[rest.count - 1] == UInt8(ascii: "}") ? rest.count - 1 : rest.count
    var start = end
    while start > 0, rest[start - 1] == 0x20 { start -= 1 }
    return (.spaces, start..<end)
  }

  /// No event has it any more: what follows may mean something else.
  mutating func forget() {
    bytes.removeAll(keepingCapacity: true)
    (nameCount, frontCount, backCount) = (0, 0, 0)
  }

  /// What an event says that has this shape; nil where it has another, or none in order.
  mutating func piece(name: [UInt8], in data: Span<UInt8>) -> Piece? {
    let (nameCount, frontCount, backCount) = (Int(nameCount), Int(frontCount), Int(backCount))
    guard frontCount > 0, name.count == nameCount, data.count > frontCount + backCount,
      holds(data.extracting(0..<frontCount), at: nameCount), holds(name.span, at: 0)
    else { return nil }
    // From its opening quote; that what follows is the same makes it the same part of the same object.
    var json = JSONReader(data, at: frontCount - 1)
    guard let text = try? json.string(), !text.isEmpty else { return nil }
    let back = text.range.upperBound..<text.range.upperBound + backCount
    guard back.upperBound <= data.count, holds(data.extracting(back), at: nameCount + frontCount),
      let hole = endOfPadding(in: data, from: back.upperBound)
    else { return nil }
    let end = bytes.count - nameCount - frontCount - backCount
    guard data.count - hole == end, holds(data.extracting(hole..<data.count), at: bytes.count - end) else { return nil }
    misses = 0
    return isReasoning ? .reasoning(text) : .text(text)
  }

  private func endOfPadding(in data: Span<UInt8>, from start: Int) -> Int? {
    switch padding {
    case .spaces:
      var end = start
      while end < data.count, data[end] == 0x20 { end += 1 }
      return end
    case .string:
      var json = JSONReader(data, at: start - 1)
      return (try? json.string())?.range.upperBound
    }
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
