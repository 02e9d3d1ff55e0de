import Testing

@testable import Streaming

struct ReplyReaderTests {
  private func reader(_ status: Int, _ contentType: String) -> ReplyReader {
    var head = ResponseHead()
    for line in ["HTTP/1.1 \(status) X", "Content-Type: \(contentType)"] {
      let bytes = line.bytes
      head.consume(line: bytes.span, wallClock: 0)
    }
    var reader = ReplyReader(lineBound: 1 << 20, decoder: OpenAIDecoder())
    reader.receive(head: head)
    return reader
  }

  /// The deltas of each item, counted.
  private func items(_ reader: inout ReplyReader, _ input: [UInt8]) throws -> [Int] {
    var position = 0
    var counts: [Int] = []
    while try reader.next(in: input.span, from: &position) != nil { counts.append(reader.said.count) }
    #expect(position == input.count)
    return counts
  }

  @Test func `each event is an item, and its deltas are its own`() throws {
    var reader = reader(200, "text/event-stream")
    #expect(try items(&reader, (Chunk.token("a") + Chunk.role + Chunk.token("b") + Chunk.done).bytes) == [1, 0, 1, 1])
  }

  @Test func `an event that arrives whole is read where it lies`() throws {
    var reader = reader(200, "text/event-stream")
    let input = Chunk.token("a").bytes
    var position = 0
    #expect(try reader.next(in: input.span, from: &position) == .input(6..<input.count - 2))
  }

  @Test(arguments: [200, 201, 204, 302, 400, 500, 0])
  func `only a 200 is an answer`(status: Int) {
    #expect(reader(status, "text/event-stream").isRefusal == (status != 200))
  }

  @Test func `a type that is not given is taken for an event stream`() throws {
    var reader = reader(200, "")
    #expect(try items(&reader, Chunk.token("a").bytes) == [1])
  }

  @Test func `an answer in one piece is bounded`() throws {
    let piece = [UInt8](repeating: 0x20, count: 1 << 20)
    for type in ["application/json", "text/event-stream"] {
      var reader = reader(200, type)
      // Lines that are no field of an event stream.
      let input =
        type == "application/json" ? piece : Array(repeating: "xxxxxxx\n".bytes, count: 1 << 17).flatMap { $0 }
      for _ in 0..<15 { _ = try items(&reader, input) }
      #expect(throws: ReplyReader.Malformed.self) {
        _ = try items(&reader, input)
        _ = try items(&reader, input)
      }
    }
  }

  @Test func `of a refusal no more is kept than its bound`() throws {
    var reader = reader(500, "text/plain")
    for _ in 0..<100 { _ = try items(&reader, [UInt8](repeating: 0x61, count: 10_000)) }
    let kept = reader.collectedBytes.count
    #expect(kept == ReplyReader.refusalBound)
  }

  @Test func `the end is told once`() throws {
    var reader = reader(500, "text/plain")
    _ = try items(&reader, "it broke".bytes)
    #expect(try reader.finish() != nil)
    #expect(reader.said == [.failure(ProviderFailure(status: 500, message: "it broke"))])
    #expect(try reader.finish() == nil)
  }

  @Test func `odd lines between events are none of our business`() throws {
    var reader = reader(200, "text/event-stream")
    #expect(try items(&reader, ("odd\n" + Chunk.token("a") + "\nodd too\n").bytes) == [1])
    #expect(try reader.finish() == nil)
  }
}
