/// Durations as the configuration writes them: a whole number and a unit.
enum DurationText {
  static let remedy = "write a whole number and its unit, like 10s, 500ms, 2m or 1h"
  /// Thirty days. What is longer is a slip of the pen, and none can overflow later sums.
  static let longest: Duration = .seconds(30 * 86_400)

  /// Nil: `text` is no duration, or a longer one than `longest`.
  static func parse(_ text: String) -> Duration? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int64(digits), number <= 30 * 86_400_000 else { return nil }
    let duration: Duration
    switch text[digits.endIndex...] {
    case "ms": duration = .milliseconds(number)
    case "s": duration = .seconds(number)
    case "m": duration = .seconds(number * 60)
    case "h": duration = .seconds(number * 3600)
    default: return nil
    }
    return duration <= longest ? duration : nil
  }
}
