/// What matters of the head of a provider's HTTP response.
public struct ResponseHead: Equatable, Sendable {
  public var status = 0
  /// In lower case, without parameters.
  public var contentType = ""
  /// Whether there is a `Content-Encoding` without a registered coding: `none` and its like keep compressing proxies away
  /// from a stream.
  public var namesNoCoding = false
  /// Seconds after which the provider wants to be asked again, from the header that says so best.
  public private(set) var retryAfter: Double?

  /// The headers that tell it, the best one last.
  private enum RetryHeader: Int, Comparable {
    case none, reset, date, seconds, milliseconds

    static func < (a: RetryHeader, b: RetryHeader) -> Bool { a.rawValue < b.rawValue }
  }

  /// The one that `retryAfter` is of.
  private var retryHeader = RetryHeader.none
  /// The provider's clock; ours may differ.
  private var sentAt: Double?

  /// RFC 9110, section 8.4.1, and the two that came later.
  private static let codings: Set = ["gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"]

  public init() {}

  /// Takes one line of the head, with or without its line end. A status line starts a new head (100 Continue).
  /// - Parameter wallClock: seconds since 1970, for dates where the provider does not tell its own time.
  public mutating func consume(line: Span<UInt8>, wallClock: Double) {
    if line.holds("HTTP/", at: 0) {
      self = ResponseHead()
      status = Self.status(line)
      return
    }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":"), from: 0) else { return }
    let name = line.extracting(0..<colon)
    let rest = line.extracting(colon + 1..<line.count)
    let value = rest.extracting(rest.trimmed)
    if name.equalsIgnoringCase("content-type") {
      contentType = Self.mediaType(value)
    } else if name.equalsIgnoringCase("content-encoding") {
      let names = String(copying: value).lowercased().split { $0 == "," || $0 == " " || $0 == "\t" }
      namesNoCoding = !names.contains { Self.codings.contains(String($0)) }
    } else if status != 200 {
      readRetryTime(name, value, wallClock: wallClock)
    }
  }

  /// It means nothing in a good answer.
  private mutating func readRetryTime(_ name: Span<UInt8>, _ value: Span<UInt8>, wallClock: Double) {
    if name.equalsIgnoringCase("date") {
      sentAt = RetryTime.epochSeconds(String(copying: value))
    } else if name.equalsIgnoringCase("retry-after-ms") {
      if let number = RetryTime.number(String(copying: value)), number > 0 { note(number / 1000, .milliseconds) }
    } else if name.equalsIgnoringCase("retry-after") {
      let text = String(copying: value)
      if let number = RetryTime.number(text) {
        note(max(0, number), .seconds)
      } else if let then = RetryTime.epochSeconds(text) {
        note(max(0, then - (sentAt ?? wallClock)), .date)
      }
    } else if name.equalsIgnoringCase("x-ratelimit-reset") {
      if let time = RetryTime.reset(String(copying: value), now: sentAt ?? wallClock) { note(time, .reset) }
    }
  }

  private mutating func note(_ seconds: Double, _ header: RetryHeader) {
    if header >= retryHeader { (retryAfter, retryHeader) = (seconds, header) }
  }

  /// The three digits behind the version; 0 where they are none.
  private static func status(_ line: Span<UInt8>) -> Int {
    guard let space = line.firstIndex(of: 0x20, from: 0) else { return 0 }
    var (status, index) = (0, space)
    while index < line.count, line[index] == 0x20 { index += 1 }
    for digit in index..<min(index + 3, line.count) {
      guard line[digit] &- 48 < 10 else { return 0 }
      status = status * 10 + Int(line[digit] - 48)
    }
    return status
  }

  /// In lower case, without parameters.
  private static func mediaType(_ value: Span<UInt8>) -> String {
    var end = 0
    while end < value.count, value[end] != UInt8(ascii: ";"), value[end] != 0x20 { end += 1 }
    let type = value.extracting(0..<end)
    // A literal, so that an open stream holds no text of its own.
    return type.equalsIgnoringCase("text/event-stream") ? "text/event-stream" : String(copying: type).lowercased()
  }
}

/// The spellings in which providers tell when to come back.
enum RetryTime {
  /// A decimal number; Swift reads hexadecimal ones and `inf` as well.
  static func number(_ text: String) -> Double? {
    text.allSatisfy { $0.isASCII && ($0.isNumber || ".-+eE".contains($0)) }
      ? Double(text).flatMap { $0.isFinite ? $0 : nil } : nil
  }

  /// `34s`, `48.9s`, `120ms`, `6m0s`, `1h2m`.
  static func seconds(_ text: String) -> Double? {
    var total = 0.0
    var rest = text[...]
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
      guard let number = Double(digits) else { return nil }
      rest = rest.dropFirst(digits.count)
      let unit = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(unit.count)
      switch unit {
      case "ms": total += number / 1000
      case "s": total += number
      case "m": total += number * 60
      case "h": total += number * 3600
      default: return nil
      }
    }
    return text.isEmpty ? nil : total
  }

  /// `X-Ratelimit-Reset`: milliseconds or seconds since 1970, or seconds or a duration from now.
  static func reset(_ text: String, now: Double) -> Double? {
    guard let number = number(text) else { return seconds(text) }
    if number > 1e11 { return max(0, number / 1000 - now) }
    if number > 1e8 { return max(0, number - now) }
    return max(0, number)
  }

  /// An HTTP date (RFC 9110, section 5.6.7, the preferred form) as seconds since 1970.
  static func epochSeconds(_ text: String) -> Double? {
    let words = text.split { $0 == " " || $0 == ":" || $0 == "," }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    guard words.count == 8, words[7] == "GMT", let day = Int(words[1]), let year = Int(words[3]),
      let month = months.firstIndex(of: String(words[2])), let hour = Int(words[4]), let minute = Int(words[5]),
      let second = Int(words[6]), (1...31).contains(day), (1970...9999).contains(year), (0...23).contains(hour),
      (0...59).contains(minute), (0...60).contains(second)
    else { return nil }
    // Days from the civil calendar, the year beginning in March so that the leap day comes last.
    let shifted = month < 2 ? year - 1 : year
    let monthFromMarch = (month + 10) % 12
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (monthFromMarch * 153 + 2) / 5 + day
    return Double((days - 719_469) * 86400 + hour * 3600 + minute * 60 + second)
  }
}
