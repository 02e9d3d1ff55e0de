/// What matters of the head of a provider's HTTP response.
public struct ResponseHead: Equatable, Sendable {
  public var status = 0
  /// In lower case, without parameters.
  public var contentType = ""
  /// Whether there is a `Content-Encoding` without a registered coding: `none` and its like keep compressing proxies away
  /// from a stream.
  public var namesNoCoding = false
  /// Seconds after which the provider wants to be asked again, from the header that says so best.
  public var retryAfter: Double? { milliseconds.map { $0 / 1000 } ?? seconds ?? date ?? reset }

  private var milliseconds: Double?
  private var seconds: Double?
  private var date: Double?
  private var reset: Double?
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
      let words = String(copying: line).split(separator: " ", maxSplits: 2)
      status = words.count > 1 ? Int(words[1].prefix(3)) ?? 0 : 0
      return
    }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":"), from: 0) else { return }
    let value = line.extracting(colon + 1..<line.count)
    let text = String(copying: value.extracting(value.trimmed))
    switch String(copying: line.extracting(0..<colon)).lowercased() {
    case "content-type":
      contentType = String(text.lowercased().prefix { $0 != ";" && $0 != " " })
    case "content-encoding":
      let names = text.lowercased().split { $0 == "," || $0 == " " || $0 == "\t" }
      namesNoCoding = !names.contains { Self.codings.contains(String($0)) }
    case "date": sentAt = RetryTime.epochSeconds(text)
    case "retry-after-ms":
      if let number = RetryTime.number(text), number > 0 { milliseconds = number }
    case "retry-after":
      if let number = RetryTime.number(text) {
        seconds = max(0, number)
      } else if let then = RetryTime.epochSeconds(text) {
        date = max(0, then - (sentAt ?? wallClock))
      }
    case "x-ratelimit-reset": reset = RetryTime.reset(text, now: sentAt ?? wallClock)
    default: break
    }
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
