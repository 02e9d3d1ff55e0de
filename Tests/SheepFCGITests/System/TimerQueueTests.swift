import Streaming
import Testing

@testable import SheepFCGI

struct TimerQueueTests {
  @Test func `whatever is put in, moved or taken out, the earliest deadline is known and comes first`() {
    let queue = TimerQueue()
    let timers = (0..<50).map { _ in Timer { _ in } }
    var deadlines: [ObjectIdentifier: Int64] = [:]
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let timer = timers.randomElement(using: &random) ?? timers[0]
      let at = Int64.random(in: 1...1000, using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0:
        queue.schedule(timer, at: Instant(nanoseconds: at))
        deadlines[ObjectIdentifier(timer)] = at
      case 1:
        queue.cancel(timer)
        deadlines[ObjectIdentifier(timer)] = nil
      default:
        let due = queue.due(at: Instant(nanoseconds: at))
        let least = deadlines.values.min().flatMap { $0 <= at ? $0 : nil }
        #expect(due.flatMap { deadlines.removeValue(forKey: ObjectIdentifier($0)) } == least)
      }
      #expect(queue.next?.nanoseconds == deadlines.values.min())
    }
  }
}
