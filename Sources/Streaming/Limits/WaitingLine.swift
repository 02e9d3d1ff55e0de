/// Who waits for a slot, first come first served, and which place each was told last.
public struct WaitingLine<Member: AnyObject> {
  private struct Entry {
    let member: Member
    /// Counted from 1.
    var told: Int
    var toldAt: Instant
  }

  /// Nobody is told a place more often than that.
  private static var interval: Duration { .seconds(1) }

  private var entries: [Entry] = []

  public init() {}

  public var count: Int { entries.count }
  public var isEmpty: Bool { entries.isEmpty }

  /// Returns its place, which it is to be told now.
  public mutating func append(_ member: Member, at now: Instant) -> Int {
    entries.append(Entry(member: member, told: entries.count + 1, toldAt: now))
    return entries.count
  }

  /// Whose turn it is.
  public mutating func popFirst() -> Member? {
    entries.isEmpty ? nil : entries.removeFirst().member
  }

  /// It waits no more. One that is not there is no fault.
  public mutating func remove(_ member: Member) {
    entries.removeAll { $0.member === member }
  }

  /// Who is to be told another place now.
  public mutating func takeNews(at now: Instant) -> [(member: Member, place: Int)] {
    var news: [(member: Member, place: Int)] = []
    for index in entries.indices where entries[index].told != index + 1 {
      guard entries[index].toldAt + Self.interval <= now else { continue }
      (entries[index].told, entries[index].toldAt) = (index + 1, now)
      news.append((entries[index].member, index + 1))
    }
    return news
  }

  /// When `takeNews` has some at the earliest, as things stand; nil: never.
  public var newsAt: Instant? {
    var earliest: Instant?
    for index in entries.indices where entries[index].told != index + 1 {
      earliest = Instant.earlier(earliest, entries[index].toldAt + Self.interval)
    }
    return earliest
  }
}
