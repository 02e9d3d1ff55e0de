import Glibc
import Testing

@testable import StreamBench

struct EventLoopsTests {
  @Test(arguments: [
    ([200], 2, 2.0), ([200, 0, 0], 2, 2), ([0, 100, 100, 4], 2, 1), ([150, 50], 2, 1.5), ([100, 100, 100, 100], 4, 1),
    ([80], 1, 1),
  ])
  func `the spread counts loops that idle as workers without any`(loops: [Int], workers: Int, spread: Double) {
    #expect(EventLoops.spread(loops, workers: workers) == spread)
  }

  @Test(arguments: [[], [0, 0]]) func `where nobody has any there is no spread`(loops: [Int]) {
    #expect(EventLoops.spread(loops, workers: 2) == nil)
  }

  @Test func `the descriptors of an epoll instance are counted, beside this thread too`() throws {
    let poller = try Poller()
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    let before = EventLoops(of: [getpid()]).descriptors.reduce(0, +)
    poller.add(ends[0], .read, slot: 0, turn: 0)
    poller.add(ends[1], .write, slot: 1, turn: 0)
    let loops = EventLoops(of: [getpid()])
    #expect(try #require(Aside { loops.descriptors }.value).reduce(0, +) == before + 2)
  }
}
