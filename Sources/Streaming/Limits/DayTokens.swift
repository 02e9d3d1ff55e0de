/// Tokens of one day, which in UTC begins at midnight whatever the season. The library is told the time; it never asks.
public struct DayTokens: Equatable, Sendable {
  private static let secondsPerDay = 86_400

  private var day = 0
  private var tokens = 0

  public init() {}

  /// - Parameter wall: seconds since 1970.
  public static func day(of wall: Int) -> Int { wall / secondsPerDay }

  /// Until the next day.
  public static func rest(of wall: Int) -> Duration { .seconds(secondsPerDay - wall % secondsPerDay) }

  /// Those of the day of `wall`.
  public func used(at wall: Int) -> Int { Self.day(of: wall) == day ? tokens : 0 }

  /// Those of a stream count for the day on which it ends.
  public mutating func add(_ count: Int, at wall: Int) {
    tokens = used(at: wall) + count
    day = Self.day(of: wall)
  }
}
