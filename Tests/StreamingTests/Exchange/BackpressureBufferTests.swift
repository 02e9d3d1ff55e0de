import Testing

@testable import Streaming

extension BackpressureBuffer {
  fileprivate mutating func write(_ text: String) { storage.append(text) }

  fileprivate mutating func write(token: String) {
    write(token)
    endToken()
  }

  fileprivate var text: String { String(copying: waiting) }

  /// What its byte storage holds on to.
  fileprivate var capacity: Int {
    Mirror(reflecting: self).children.compactMap { $0.value as? [UInt8] }.map(\.capacity).reduce(0, +)
  }
}

struct BackpressureBufferTests {
  @Test func `bytes come out in order, however they are taken`() {
    var random = SeededGenerator(seed: 31)
    var buffer = BackpressureBuffer(mark: .bytes(100))
    var written = ""
    var taken = ""
    for number in 0..<2000 {
      buffer.write("\(number),")
      written += "\(number),"
      let count = Int.random(in: 0...buffer.count, using: &random)
      taken += buffer.text.prefix(count)
      buffer.take(count)
    }
    #expect(taken + buffer.text == written)
    #expect(buffer.count == written.utf8.count - taken.utf8.count)
  }

  @Test func `the provider is paused at the mark and resumed at half of it, each once`() {
    var buffer = BackpressureBuffer(mark: .bytes(10))
    buffer.write("123456789")
    #expect(buffer.change() == nil)
    buffer.write("0")
    #expect(buffer.change() == .pause)
    #expect(buffer.isPaused)
    #expect(buffer.change() == nil)
    buffer.take(4)
    #expect(buffer.change() == nil)
    buffer.take(1)
    #expect(buffer.change() == .resume)
    #expect(!buffer.isPaused)
    #expect(buffer.change() == nil)
    buffer.write("12345")
    #expect(buffer.change() == .pause)
  }

  @Test func `what comes while it is paused is kept whole`() {
    var buffer = BackpressureBuffer(mark: .bytes(10))
    let text = String(repeating: "0123456789", count: 100)
    buffer.write(text)
    #expect(buffer.change() == .pause)
    buffer.write("end")
    #expect(buffer.text == text + "end")
  }

  @Test func `tokens pause at 200 and resume at 100`() {
    var buffer = BackpressureBuffer(mark: .tokens(200, bytes: 1 << 20))
    for count in 1...200 {
      buffer.write(token: "abcd")
      #expect(buffer.change() == (count == 200 ? .pause : nil))
    }
    for count in stride(from: 199, through: 100, by: -1) {
      buffer.take(4)
      #expect(buffer.tokenCount == count)
      #expect(buffer.change() == (count == 100 ? .resume : nil))
    }
  }

  @Test func `a token waits until its last byte is taken`() {
    var buffer = BackpressureBuffer(mark: .tokens(3, bytes: 100))
    buffer.write("head ")
    for _ in 0..<3 { buffer.write(token: "abcd") }
    #expect(buffer.change() == .pause)
    buffer.take(5)
    #expect(buffer.tokenCount == 3)
    buffer.take(3)
    #expect(buffer.tokenCount == 3)
    buffer.take(1)
    #expect(buffer.tokenCount == 2)
    buffer.take(6)
    #expect(buffer.tokenCount == 1)
    #expect(buffer.change() == .resume)
    buffer.take(2)
    #expect(buffer.tokenCount == 0)
  }

  @Test func `tokens are counted right after any takes`() {
    var random = SeededGenerator(seed: 33)
    var buffer = BackpressureBuffer(mark: .tokens(50, bytes: 1 << 20))
    var ends: [Int] = []
    var written = 0
    var taken = 0
    for _ in 0..<5000 {
      let length = Int.random(in: 1...30, using: &random)
      buffer.write(token: String(repeating: "x", count: length))
      written += length
      ends.append(written)
      let count = Int.random(in: 0...min(buffer.count, 40), using: &random)
      buffer.take(count)
      taken += count
      #expect(buffer.tokenCount == ends.count { $0 > taken })
    }
  }

