import Testing

@testable import Streaming

struct WaitingLineTests {
  private final class Member {}
  private static func at(_ seconds: Double) -> Instant { Generation.at(seconds) }

  private func line(of members: [Member], at seconds: Double = 0) -> WaitingLine<Member> {
    var line = WaitingLine<Member>()
    for member in members { _ = line.append(member, at: Self.at(seconds)) }
    return line
  }

  @Test func `who came first goes first`() {
    let members = [Member(), Member(), Member()]
    var line = line(of: members)
    #expect(line.count == 3)
    for member in members { #expect(line.popFirst() === member) }
    #expect(line.popFirst() == nil && line.isEmpty)
  }

  @Test func `who comes is told the place`() {
    var line = WaitingLine<Member>()
    let members = [Member(), Member()]
    #expect(line.append(members[0], at: Self.at(0)) == 1)
    #expect(line.append(members[1], at: Self.at(0)) == 2)
    #expect(line.newsAt == nil)
  }

  @Test func `who leaves moves the others up, who are told after a second`() {
    let members = [Member(), Member(), Member()]
    var line = line(of: members)
    line.remove(members[1])
    #expect(line.newsAt == Self.at(1))
    #expect(line.takeNews(at: Self.at(0.9)).isEmpty)
    let news = line.takeNews(at: Self.at(1))
    #expect(news.count == 1 && news[0].member === members[2] && news[0].place == 2)
    #expect(line.newsAt == nil)
  }

  @Test func `of many moves within a second the last is told, once`() {
    let members = (0..<10).map { _ in Member() }
    var line = line(of: members)
    for _ in 0..<5 { _ = line.popFirst() }
    let news = line.takeNews(at: Self.at(1))
    #expect(news.map(\.place) == [1, 2, 3, 4, 5])
    _ = line.popFirst()
    #expect(line.takeNews(at: Self.at(1.5)).isEmpty)
    #expect(line.newsAt == Self.at(2))
    #expect(line.takeNews(at: Self.at(2)).map(\.place) == [1, 2, 3, 4])
  }

  @Test func `who is not there is no fault`() {
    var line = line(of: [Member()])
    line.remove(Member())
    #expect(line.count == 1)
  }
}
