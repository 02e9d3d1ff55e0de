import Streaming
import Testing

@testable import StreamBench

struct StreamReaderTests {
  private func response(_ events: [String], status: String = "200 OK") -> [UInt8] {
    let chunks = events.map { "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n" }.joined()
    return Array("HTTP/1.1 \(status)\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n".utf8)
  }

  private func token(_ number: Int, at time: Int = 2_000_000_000) -> String {
    "data: {\"token\":\"\(number):\(time)xxx \"}\n\n"
  }

  private func read(_ bytes: [UInt8], pieces size: Int = .max) -> (StreamReader, Tally, StreamReader.Progress) {
    var (reader, tally) = (StreamReader(startedAt: Instant(nanoseconds: 1_000_000_000)), Tally())
    var start = 0
    var progress = StreamReader.Progress.more
    while start < bytes.count, progress == .more {
      let end = size < bytes.count - start ? start + size : bytes.count
      let now = Instant(nanoseconds: 2_000_000_500)
      progress = reader.read(bytes.span.extracting(start..<end), at: now, into: &tally)
      start = end
    }
    return (reader, tally, progress == .more ? reader.close() : progress)
  }

  @Test(arguments: [1, 2, 3, 7, 50, .max])
  func `tokens are counted and timed, in whatever pieces they come`(size: Int) {
    let (reader, tally, progress) = read(
      response((0..<20).map { token($0) } + ["event: done\ndata: {}\n\n"]), pieces: size)
    #expect(progress == .ended && reader.check.isClean && reader.check.next == 20)
    #expect(tally.tokens == 20 && tally.firstToken.count == 1 && tally.gap.count == 19)
    #expect(tally.delay.maximum == .nanoseconds(500) && tally.firstToken.maximum == .nanoseconds(1_000_000_500))
  }

  @Test func `the provider's own chunks are understood as well`() {
    let content = "\"choices\":[{\"delta\":{\"content\":\"0:2000000000 \"}}]"
    let chunk = "data: {\"id\":\"chatcmpl-1:2\",\"created\":1767225600,\(content)}\n\n"
    let (reader, tally, progress) = read(response([chunk, "data: [DONE]\n\n"]))
    #expect(progress == .ended && reader.check.next == 1 && tally.tokens == 1)
  }

  @Test(arguments: [3, .max])
  func `a token that the relay swallowed is lost`(size: Int) {
    let (reader, _, progress) = read(
      response([0, 1, 3].map { token($0) } + ["event: done\ndata: {}\n\n"]), pieces: size)
    #expect(progress == .ended && reader.check.lost == 1)
  }

  @Test func `an end without the terminal event is a failure`() {
    #expect(read(response([token(0)])).2 == .failed("ended without its terminal event"))
  }

  @Test(arguments: [3, .max])
  func `what comes after the terminal event is a failure`(size: Int) {
    let done = "event: done\ndata: {}\n\n"
    #expect(
      read(response([token(0), done, token(1)]), pieces: size).2 == .failed("a token after the terminal event"))
    #expect(
      read(response([token(0), "data: [DONE]\n\n", "data: [DONE]\n\n"]), pieces: size).2
        == .failed("another terminal event after the terminal event"))
  }

  @Test func `more tokens than were asked for are a failure`() {
    var (reader, _, progress) = read(response([token(0), token(1), "event: done\ndata: {}\n\n"]))
    #expect(reader.end(progress, expected: 2) == .ended)
    #expect(reader.end(progress, expected: 1) == .failed("more than 1 tokens"))
    progress = .failed("no answer")
    #expect(reader.end(progress, expected: 1) == progress)
  }

  @Test func `an error inside the stream is a failure, and its words are told`() {
    let events = [token(0), "event: error\ndata: {\"message\":\"gone\"}\n\n"]
    #expect(read(response(events)).2 == .failed("an error inside the stream: {\"message\":\"gone\"}"))
    #expect(
      read(response(["data: {\"error\":{\"message\":\"gone\"}}\n\n", "data: [DONE]\n\n"])).2
        == .failed("an error inside the stream: {\"error\":{\"message\":\"gone\"}}"))
  }

  @Test func `a refusal is told with its status, on one line`() {
    #expect(read(response(["full,\r\nsorry\n"], status: "503 Busy")).2 == .failed("status 503: full, sorry"))
  }

  @Test func `a body that breaks off is a failure, even behind its terminal event`() {
    let whole = response([token(0), "event: done\ndata: {}\n\n"])
    #expect(read(Array(whole.dropLast(5))).2 == .failed("broke off inside the body"))
    #expect(read([]).2 == .failed("no answer"))
  }
}
