import Testing

@testable import Streaming

struct JSONEscapingTests {
  private func escaped(_ text: String) -> String {
    var output: [UInt8] = []
    JSONEscaping.append(text, to: &output)
    return String(output)
  }

  private func decoded(_ literal: String) -> String { decoded(literal.bytes) }

  private func decoded(_ literal: [UInt8]) -> String { JSONEscaping.decode(literal.span) }

  @Test(arguments: [
    ("", #""""#), ("plain", #""plain""#), (#"a"b\c"#, #""a\"b\\c""#), ("\n\r\t", #""\n\r\t""#),
    ("\u{0}\u{1F}\u{8}\u{C}", #""\u0000\u001f\u0008\u000c""#), ("é€😀\u{7F}\u{2028}/", "\"é€😀\u{7F}\u{2028}/\""),
  ])
  func `text is written with the fewest escapes`(text: String, literal: String) {
    #expect(escaped(text) == literal)
  }

  @Test func `bytes are written as their text is`() {
    var output: [UInt8] = []
    let bytes = "é\"\n\u{1}".bytes
    JSONEscaping.append(bytes.span, to: &output)
    #expect(String(output) == escaped("é\"\n\u{1}"))
  }

  @Test func `every character comes back, by our reader and by Foundation's`() throws {
    var random = SeededGenerator(seed: 3)
    for _ in 0..<500 {
      let scalars = (0..<10).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x1_00FF, using: &random)) }
      let text = String(String.UnicodeScalarView(scalars))
      let literal = escaped(text).bytes
      #expect(decoded(Array(literal.dropFirst().dropLast())).unicodeScalars.elementsEqual(scalars))
      #expect((try foundationJSON(literal) as? String)?.unicodeScalars.elementsEqual(scalars) == true)
    }
  }

  @Test(arguments: [
    (#"a\"\\\/\b\f\n\r\tz"#, "a\"\\/\u{8}\u{C}\n\r\tz"), (#"\u00e9\u20AC"#, "é€"), (#"\uD83D\uDE00!"#, "😀!"),
    (#"x\u0000y"#, "x\u{0}y"), ("é😀", "é😀"),
  ])
  func `escapes are undone`(literal: String, text: String) {
    #expect(decoded(literal) == text)
  }

  @Test(arguments: [
    (#"\ud83d"#, "\u{FFFD}"), (#"\ude00"#, "\u{FFFD}"), (#"\ud83dx"#, "\u{FFFD}x"), (#"\ud83d\n"#, "\u{FFFD}\n"),
    (#"\ud83d\u0041"#, "\u{FFFD}A"), (#"\ud83d\ud83d\ude00"#, "\u{FFFD}😀"), (#"\ude00\ud83d"#, "\u{FFFD}\u{FFFD}"),
  ])
  func `half a surrogate pair becomes the replacement character and takes nothing along`(literal: String, text: String)
  {
    #expect(decoded(literal) == text)
  }
}
