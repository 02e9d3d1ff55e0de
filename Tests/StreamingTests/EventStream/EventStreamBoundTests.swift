import Testing

@testable import Streaming

struct EventStreamBoundTests {
  private let bound = 64

  private func line(_ count: Int) -> [UInt8] { "data: ".bytes + [UInt8](repeating: 0x61, count: count - 6) }

  @Test func `a line is taken up to the bound and refused beyond it`() throws {
    for chunks in Chunkings.of(line(bound) + "\n\n".bytes) {
      #expect(try ReadItem.read(chunks, bound: bound).count == 1)
    }
    for chunks in Chunkings.of(line(bound + 1) + "\n\n".bytes) {
      #expect(throws: EventStreamParser.TooLong(bound: bound)) { try ReadItem.read(chunks, bound: bound) }
    }
  }

  @Test func `a line without an end is refused at the bound, not when memory is full`() {
    let endless = [[UInt8]](repeating: [0x61], count: bound + 1)
    #expect(throws: EventStreamParser.TooLong(bound: bound)) { try ReadItem.read(endless, bound: bound) }
    #expect(throws: Never.self) { try ReadItem.read(endless.dropLast(), bound: bound) }
  }

  @Test func `the data of one event is bounded, though each of its lines is short`() {
    let text = String(repeating: "data: 1234567\n", count: bound / 8 + 1).bytes
    for chunks in Chunkings.of(text) {
      #expect(throws: EventStreamParser.TooLong(bound: bound)) { try ReadItem.read(chunks, bound: bound) }
    }
  }

  @Test func `many events may hold more than the bound together`() throws {
    let text = String(repeating: "data: 1234567\n\n", count: 100).bytes
    for chunks in Chunkings.of(text) { #expect(try ReadItem.read(chunks, bound: bound).count == 100) }
  }

  @Test func `a long comment counts as a line`() {
    let text = ":".bytes + [UInt8](repeating: 0x20, count: bound) + "\n".bytes
    #expect(throws: EventStreamParser.TooLong(bound: bound)) { try ReadItem.read([text], bound: bound) }
  }
}
