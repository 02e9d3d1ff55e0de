import Testing

@testable import Streaming

/// A reader that knows an event's shape must make of the next event what one that does not know it makes.
struct EventShapeTests {
  private static let events: [(wire: Wire, stream: String)] = [
    (.openai, Chunk.token("Hello")),
    (.openai, "data: {\"choices\" : [ {\"delta\" : {\"content\" : \"a\"}, \"index\" : 0 } ] }\n\n"),
    (.anthropic, anthropic(index: 0, "Hello")),
    (.anthropic, anthropic(index: 0, "Hello", padding: "   ")),
    (.openai, obfuscated("Hello", "x9Y")),
    (.openai, obfuscated("Hello", "x9Y", ",\"object\":\"chat.completion.chunk\"} ")),
    (.openai, "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"Hello\",\"content\":null}}]}\n\n"),
    (.gemini, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hello\"}],\"role\":\"model\"}}]}\n\n"),
  ]

  private static let opening =
    "event: content_block_start\n"
    + "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"

  private static func anthropic(index: Int, _ text: String, padding: String = "") -> String {
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":\(index),"
      + "\"delta\":{\"type\":\"text_delta\",\"text\":\"\(text)\"}\(padding)}\n\n"
  }

  private static func obfuscated(_ text: String, _ padding: String, _ end: String = "}") -> String {
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(text)\"},\"finish_reason\":null}],"
      + "\"obfuscation\":\"\(padding)\"\(end)\n\n"
  }

  private func reader(_ wire: Wire) throws -> ReplyReader {
    var reader = ReplyReader(lineBound: 1 << 20, decoder: wire.makeDecoder())
    if wire == .anthropic { _ = try said(&reader, Self.opening.bytes) }
    return reader
  }

  /// What each item says, literals as they stand.
  private func said(_ reader: inout ReplyReader, _ stream: [UInt8]) throws -> [[String]] {
    var items: [[String]] = []
    var position = 0
    while let place = try reader.next(in: stream.span, from: &position) {
      let bytes: [UInt8] =
        switch place {
        case .input(let range): Array(stream[range])
        case .carried(let range): [UInt8](copying: reader.carriedBytes.extracting(range))
        case .collected(let range): [UInt8](copying: reader.collectedBytes.extracting(range))
        }
      items.append(
        reader.said.map { delta in
          switch delta {
          case .text(let literal): "text \(literal.hasEscapes) " + String(Array(bytes[literal.range]))
          case .reasoning(let literal): "reasoning \(literal.hasEscapes) " + String(Array(bytes[literal.range]))
          default: "\(delta)"
          }
        })
    }
    return items
  }

  @Test(arguments: events)
  func `texts of the same shape are all told, escapes and all`(wire: Wire, stream: String) throws {
    for text in ["b", "", #"\n"#, #"\ud83d"#, #"\""#, "é😀", String(repeating: "long ", count: 400), "a"] {
      var known = try reader(wire)
      _ = try said(&known, stream.bytes)
      var fresh = try reader(wire)
      let next = stream.replacing(/"(Hello|a)"/) { _ in "\"\(text)\"" }.bytes
      #expect(try said(&known, next) == said(&fresh, next), "\(text)")
    }
  }

