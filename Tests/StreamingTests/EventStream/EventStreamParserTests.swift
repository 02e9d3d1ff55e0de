import Testing

@testable import Streaming

struct EventStreamParserTests {
  /// Whether every chunking of the text amounts to these items.
  private func expect(
    _ text: String, is items: [ReadItem], isFinished: Bool = false, _ location: SourceLocation = #_sourceLocation
  ) throws {
    for chunks in Chunkings.of(text.bytes) {
      let read = try ReadItem.read(chunks, isFinished: isFinished)
      #expect(read == items, "in the pieces \(chunks.map { String($0) })", sourceLocation: location)
    }
  }

  @Test(arguments: ["\n", "\r", "\r\n"])
  func `lines end in LF, CR or CRLF, wherever the pieces are cut`(eol: String) throws {
    let text = "data: one\n\nevent: x\nid: 7\ndata: two\ndata: 2\n\n: ping\n\ndata: three\n\n"
    try expect(
      text.replacing("\n", with: eol),
      is: [.event("one"), .event("two\n2", name: "x", id: "7"), .event("three", id: "7")])
  }

  @Test func `line ends of several kinds may be mixed`() throws {
    try expect("data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r", is: [.event("a\nb\nc"), .event("d")])
    try expect("data: a\n\r\n\rdata: b\r\n\n", is: [.event("a"), .event("b")])
  }

  @Test func `an LF after a CR that ended a piece is no blank line`() throws {
    #expect(try ReadItem.read(["data: a\r".bytes, "\ndata: b\r".bytes, "\n\r".bytes, "\n".bytes]) == [.event("a\nb")])
  }

  @Test func `an event is told with the CR of its blank line, before the LF has come`() throws {
    #expect(try ReadItem.read(["data: a\r\n\r".bytes]) == [.event("a")])
  }

  @Test func `one byte order mark goes at the start, and nowhere else`() throws {
    try expect("\u{FEFF}data: a\n\ndata: b\n\n", is: [.event("a"), .event("b")])
    try expect("\u{FEFF}\ndata: a\n\n", is: [.event("a")])
    try expect(
      "\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n", is: [.unknownLine("\u{FEFF}data: a"), .event("b")])
    try expect("data: \u{FEFF}a\n\n\u{FEFF}data: b\n\n", is: [.event("\u{FEFF}a"), .unknownLine("\u{FEFF}data: b")])
  }

  @Test func `one space after the colon goes, and none is needed`() throws {
    try expect("data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\n", is: ["a", "a", " a", "\ta"].map { .event($0) })
  }

  @Test func `colons belong to the value after the first`() throws {
    try expect("data: a: b:c\n\n", is: [.event("a: b:c")])
  }

  @Test func `an event needs a data line, though an empty one will do`() throws {
    try expect("event: x\n\ndata\n\ndata:\n\ndata\ndata:\n\n", is: [.event(""), .event(""), .event("\n")])
  }

  @Test func `a type lasts for its own event, an id for those that follow`() throws {
    try expect(
      "event: x\nid: 1\ndata: a\n\ndata: b\n\nevent: y\n\ndata: c\n\nid\ndata: d\n\n",
      is: [.event("a", name: "x", id: "1"), .event("b", id: "1"), .event("c", id: "1"), .event("d")])
  }

  @Test func `an id with a NUL in it is none`() throws {
    try expect("id: 1\ndata: a\n\nid: 2\u{0}3\ndata: b\n\n", is: [.event("a", id: "1"), .event("b", id: "1")])
  }

  @Test func `comments and retry times say nothing`() throws {
    try expect(":\n: ping\n:data: no\nretry: 5\n\ndata: a\n: between\nretry\ndata: b\n\n", is: [.event("a\nb")])
  }

  @Test func `a line that is no field is handed out, between the data lines around it`() throws {
    try expect(
      "error: {\"a\":1}\ndata: a\nwhat is this\ndata: b\n\n{\n\n Data: c\n",
      is: [
        .unknownLine("error: {\"a\":1}"), .unknownLine("what is this"), .event("a\nb"), .unknownLine("{"),
        .unknownLine(" Data: c"),
      ])
  }

  @Test func `an event without its blank line is dropped, unless the end of the body is told`() throws {
    for text in [
      "data: a\n\nevent: x\ndata: b\n", "data: a\n\nevent: x\ndata: b", "data: a\r\n\r\nevent: x\r\ndata: b\r",
    ] {
      try expect(text, is: [.event("a")])
      try expect(text, is: [.event("a"), .event("b", name: "x")], isFinished: true)
    }
  }

  @Test func `at the end of the body, nothing is made up`() throws {
    for text in ["", "\n", ": ping", "event: x", "id: 1\n", "data: a\n\n", "\u{FEFF}"] {
      try expect(text, is: text.hasPrefix("data") ? [.event("a")] : [], isFinished: true)
    }
  }

  @Test func `the last line may be unknown, with an event behind it`() throws {
    try expect("data: a\nodd", is: [.unknownLine("odd"), .event("a")], isFinished: true)
  }

  @Test func `a line that arrives whole is not copied`() throws {
    let input = "data: one\n\ndata: two\n\n".bytes
    var parser = EventStreamParser(bound: 100)
    var position = 0
    #expect(try parser.next(in: input.span, from: &position) == .event(.input(6..<9)))
    #expect(position == 11)
    #expect(try parser.next(in: input.span, from: &position) == .event(.input(17..<20)))
    #expect(try parser.next(in: input.span, from: &position) == nil)
    let carried = parser.carriedBytes.count
    #expect(carried == 0)
  }

  @Test func `characters cut by the pieces are whole again`() throws {
    try expect("data: é€😀\n\n", is: [.event("é€😀")])
  }
}
