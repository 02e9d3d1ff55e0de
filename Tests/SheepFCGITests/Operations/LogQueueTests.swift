import Glibc
import Streaming
import Testing

@testable import SheepFCGI

/// Lines that are lost are counted from the start on, whether they are told or not.
@Suite struct LogQueueTests {
  private func queue(to path: String) throws -> LogQueue {
    try LogQueue(to: LogDestination(Settings.Log(to: .file(path: path))))
  }

  @Test func whatADiskDoesNotTakeIsCounted() throws {
    let queue = try queue(to: "/dev/full")
    for number in 0..<10 { queue.append(LogLine(level: "info", "line \(number)")) }
    let limit = Clock.now() + .seconds(30)
    while queue.lostCount < 10, Clock.now() < limit { usleep(1000) }
    #expect(queue.lostCount == 10)
    queue.close()
  }

  @Test func whatIsWrittenIsNot() throws {
    let queue = try queue(to: "/dev/null")
    for number in 0..<10 { queue.append(LogLine(level: "info", "line \(number)")) }
    queue.close()
    #expect(queue.lostCount == 0)
  }

  @Test func whatFindsNoRoomIsCountedAtOnce() throws {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    // It stays open: the thread may write to it for as long as the process lives.
    // F_SETPIPE_SZ, which Glibc's module hides.
    _ = fcntl(ends[1], 1031, 4096)
    let queue = try queue(to: "/proc/self/fd/\(ends[1])")
    for number in 0..<9000 { queue.append(LogLine(level: "info", "line \(number)")) }
    // Nobody reads: what the pipe and the queue hold is not lost, all the rest is.
    #expect((9000 - 8192 - 100...9000 - 8192).contains(queue.lostCount))
  }
}
