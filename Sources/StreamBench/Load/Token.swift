/// A token of the mock provider: `"<number>:<CLOCK_MONOTONIC ns>`, somewhere in an event's data.
struct Token: Equatable {
  let number: Int
  /// When the provider sent it.
  let sentAt: Int64

  /// The first token in an event's data; nil: there is none.
  ///
  /// - Parameter hint: where the opening quote of the last one lay. The JSON around the tokens of a stream rarely changes
  ///   its length, and this saves the search.
  static func find(in data: Span<UInt8>, hint: inout Int) -> Token? {
    if hint < data.count, data[hint] == quote, let token = read(data, hint + 1) { return token }
    var index = 0
    while index < data.count {
      if data[index] == quote, let token = read(data, index + 1) {
        hint = index
        return token
      }
      index += 1
    }
    return nil
  }

  private static let quote = UInt8(ascii: "\"")

  private static func read(_ data: Span<UInt8>, _ start: Int) -> Token? {
    var index = start
    guard let number = digits(data, &index), index < data.count, data[index] == UInt8(ascii: ":") else { return nil }
    index += 1
    // A time of less than a second after the machine's start is no time, but some other pair of numbers.
    guard let time = digits(data, &index), time >= 1_000_000_000 else { return nil }
    return Token(number: Int(number), sentAt: time)
  }

  private static func digits(_ data: Span<UInt8>, _ index: inout Int) -> Int64? {
    let start = index
    var value: Int64 = 0
    while index < data.count, index - start < 18, case let digit = data[index] &- UInt8(ascii: "0"), digit < 10 {
      value = value &* 10 &+ Int64(digit)
      index += 1
    }
    return index > start ? value : nil
  }
}