  @Test func `few but long tokens pause at the bytes, and resume at half of both`() {
    var buffer = BackpressureBuffer(mark: .tokens(200, bytes: 100))
    buffer.write(token: String(repeating: "x", count: 60))
    buffer.write(token: String(repeating: "x", count: 40))
    #expect(buffer.change() == .pause)
    buffer.take(49)
    #expect(buffer.change() == nil)
    buffer.take(1)
    #expect(buffer.change() == .resume)
  }

  @Test func `tokens are not counted where bytes are the measure`() {
    var buffer = BackpressureBuffer(mark: .bytes(10))
    buffer.write(token: "a")
    #expect(buffer.tokenCount == 0)
  }

  @Test func `a burst's storage is given back when it is taken`() {
    var buffer = BackpressureBuffer(mark: .bytes(1 << 16))
    buffer.write(String(repeating: "x", count: 1 << 20))
    #expect(buffer.capacity >= 1 << 20)
    buffer.take(buffer.count)
    #expect(buffer.isEmpty)
    #expect(buffer.capacity <= 1024)
  }

  @Test func `a small storage is kept, so that a token costs no allocation`() {
    var buffer = BackpressureBuffer(mark: .bytes(1 << 16))
    buffer.write("a few bytes")
    buffer.take(buffer.count)
    #expect(buffer.capacity > 0)
  }

  @Test func `a buffer that is never quite empty does not grow`() {
    var buffer = BackpressureBuffer(mark: .tokens(200, bytes: 1 << 16))
    buffer.write(token: "x")
    for _ in 0..<100_000 {
      buffer.write(token: String(repeating: "x", count: 40))
      buffer.take(40)
    }
    #expect(buffer.count == 1)
    #expect(buffer.capacity < 1 << 18)
    let kept = Mirror(reflecting: buffer).children.compactMap { $0.value as? [Int] }.map(\.count).reduce(0, +)
    #expect(kept < 10_000)
  }
}

struct LentRoomTests {
  private func room(_ bytes: Int) -> [UInt8] {
    var room: [UInt8] = []
    room.reserveCapacity(bytes)
    return room
  }

  @Test func `an empty buffer takes the room that it is lent, and gives it back`() {
    var (buffer, spare) = (BackpressureBuffer(mark: .bytes(100)), room(500))
    buffer.borrow(&spare)
    #expect(buffer.capacity >= 500 && spare.capacity == 0)
    buffer.write("token")
    buffer.take(5)
    buffer.giveBack(&spare)
    #expect(buffer.capacity == 0 && spare.capacity >= 500)
  }

  @Test func `what waits stays where it is, and in order`() {
    var (buffer, spare) = (BackpressureBuffer(mark: .bytes(100)), room(500))
    buffer.borrow(&spare)
    buffer.write("ab")
    buffer.take(1)
    buffer.giveBack(&spare)
    buffer.borrow(&spare)
    buffer.write("c")
    #expect(buffer.text == "bc" && spare.capacity == 0)
  }

  @Test func `of two rooms the loop is given the larger one, and the buffer keeps none`() {
    var (first, second, spare) = (
      BackpressureBuffer(mark: .bytes(100)), BackpressureBuffer(mark: .bytes(100)), room(500)
    )
    first.borrow(&spare)
    second.borrow(&spare)
    second.write("x")
    second.take(1)
    second.giveBack(&spare)
    #expect(second.capacity == 0 && spare.capacity < 500)
    first.giveBack(&spare)
    #expect(first.capacity == 0 && spare.capacity >= 500)
    second.borrow(&spare)
    second.borrow(&spare)
    #expect(second.capacity >= 500, "a second loan changes nothing")
  }
}
