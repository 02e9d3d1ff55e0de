import Testing

@testable import Streaming

struct RESPParserTests {
  private static let text = """
    +OK\r\n:-42\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n-ERR no\r\n*3\r\n:0\r\n$1\r\n7\r\n*1\r\n+in\r\n*0\r\n
    """
  private static let values: [RESPValue] = [
    .text("OK"), .integer(-42), .text("a\r\nbc"), .text(""), .null, .null, .error("ERR no"),
    .list([.integer(0), .text("7"), .list([.text("in")])]), .list([]),
  ]

  private func read(_ chunks: [[UInt8]]) throws -> [RESPValue] {
    var parser = RESPParser()
    var values: [RESPValue] = []
    for chunk in chunks {
      parser.append(chunk.span)
      while let value = try parser.next() { values.append(value) }
    }
    return values
  }

  @Test func `replies are read whole and byte by byte`() throws {
    let bytes = Array(Self.text.utf8)
    #expect(try read([bytes]) == Self.values)
    #expect(try read(bytes.map { [$0] }) == Self.values)
  }

  @Test(arguments: 0..<50)
  func `replies are read in any chunking`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var rest = Array(Self.text.utf8)[...]
    var chunks: [[UInt8]] = []
    while !rest.isEmpty {
      let count = Int.random(in: 0...min(9, rest.count), using: &generator)
      chunks.append(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    #expect(try read(chunks) == Self.values)
  }

  @Test(arguments: [
    "HTTP/1.1 400", "\0", "\r\n", ":x\r\n", ":\r\n", "$-2\r\n", "$99999999\r\n", "*99999999\r\n", "*-2\r\n",
    "$1\r\nab\r\n", "+a\rb", ":99999999999999999999999\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "*1\r\n!",
  ])
  func `what is no reply is known as such`(text: String) {
    #expect(throws: RESPParser.Malformed.self) { try read([Array(text.utf8)]) }
    #expect(throws: RESPParser.Malformed.self) { try read(Array(text.utf8).map { [$0] }) }
  }

  @Test func `a reply without end is given up at the bound`() {
    let endless = [UInt8](repeating: UInt8(ascii: "x"), count: 1024)
    #expect(throws: RESPParser.Malformed.self) {
      try read([Array("+".utf8)] + Array(repeating: endless, count: RESPParser.bound / 1024 + 1))
    }
  }

  @Test(arguments: 0..<200)
  func `no bytes make it fail in another way`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let alphabet = Array("+-:$*0123456789\r\nab".utf8)
    var bytes = (0..<200).map { _ in alphabet.randomElement(using: &generator)! }
    if seed % 2 == 0 { bytes = Array(Self.text.utf8.prefix(Int.random(in: 0..<80, using: &generator))) + bytes }
    _ = try? read([bytes])
  }

  @Test func `a command is an array of its words, counted in bytes`() {
    var output: [UInt8] = []
    RESPCommand.append(["SET", "ä", ""], to: &output)
    #expect(String(decoding: output, as: UTF8.self) == "*3\r\n$3\r\nSET\r\n$2\r\nä\r\n$0\r\n\r\n")
  }
}
