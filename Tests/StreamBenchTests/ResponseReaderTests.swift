import Streaming
import Testing

@testable import StreamBench

/// Every response is read whole, byte by byte, and cut once at every place.
struct ResponseReaderTests {
  private struct Read: Equatable {
    var status = 0
    var body = ""
    var isWhole = false
    var keeps = false
  }

  private func pieces(_ text: String) -> [[[UInt8]]] {
    let bytes = Array(text.utf8)
    return [[bytes], bytes.map { [$0] }] + (0...bytes.count).map { [Array(bytes[..<$0]), Array(bytes[$0...])] }
  }

  private func read(_ pieces: [[UInt8]]) throws -> Read {
    var (reader, read, body) = (ResponseReader(), Read(), [UInt8]())
    for piece in pieces {
      var position = 0
      while let item = try reader.next(in: piece.span, from: &position) {
        switch item {
        case .head(let status): read.status = status
        case .body(let range): body += piece[range]
        case .end: read.isWhole = true
        }
        if item == .end, position == piece.count { break }
      }
    }
    if !read.isWhole { read.isWhole = reader.close() }
    read.body = String(decoding: body, as: UTF8.self)
    read.keeps = reader.keepsConnection
    return read
  }

  private func expect(_ text: String, _ expected: Read, _ location: SourceLocation = #_sourceLocation) throws {
    for pieces in pieces(text) {
      #expect(try read(pieces) == expected, "in the pieces \(pieces.map(\.count))", sourceLocation: location)
    }
  }

  @Test func `chunks are put together, whatever their sizes look like`() throws {
    try expect(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "5\r\nhello\r\n00C;x=1\r\n, wide world\r\n1\r\n!\r\n0\r\n\r\n",
      Read(status: 200, body: "hello, wide world!", isWhole: true, keeps: true))
  }

  @Test func `a trailer belongs to no body`() throws {
    try expect(
      "HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n",
      Read(status: 200, body: "ab", isWhole: true))
  }

  @Test func `a length ends the body`() throws {
    try expect(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n",
      Read(status: 503, body: "no\n", isWhole: true, keeps: true))
    try expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Read(status: 200, isWhole: true, keeps: true))
  }

  @Test func `without either the connection's end is the body's`() throws {
    try expect("HTTP/1.0 200 OK\r\n\r\nall there is", Read(status: 200, body: "all there is", isWhole: true))
  }

  @Test func `an interim response is passed over`() throws {
    try expect(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
      Read(status: 200, body: "x", isWhole: true, keeps: true))
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "HTTP/1.1 200", "",
  ])
  func `what breaks off is not whole`(text: String) throws {
    for pieces in pieces(text) { #expect(try !read(pieces).isWhole) }
  }

  @Test(arguments: [
    "SSH-2.0-x\r\n", "HTTP/1.1 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
  ])
  func `what is no response is refused`(text: String) {
    for pieces in pieces(text) {
      #expect(throws: ResponseReader.Malformed.self) { try read(pieces) }
    }
  }
}
