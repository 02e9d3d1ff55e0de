/// A reply of Redis, in version 2 of its protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/).
public enum RESPValue: Equatable, Sendable {
  case text(String)
  case error(String)
  case integer(Int)
  case list([RESPValue])
  case null
}

/// Finds replies in the bytes of a connection, in any chunking.
///
/// What we ask is answered in a few dozen bytes, so a reply that would be large is a fault of whoever sends it.
public struct RESPParser: Sendable {
  /// What came is no reply.
  public struct Malformed: Error, Equatable {}

  /// Bytes of one reply.
  public static let bound = 16 << 10
  private static let depthBound = 4

  private var input: [UInt8] = []
  /// Bytes at the front of `input` that are read.
  private var position = 0

  public init() {}

  public mutating func append(_ bytes: Span<UInt8>) {
    if position > 0 {
      input.removeSubrange(..<position)
      position = 0
    }
    input.append(bytes)
  }

  /// The next reply; nil: it has not come whole.
  public mutating func next() throws(Malformed) -> RESPValue? {
    var place = position
    guard let value = try value(at: &place, depth: 0) else {
      guard input.count - position <= Self.bound else { throw Malformed() }
      return nil
    }
    position = place
    return value
  }

  private func value(at place: inout Int, depth: Int) throws(Malformed) -> RESPValue? {
    guard depth < Self.depthBound else { throw Malformed() }
    guard place < input.count else { return nil }
    // Rubbish is known by its first byte, however long its line may come to be.
    let type = input[place]
    guard "+-:$*".utf8.contains(type) else { throw Malformed() }
    guard let line = try line(from: place + 1, next: &place) else { return nil }
    switch type {
    case UInt8(ascii: "+"): return .text(String(decoding: line, as: UTF8.self))
    case UInt8(ascii: "-"): return .error(String(decoding: line, as: UTF8.self))
    case UInt8(ascii: ":"): return .integer(try number(line))
    case UInt8(ascii: "$"): return try bulk(try number(line), at: &place)
    default: return try list(try number(line), at: &place, depth: depth)
    }
  }

  private func bulk(_ length: Int, at place: inout Int) throws(Malformed) -> RESPValue? {
    if length == -1 { return .null }
    guard (0...Self.bound).contains(length) else { throw Malformed() }
    guard input.count - place >= length + 2 else { return nil }
    guard input[place + length] == 0x0D, input[place + length + 1] == 0x0A else { throw Malformed() }
    defer { place += length + 2 }
    return .text(String(decoding: input[place..<place + length], as: UTF8.self))
  }

  private func list(_ count: Int, at place: inout Int, depth: Int) throws(Malformed) -> RESPValue? {
    if count == -1 { return .null }
    // The shortest element has three bytes.
    guard (0...Self.bound / 3).contains(count) else { throw Malformed() }
    var elements: [RESPValue] = []
    for _ in 0..<count {
      guard let element = try value(at: &place, depth: depth + 1) else { return nil }
      elements.append(element)
    }
    return .list(elements)
  }

  /// Up to the next CRLF; nil: that has not come.
  private func line(from start: Int, next place: inout Int) throws(Malformed) -> ArraySlice<UInt8>? {
    guard let end = input[start...].firstIndex(of: 0x0D) else { return nil }
    guard end + 1 < input.count else { return nil }
    guard input[end + 1] == 0x0A else { throw Malformed() }
    place = end + 2
    return input[start..<end]
  }

  private func number(_ line: ArraySlice<UInt8>) throws(Malformed) -> Int {
    guard line.count <= 20, let number = Int(String(decoding: line, as: UTF8.self)) else { throw Malformed() }
    return number
  }
}

/// A command as Redis takes it: an array of bulk strings.
enum RESPCommand {
  static func append(_ words: [String], to output: inout [UInt8]) {
    output.append("*\(words.count)\r\n")
    for word in words {
      output.append("$\(word.utf8.count)\r\n")
      output.append(word)
      output.append("\r\n")
    }
  }
}
