import Testing

@testable import Streaming

/// A socket that takes as much at a time as it likes.
private struct FakeSocket {
  var framer = ResponseFramer()
  var replies: [UInt8] = []
  var received: [UInt8] = []
  private var waiting: [UInt8] = []

  /// Offers what waits until all of it is gone, or the socket takes nothing more.
  /// - Parameter takes: how many of so many bytes the socket takes.
  mutating func send(_ bytes: [UInt8], isEnded: Bool, takes: (Int) -> Int) {
    waiting += bytes
    while true {
      framer.next(waiting: waiting.count, isEnded: isEnded, replies: &replies)
      guard framer.count > 0 else { return }
      let offered = [UInt8](copying: framer.lead) + waiting[..<framer.content] + framer.tail
      let count = takes(offered.count)
      guard count > 0 else { return }
      received += offered[..<count]
      waiting.removeFirst(framer.sent(count))
    }
  }
}

struct ResponseFramerTests {
  private func stdout(_ records: [ReadRecord]) -> [UInt8] { records.filter { $0.type == 6 }.flatMap(\.content) }

  /// The records of a whole FastCGI answer: STDOUT in one or more, the empty one, END_REQUEST.
  private func expectAnswer(_ received: [UInt8], is content: [UInt8], _ location: SourceLocation = #_sourceLocation) {
    guard let records = ReadRecord.all(received) else {
      Issue.record("no whole records", sourceLocation: location)
      return
    }
    let ours = records.filter { $0.id == 7 }
    #expect(stdout(ours) == content, sourceLocation: location)
    #expect(ours.dropLast(2).allSatisfy { $0.type == 6 && !$0.content.isEmpty }, sourceLocation: location)
    #expect(
      ours.suffix(2) == [ReadRecord(type: 6, id: 7, content: []), .endRequest(id: 7, status: 0)],
      sourceLocation: location)
    #expect(records.last == .endRequest(id: 7, status: 0), sourceLocation: location)
  }

  @Test func `an answer in one piece is a record, the empty record and END_REQUEST`() {
    var socket = FakeSocket()
    socket.framer.begin(.fastCGI(requestID: 7))
    socket.send("hello".bytes, isEnded: true) { $0 }
    #expect(
      socket.received == [1, 6, 0, 7, 0, 5, 0, 0] + "hello".bytes + [1, 6, 0, 7, 0, 0, 0, 0]
        + [1, 3, 0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(socket.framer.isIdle)
  }

  @Test func `the last answer of a kept connection has an empty management record behind END_REQUEST`() {
    var socket = FakeSocket()
    socket.framer.begin(.fastCGI(requestID: 7))
    socket.framer.endsConnection = true
    socket.send("hello".bytes, isEnded: true) { $0 }
    let records = ReadRecord.all(socket.received)
    #expect(records?.suffix(2) == [.endRequest(id: 7, status: 0), ReadRecord(type: 10, id: 0, content: [])])
    socket.framer.begin(.fastCGI(requestID: 8))
    #expect(!socket.framer.endsConnection)
  }

  @Test func `every way of taking it in two or three parts gives the same bytes`() {
    let whole = 5 + 8 + 8 + 16
    for first in 1..<whole {
      for second in 1...(whole - first) {
        var socket = FakeSocket()
        socket.framer.begin(.fastCGI(requestID: 7))
        var takes = [first, second]
        socket.send("hello".bytes, isEnded: true) { min($0, takes.isEmpty ? .max : takes.removeFirst()) }
        expectAnswer(socket.received, is: "hello".bytes)
      }
    }
  }

  @Test func `pieces written and taken at random come out whole and in order`() {
    var random = SeededGenerator(seed: 21)
    for _ in 0..<300 {
      var socket = FakeSocket()
      socket.framer.begin(.fastCGI(requestID: 7))
      var content: [UInt8] = []
      for _ in 0..<Int.random(in: 0...12, using: &random) {
        let piece = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        content += piece
        socket.send(piece, isEnded: false) { Int.random(in: 0...$0, using: &random) }
      }
      socket.send([], isEnded: true) { Int.random(in: 0...$0, using: &random) }
      socket.send([], isEnded: true) { $0 }
      expectAnswer(socket.received, is: content)
    }
  }

  @Test(arguments: [65_535, 65_536, 200_000])
  func `content beyond one record's 65,535 bytes goes in several`(count: Int) {
    let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    for most in [4096, 70_000, Int.max] {
      var socket = FakeSocket()
      socket.framer.begin(.fastCGI(requestID: 7))
      socket.send(content, isEnded: true) { min($0, most) }
      expectAnswer(socket.received, is: content)
    }
  }

  @Test func `nothing to say yet sends nothing, not an empty record that would end the answer`() {
    var socket = FakeSocket()
    socket.framer.begin(.fastCGI(requestID: 7))
    socket.send([], isEnded: false) { $0 }
    #expect(socket.received.isEmpty)
    socket.send("a".bytes, isEnded: false) { $0 }
    socket.send([], isEnded: false) { $0 }
    socket.send([], isEnded: true) { $0 }
    expectAnswer(socket.received, is: "a".bytes)
  }

  @Test func `an answer without content still ends`() {
    var socket = FakeSocket()
    socket.framer.begin(.fastCGI(requestID: 7))
    socket.send([], isEnded: true) { $0 }
    expectAnswer(socket.received, is: [])
  }

  @Test func `replies to management records go between records, never into one`() {
    let reply = WebServer.record(number: 11, id: 0, [42, 0, 0, 0, 0, 0, 0, 0])
    for taken in 1...13 {
      var socket = FakeSocket()
      socket.framer.begin(.fastCGI(requestID: 7))
      var takes = [taken, 0]
      socket.send("hello".bytes, isEnded: false) { min($0, takes.removeFirst()) }
      socket.replies = reply
      socket.send(" you".bytes, isEnded: true) { $0 }
      expectAnswer(socket.received, is: "hello you".bytes)
      #expect(ReadRecord.all(socket.received)?.filter { $0.type == 11 }.count == 1)
      #expect(socket.replies.isEmpty)
    }
  }

  @Test func `replies go out though no answer is under way`() {
    let reply = WebServer.record(number: 11, id: 0, [42, 0, 0, 0, 0, 0, 0, 0])
    var socket = FakeSocket()
    socket.replies = reply
    socket.send([], isEnded: false) { min($0, 3) }
    #expect(socket.received.count == reply.count)
    #expect(ReadRecord.all(socket.received)?.map(\.type) == [11])
  }

  @Test func `an answer follows another on the same connection`() {
    var socket = FakeSocket()
    for content in ["one", "two"] {
      socket.received = []
      socket.framer.begin(.fastCGI(requestID: 7))
      socket.send(content.bytes, isEnded: true) { $0 }
      expectAnswer(socket.received, is: content.bytes)
      socket.send([], isEnded: true) { $0 }
      #expect(ReadRecord.all(socket.received)?.filter { $0.type == 3 }.count == 1)
    }
  }

  @Test func `SCGI gets the bytes as they are`() {
    var random = SeededGenerator(seed: 22)
    for _ in 0..<50 {
      var socket = FakeSocket()
      socket.framer.begin(.scgi)
      for word in ["Status: 200 OK\r\n", "\r\n", "", "data: x\n\n"] {
        socket.send(word.bytes, isEnded: false) { Int.random(in: 0...$0, using: &random) }
      }
      socket.send("end".bytes, isEnded: true) { Int.random(in: 1...$0, using: &random) }
      #expect(String(socket.received) == "Status: 200 OK\r\n\r\ndata: x\n\nend")
      #expect(socket.framer.isIdle)
    }
  }
}
