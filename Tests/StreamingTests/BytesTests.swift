import Testing

@testable import Streaming

// A span cannot stand inside `#expect`.
private func isUTF8(_ bytes: [UInt8]) -> Bool { UTF8Sequence.isValid(bytes.span) }
private func comma(in text: String, from start: Int) -> Int? {
  let bytes = text.bytes
  return bytes.span.firstIndex(of: UInt8(ascii: ","), from: start)
}
private func data(equals word: StaticString) -> Bool {
  let bytes = "data".bytes
  return bytes.span.equals(word)
}
private func data(holds word: StaticString, at start: Int) -> Bool {
  let bytes = "data".bytes
  return bytes.span.holds(word, at: start)
}
private func trimmed(_ text: String) -> Range<Int> {
  let bytes = text.bytes
  return bytes.span.trimmed
}

struct BytesTests {
  @Test(arguments: [
    "plain", "", "é", "€", "😀", "\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}",
    "\u{10FFFF}",
  ])
  func `well-formed UTF-8 is taken`(text: String) {
    #expect(isUTF8(text.bytes))
  }

  @Test(
    arguments: [
      [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
      [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xE2, 0x82, 0x28], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
      [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF0, 0x9F, 0x98, 0x28],
      [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF],
    ] as [[UInt8]])
  func `broken, overlong and surrogate UTF-8 is refused`(bytes: [UInt8]) {
    #expect(!isUTF8(bytes))
    #expect(!isUTF8(bytes + "a".bytes))
    #expect(!isUTF8("aé".bytes + bytes))
  }

  @Test func `UTF-8 is judged as the standard library judges it`() {
    var random = SeededGenerator(seed: 7)
    let interesting: [UInt8] = [0x00, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xE2, 0xED, 0xEF, 0xF0, 0xF4, 0xFF]
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 1...6, using: &random)).map { _ in interesting.randomElement(using: &random)! }
      #expect(isUTF8(bytes) == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
    }
  }

  @Test func `a byte is found from a place on, not before it`() {
    #expect(comma(in: "a,b,c", from: 0) == 1)
    #expect(comma(in: "a,b,c", from: 2) == 3)
    #expect(comma(in: "a,b,c", from: 4) == nil)
    #expect(comma(in: "a,b,c", from: 5) == nil)
    #expect(comma(in: "", from: 0) == nil)
  }

  @Test func `a word is held only where all of it stands`() {
    #expect(data(equals: "data"))
    #expect(!data(equals: "dat"))
    #expect(!data(equals: "data:"))
    #expect(data(holds: "ta", at: 2))
    #expect(!data(holds: "tab", at: 2))
    #expect(!data(holds: "d", at: -1))
  }

  @Test func `white space goes at both ends`() {
    #expect(trimmed(" \t\r\na b\n ") == 4..<7)
    #expect(trimmed(" \n ").isEmpty)
    #expect(trimmed("").isEmpty)
  }

  @Test func `the plain inside of a string ends at the first byte that is none, wherever it stands`() {
    let special: [UInt8] = [0x00, 0x1F, 0x22, 0x5C, 0x80, 0xFF]
    let plain: [UInt8] = [0x20, 0x21, 0x23, 0x5B, 0x5D, 0x7F]
    for count in 0..<40 {
      for place in 0..<max(1, count) {
        for byte in special + plain {
          var bytes = (0..<count).map { plain[$0 % plain.count] }
          if place < count { bytes[place] = byte }
          // Behind the first one anything may follow.
          if place + 1 < count { bytes[count - 1] = 0x22 }
          for start in [0, 1, 7, count] where start <= count {
            let end = bytes[start...].firstIndex { special.contains($0) } ?? count
            #expect(bytes.span.plainStringEnd(from: start) == end)
          }
        }
      }
    }
  }
}
