/// Text to and from the inside of JSON strings.
public enum JSONEscaping {
  /// Appends `text` as a JSON string, quotes included. The bytes must be UTF-8.
  public static func append(_ text: Span<UInt8>, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    appendInside(text, to: &output)
    output.append(UInt8(ascii: "\""))
  }

  /// The same without the quotes.
  static func appendInside(_ text: Span<UInt8>, to output: inout [UInt8]) {
    // What needs no escape is copied in runs.
    var (start, index) = (0, 0)
    while index < text.count {
      index = text.plainStringEnd(from: index)
      guard index < text.count else { break }
      if text[index] < 0x80 {
        output.append(text.extracting(start..<index))
        append(text[index], to: &output)
        start = index + 1
      }
      index += 1
    }
    output.append(text.extracting(start..<text.count))
  }

  /// Appends `text` as a JSON string, quotes included.
  public static func append(_ text: String, to output: inout [UInt8]) {
    append(text.utf8.span, to: &output)
  }

  private static func append(_ byte: UInt8, to output: inout [UInt8]) {
    switch byte {
    case UInt8(ascii: "\""): output.append("\\\"")
    case UInt8(ascii: "\\"): output.append("\\\\")
    case 0x0A: output.append("\\n")
    case 0x0D: output.append("\\r")
    case 0x09: output.append("\\t")
    case 0..<0x20:
      output.append("\\u00")
      output.append(hexDigits[Int(byte >> 4)])
      output.append(hexDigits[Int(byte & 15)])
    default: output.append(byte)
    }
  }

  private static let hexDigits = [UInt8]("0123456789abcdef".utf8)

  /// The text of a checked literal. A lone surrogate becomes U+FFFD.
  static func decode(_ literal: Span<UInt8>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(literal.count)
    var index = 0
    while index < literal.count {
      guard literal[index] == UInt8(ascii: "\\") else {
        text.append(literal[index])
        index += 1
        continue
      }
      index += 2
      switch literal[index - 1] {
      case UInt8(ascii: "n"): text.append(0x0A)
      case UInt8(ascii: "r"): text.append(0x0D)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "f"): text.append(0x0C)
      case UInt8(ascii: "u"): text.append(contentsOf: String(scalar(in: literal, at: &index)).utf8)
      case let byte: text.append(byte)
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The scalar whose first four hexadecimal digits start at `index`, which is moved past it, and past the second half
  /// of a surrogate pair.
  private static func scalar(in literal: Span<UInt8>, at index: inout Int) -> Unicode.Scalar {
    let first = codeUnit(in: literal, at: index)
    index += 4
    if first & 0xFC00 == 0xD800, literal.holds("\\u", at: index) {
      let second = codeUnit(in: literal, at: index + 2)
      if second & 0xFC00 == 0xDC00 {
        index += 6
        return Unicode.Scalar(0x10000 + (first & 0x3FF) << 10 + second & 0x3FF) ?? "\u{FFFD}"
      }
    }
    return Unicode.Scalar(first) ?? "\u{FFFD}"
  }

  private static func codeUnit(in literal: Span<UInt8>, at index: Int) -> UInt32 {
    (index..<index + 4).reduce(0) { $0 << 4 | UInt32(literal[$1].hexDigit ?? 0) }
  }
}
