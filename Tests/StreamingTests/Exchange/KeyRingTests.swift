import Testing

@testable import Streaming

struct KeyRingTests {
  private static func at(_ seconds: Double) -> Instant { Generation.at(seconds) }

  private func take(_ ring: inout KeyRing, _ count: Int, at seconds: Double = 0) -> [Int?] {
    (0..<count).map { _ in ring.take(at: Self.at(seconds)) }
  }

  @Test func `keys are used in turn`() {
    var ring = KeyRing(count: 3)
    #expect(take(&ring, 5) == [0, 1, 2, 0, 1])
  }

  @Test func `no key is none`() {
    var ring = KeyRing(count: 0)
    #expect(ring.take(at: Self.at(0)) == nil)
    #expect(!ring.hasFresh(at: Self.at(0)))
  }

  @Test(arguments: [
    (Verdict.keyRefused, 300), (.keyLimited(wish: nil), 30), (.keyLimited(wish: .seconds(5)), 5),
    (.keyLimited(wish: .seconds(86_400)), 3600),
  ])
  func `a key that was refused or limited rests`(verdict: Verdict, seconds: Double) {
    var ring = KeyRing(count: 2)
    ring.note(verdict, of: 0, at: Self.at(0))
    #expect(take(&ring, 3, at: seconds - 1) == [1, 1, 1])
    #expect(take(&ring, 2, at: seconds) == [0, 1])
  }

  @Test(arguments: [Verdict.transient(wish: .seconds(50)), .final])
  func `other failures are not the key's`(verdict: Verdict) {
    var ring = KeyRing(count: 2)
    ring.note(verdict, of: 0, at: Self.at(0))
    #expect(take(&ring, 2) == [0, 1])
  }

  @Test func `where all rest, the one that is back first is used`() {
    var ring = KeyRing(count: 3)
    ring.note(.keyRefused, of: 0, at: Self.at(0))
    ring.note(.keyLimited(wish: .seconds(9)), of: 1, at: Self.at(0))
    ring.note(.keyLimited(wish: nil), of: 2, at: Self.at(0))
    #expect(!ring.hasFresh(at: Self.at(1)))
    #expect(take(&ring, 2, at: 1) == [1, 1])
    #expect(ring.hasFresh(at: Self.at(9)))
  }
}
