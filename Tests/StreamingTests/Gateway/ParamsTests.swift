import Testing

@testable import Streaming

struct ParamsTests {
  @Test func `short and long names and values are read`() throws {
    let long = String(repeating: "v", count: 70_000)
    let name = String(repeating: "N", count: 128)
    let params = try Params(fastCGI: WebServer.pairs([("A", "1"), ("LONG", long), (name, "x"), ("", ""), ("B", "é")]))
    #expect(params["A"] == "1")
    #expect(params["LONG"] == long)
    #expect(params["B"] == "é")
    #expect(params.names == ["A", "LONG", name, "", "B"])
  }

  @Test(arguments: [127, 128, 255, 256, 65_535, 65_536])
  func `a value of any length comes back whole`(count: Int) throws {
    let params = try Params(fastCGI: WebServer.pairs([("V", String(repeating: "x", count: count)), ("W", "after")]))
    #expect(params["V"]?.utf8.count == count)
    #expect(params["W"] == "after")
  }

  @Test(
    arguments: [
      [1], [1, 1], [1, 1, 65], [0x80], [0x80, 0, 0], [0x80, 0, 0, 1], [2, 0, 65], [0, 2, 65],
      [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0, 0xFF, 0xFF, 0xFF, 0xFF, 65],
      [0xFF, 0xFF, 0xFF, 0xFF, 0, 65],
    ] as [[UInt8]])
  func `lengths beyond the bytes, up to 4 GiB, are refused`(bytes: [UInt8]) {
    #expect(throws: Params.Malformed()) { try Params(fastCGI: bytes) }
  }

  @Test func `parameters cut off anywhere are refused, or are fewer`() {
    let bytes = WebServer.pairs([("NAME", "value"), ("OTHER", String(repeating: "x", count: 200))])
    for end in 1..<bytes.count where end != 11 {
      #expect(throws: Params.Malformed()) { try Params(fastCGI: Array(bytes[..<end])) }
    }
  }

  @Test func `of several values the last counts, and an empty one is none`() {
    #expect(Params.of([("A", "1"), ("A", "2")])["A"] == "2")
    #expect(Params.of([("A", "1"), ("A", "")])["A"] == nil)
    #expect(Params.of([("A", "1")])["B"] == nil)
    #expect(Params.of([("AB", "1")])["A"] == nil)
  }

  @Test func `a name repeated 100,000 times does no harm`() throws {
    let params = try Params(fastCGI: [UInt8]((0..<100_000).flatMap { _ in [1, 1, 65, 66] as [UInt8] }))
    #expect(params["A"] == "B")
    #expect(params["C"] == nil)
  }

  @Test func `broken UTF-8 becomes the replacement character`() throws {
    #expect(try Params(fastCGI: [1, 2, 65, 0xFF, 66])["A"] == "\u{FFFD}B")
  }

  @Test func `SCGI's headers are names and values, each ended by a NUL`() throws {
    let params = try Params(scgi: "CONTENT_LENGTH\u{0}0\u{0}EMPTY\u{0}\u{0}A\u{0}b=c\u{0}".bytes)
    #expect(params.names == ["CONTENT_LENGTH", "EMPTY", "A"])
    #expect(params["A"] == "b=c")
    #expect(params["EMPTY"] == nil)
  }

  @Test(arguments: ["A", "A\u{0}", "A\u{0}b", "A\u{0}b\u{0}C\u{0}"])
  func `SCGI headers without their last NUL or value are refused`(text: String) {
    #expect(throws: Params.Malformed()) { try Params(scgi: text.bytes) }
  }
}
