import Testing

@testable import Streaming

struct JSONReaderTests {
  @Test func `members come in their order, doubles included`() throws {
    let text = #" { "b" : 1 , "a" : "x" , "b" : [ ] } "#.bytes
    var json = JSONReader(text.span)
    var members: [String] = []
    try json.enterObject()
    while let name = try json.nextMember() {
      let value = try json.skip()
      members.append("\(name.text(in: text.span))=\(String(Array(text[value])))")
    }
    try json.end()
    #expect(members == ["b=1", "a=\"x\"", "b=[ ]"])
  }

  @Test func `elements come in their order`() throws {
    let text = #"[1,[2,3],"4",{}]"#.bytes
    var json = JSONReader(text.span)
    var elements: [String] = []
    try json.enterArray()
    while try json.nextElement() { elements.append(String(Array(text[try json.skip()]))) }
    try json.end()
    #expect(elements == ["1", "[2,3]", "\"4\"", "{}"])
  }

  @Test(arguments: [
    (" {}", "object"), ("[1]", "array"), ("\n\"a\"", "string"), ("-1", "number"), ("true", "boolean"),
    ("false", "boolean"), ("null", "null"),
  ])
  func `a look ahead tells the kind and takes nothing`(text: String, kind: String) throws {
    let bytes = text.bytes
    var json = JSONReader(bytes.span)
    let seen = try json.peek()
    #expect("\(seen)" == kind)
    let value = try json.skip()
    #expect(value.upperBound == bytes.count)
  }

  @Test func `a value passed over is told by its place, without the space around it`() throws {
    let text = #"  {"a": [1, 2]}  ,"#.bytes
    var json = JSONReader(text.span)
    let place = try json.skip()
    #expect(place == 2..<15)
  }

  @Test func `a reader may start again within the text`() throws {
    let text = #"{"a":{"b":7}}"#.bytes
    var json = JSONReader(text.span, at: 5)
    try json.enterObject()
    let name = try json.nextMember()
    let value = try json.integerOrSkip()
    let nameText = name?.text(in: text.span)
    #expect(nameText == "b")
    #expect(value == 7)
  }

  @Test(
    arguments: [
      ("0", 0), ("-7", -7), ("12.0", 12), ("1e3", 1000), ("9223372036854775807", .max), ("1.5", nil),
      ("9223372036854775808", nil), ("1e400", nil), ("\"1\"", nil), ("null", nil), ("[1]", nil), ("true", nil),
    ] as [(String, Int?)])
  func `a whole number is read, and anything else is passed over`(text: String, value: Int?) throws {
    let bytes = "[\(text),5]".bytes
    var json = JSONReader(bytes.span)
    try json.enterArray()
    _ = try json.nextElement()
    let read = try json.integerOrSkip()
    #expect(read == value)
    _ = try json.nextElement()
    let next = try json.integerOrSkip()
    #expect(next == 5)
  }

  @Test(arguments: ["null", "1", "[\"a\"]", "{\"a\":\"b\"}", "false"])
  func `what is no string is passed over where a string may stand`(text: String) throws {
    let bytes = "[\(text),\"x\"]".bytes
    var json = JSONReader(bytes.span)
    try json.enterArray()
    _ = try json.nextElement()
    let nothing = try json.stringOrSkip()
    #expect(nothing == nil)
    _ = try json.nextElement()
    let next = try json.stringOrSkip()?.text(in: bytes.span)
    #expect(next == "x")
  }

  @Test func `a string's literal is its place between the quotes`() throws {
    let bytes = #" "a\nb" "#.bytes
    var json = JSONReader(bytes.span)
    let literal = try json.string()
    let text = literal.text(in: bytes.span)
    #expect(literal == JSONLiteral(range: 2..<6, hasEscapes: true))
    #expect(text == "a\nb")
  }

  @Test(arguments: [#""finish""#, #""\u0066inish""#, #""fin\u0069\u0073h""#])
  func `a name equals a word, and escapes are seen through`(text: String) throws {
    let bytes = text.bytes
    var json = JSONReader(bytes.span)
    let literal = try json.string()
    let whole = literal.equals("finish", in: bytes.span)
    let shorter = literal.equals("finis", in: bytes.span)
    let longer = literal.equals("finished", in: bytes.span)
    #expect(whole && !shorter && !longer)
  }

  @Test func `depth entered by hand counts as depth`() throws {
    let bytes = String(repeating: "[", count: 2000).bytes
    #expect(throws: JSONReader.Malformed.self) {
      var json = JSONReader(bytes.span)
      for _ in 0..<1000 {
        try json.enterArray()
        _ = try json.nextElement()
      }
    }
  }
}