  @Test(arguments: events)
  func `any byte changed, added or lost is read as without a shape`(wire: Wire, stream: String) throws {
    let event = stream.bytes
    for place in event.indices {
      for byte in [
        UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "}"), UInt8(ascii: "x"), 0x00, 0x20, 0xC3, 0xFF,
      ] {
        for change in [[byte], [], [byte, event[place]], [event[place], byte]] {
          let next = event[..<place] + change + event[(place + 1)...]
          var known = try reader(wire)
          _ = try said(&known, event)
          var fresh = try reader(wire)
          let told = Result { try said(&known, Array(next)) }
          let expected = Result { try said(&fresh, Array(next)) }
          #expect("\(told)" == "\(expected)", "\(String(Array(next)))")
        }
      }
    }
  }

  @Test func `what comes between two events may change what the second means`() throws {
    var reader = try reader(.anthropic)
    let text = Self.anthropic(index: 0, "a").bytes
    #expect(try said(&reader, text) == [["text false a"]])
    let stop = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    _ = try said(&reader, stop.bytes)
    #expect(try said(&reader, text) == [[]], "the block is closed")
  }

  @Test func `the event's name belongs to the shape`() throws {
    var reader = try reader(.openai)
    #expect(try said(&reader, Chunk.token("a").bytes) == [["text false a"]])
    let failure = try said(&reader, ("event: error\n" + Chunk.token("b")).bytes)
    #expect(failure.count == 1 && failure[0][0].hasPrefix("failure"))
  }

  @Test func `an event that says more than a text has no shape`() throws {
    var reader = try reader(.openai)
    let last = #"data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"# + "\n\n"
    for _ in 0..<2 { #expect(try said(&reader, last.bytes)[0].count == 2) }
  }

  @Test(arguments: ["", " ", "          "])
  func `spaces before the last brace are seen through`(padding: String) throws {
    var reader = try reader(.anthropic)
    _ = try said(&reader, Self.anthropic(index: 0, "a", padding: "  ").bytes)
    let next = Self.anthropic(index: 0, "b", padding: padding)
    #expect(try said(&reader, next.bytes) == [["text false b"]])
    #expect(reader.piece != nil, "its JSON was read")
  }

  @Test(arguments: ["", "a", #"long \" one"#, "é"], ["}", ",\"object\":\"x\"}"])
  func `a string that only pads is seen through`(padding: String, end: String) throws {
    var reader = try reader(.openai)
    _ = try said(&reader, Self.obfuscated("a", "0aB", end).bytes)
    #expect(try said(&reader, Self.obfuscated("b", padding, end).bytes) == [["text false b"]])
    #expect(reader.piece != nil, "its JSON was read")
  }

  @Test func `padding that is no JSON is an error`() throws {
    var reader = try reader(.openai)
    _ = try said(&reader, Self.obfuscated("a", "0aB").bytes)
    #expect(throws: ReplyReader.Malformed.self) {
      try said(&reader, Self.obfuscated("b", "x").bytes.map { $0 == UInt8(ascii: "x") ? 0x01 : $0 })
    }
  }

  @Test func `pieces of thinking have a shape too, and it is not that of text`() throws {
    var reader = try reader(.openai)
    func event(_ member: String, _ text: String) -> [UInt8] {
      "data: {\"choices\":[{\"delta\":{\"\(member)\":\"\(text)\"}}]}\n\n".bytes
    }
    _ = try said(&reader, event("reasoning", "a"))
    #expect(try said(&reader, event("reasoning", "b")) == [["reasoning false b"]])
    #expect(reader.piece != nil, "its JSON was read")
    #expect(try said(&reader, event("content", "c")) == [["text false c"]])
    #expect(try said(&reader, event("content", "d")) == [["text false d"]])
    #expect(reader.piece != nil, "its JSON was read")
  }

  // MARK: Alone

  private func data(_ front: String, _ text: String, _ back: String = "\"}") -> (bytes: [UInt8], text: JSONLiteral) {
    let bytes = (front + text + back).bytes
    return (bytes, JSONLiteral(range: front.utf8.count..<front.utf8.count + text.utf8.count, hasEscapes: false))
  }

  @Test func `an event of the same shape is recognised without its JSON being read`() {
    var shape = EventShape()
    let first = data("{\"a\":\"", "one")
    #expect(shape.piece(name: [], in: first.bytes.span) == nil)
    shape.take(name: [], first.bytes.span, around: .text(first.text))
    let second = data("{\"a\":\"", "second")
    #expect(shape.piece(name: [], in: second.bytes.span) == .text(second.text))
    #expect(shape.piece(name: "x".bytes, in: second.bytes.span) == nil)
    shape.forget()
    #expect(shape.piece(name: [], in: second.bytes.span) == nil)
  }

  @Test func `a provider whose events all differ is not compared with for ever`() {
    var shape = EventShape()
    for number in 0..<20 {
      let event = data("{\"n\":\(number),\"a\":\"", "text")
      #expect(shape.piece(name: [], in: event.bytes.span) == nil)
      shape.take(name: [], event.bytes.span, around: .text(event.text))
    }
    let last = data("{\"n\":19,\"a\":\"", "again")
    #expect(shape.piece(name: [], in: last.bytes.span) == nil)
  }
}
