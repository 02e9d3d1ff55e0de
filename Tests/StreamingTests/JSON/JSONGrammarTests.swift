import Foundation
import Testing

@testable import Streaming

/// Where the first fault shows; nil: the bytes are one JSON text.
private func fault(in bytes: [UInt8]) -> Int? {
  var json = JSONReader(bytes.span)
  do throws(JSONReader.Malformed) {
    try json.skip()
    try json.end()
    return nil
  } catch {
    return error.offset
  }
}

/// RFC 8259, told by what it takes and what it refuses.
struct JSONGrammarTests {
  @Test(arguments: [
    "{}", "[]", "[[],{}]", " \t\r\n[ 1 , 2 ]\n", #"{"a":1,"b":[true,false,null]}"#, #"{"a":{"a":{}},"a":2}"#,
    #"{"":0}"#,
    "0", "-0", "7", "-12", "10", "1.5", "0.0", "-0.10", "1e5", "1E5", "1e+5", "1e-5", "1.25E+007", "0e0",
    "true", "false", "null", #""""#, #""text""#, #""é € 😀""#, #""\"\\\/\b\f\n\r\t""#, #""\u0000\uD83D\ude00\ud83d""#,
    "\"\u{7F}\u{2028}\"",
  ])
  func `JSON is taken`(text: String) {
    #expect(fault(in: text.bytes) == nil)
  }

  @Test(arguments: [
    "", " ", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "[1]]", "[1],", "{} {}", "1 2",
    #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a":1 "b":2}"#, #"{"a" 1}"#, #"{"a"::1}"#, #"{"a":1]"#,
    #"{"a":1"#,
    #"{"a"#, "{a:1}", "{1:1}", "{'a':1}", "{null:1}", "01", "-01", "00", "-", "+1", "1.", ".5", "1.e5", "1e", "1e+",
    "--1",
    "0x10", "1_000", "1e5.5", "NaN", "Infinity", "-Infinity", "tru", "truee", "True", "fals", "nul", "nulll",
    "undefined",
    #"""#, #""a"#, #""\"#, #""\""#, #""\x41""#, #""\a""#, #""\u""#, #""\u12""#, #""\u12g4""#, #""\u 123""#,
    #""\U0041""#,
    "'a'", "// a\n1", "/* a */1", "[1]#", "\u{FEFF}{}", "\u{A0}1", "1\u{0}", "\u{B}1", "\u{C}1",
  ])
  func `what is no JSON is refused`(text: String) {
    #expect(fault(in: text.bytes) != nil)
  }

  @Test(arguments: UInt8(0)..<0x20)
  func `a raw control byte in a string is refused where it stands`(byte: UInt8) {
    #expect(fault(in: "\"ab".bytes + [byte] + "c\"".bytes) == 3)
  }

  @Test(
    arguments: [[0xFF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]])
  func `broken UTF-8 in a string is refused where it begins`(bytes: [UInt8]) {
    #expect(fault(in: "[\"a".bytes + bytes + "\"]".bytes) == 3)
    #expect(fault(in: "{\"".bytes + bytes + "\":1}".bytes) == 2)
  }

  @Test func `nesting is taken up to the bound and refused beyond it`() {
    func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
      (String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).bytes
    }
    let bound = JSONReader.depthBound
    for (open, close) in [("[", "]"), (#"{"a":"#, "}"), (#"[{"a":"#, "}]")] {
      let levels = bound / open.count { $0 == "[" || $0 == "{" }
      #expect(fault(in: nested(levels, open, close)) == nil)
      #expect(fault(in: nested(levels + 1, open, close)) != nil)
      #expect(fault(in: nested(100_000, open, close)) != nil)
    }
  }

  @Test func `siblings do not count as nesting`() {
    #expect(fault(in: ("[" + String(repeating: "[{}],", count: 1000) + "[]]").bytes) == nil)
  }

  @Test func `a text cut off anywhere is refused`() {
    let text = #"{"a":[1.5e3,true,null,"x\u00e9\n€"],"b":{"c":-0}}"#.bytes
    #expect(fault(in: text) == nil)
    for end in 0..<text.count { #expect(fault(in: Array(text[..<end])) != nil, "cut at \(end)") }
  }

  @Test func `texts with a byte changed are judged as Foundation judges them`() {
    var random = SeededGenerator(seed: 11)
    let seeds = [#"{"a":[1.5e3,true,null,"x\u00e9\n"],"b":{"c":-0}}"#, #"[[],{},"",0.5,-1,false,{"k":"v"}]"#]
    let alphabet = #"{}[]:,"\0123456789.-+eEtruefalsnu bx/"#.bytes
    for _ in 0..<5000 {
      var text = seeds.randomElement(using: &random)!.bytes
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = text.indices.randomElement(using: &random)!
        switch Int.random(in: 0..<3, using: &random) {
        case 0: text[place] = alphabet.randomElement(using: &random)!
        case 1: text.insert(alphabet.randomElement(using: &random)!, at: place)
        default: text.remove(at: place)
        }
      }
      // Foundation lets a comma stand before a closing brace.
      if String(text).contains(/,\s*}/) { continue }
      #expect((fault(in: text) == nil) == ((try? foundationJSON(text)) != nil), "\(String(text))")
    }
  }
}
