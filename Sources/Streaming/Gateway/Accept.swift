/// What a client would rather have: the Accept header (RFC 9110, section 12.5.1).
public struct Accept: Sendable {
  private var ranges: [(type: String, quality: Double)] = []

  /// Of what cannot be read, nothing is known.
  public init(_ header: String?) {
    for range in (header ?? "").prefix(4096).split(separator: ",") {
      let parts = range.split(separator: ";").map { $0.trimmingSpaces().lowercased() }
      guard let type = parts.first, !type.isEmpty else { continue }
      let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
      ranges.append((type, quality))
    }
  }

  /// Whether it names the type itself, and `other` not before it. Wildcards are what every client sends, and say nothing.
  public func prefers(_ type: String, to other: String) -> Bool {
    let quality = quality(of: type)
    return quality > 0 && quality >= self.quality(of: other)
  }

  private func quality(of type: String) -> Double {
    ranges.reduce(0) { $1.type == type ? max($0, $1.quality) : $0 }
  }
}

extension Substring {
  fileprivate func trimmingSpaces() -> Substring {
    let isSpace = { (character: Character) in character == " " || character == "\t" }
    let front = drop(while: isSpace)
    return front.dropLast(front.reversed().prefix(while: isSpace).count)
  }
}
