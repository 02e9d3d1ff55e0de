import Glibc

// What the parsers need of bytes and the standard library does not have yet.

extension Span<UInt8> {
  /// The first place of `byte` at or after `start`.
  func firstIndex(of byte: UInt8, from start: Int) -> Int? {
    guard start < count else { return nil }
    return withUnsafeBufferPointer { buffer -> Int? in
      guard let base = buffer.baseAddress, let found = memchr(base + start, Int32(byte), buffer.count - start) else {
        return nil
      }
      return UnsafeRawPointer(base).distance(to: UnsafeRawPointer(found))
    }
  }

  /// Whether `word` stands at `start`.
  func holds(_ word: StaticString, at start: Int) -> Bool {
    let length = word.utf8CodeUnitCount
    guard start >= 0, start + length <= count else { return false }
    return withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return length == 0 }
      return memcmp(base + start, word.utf8Start, length) == 0
    }
  }

  /// Whether this is exactly `word`.
  func equals(_ word: StaticString) -> Bool {
    count == word.utf8CodeUnitCount && holds(word, at: 0)
  }

  /// Whether this is `word`, which is in lower case, in whatever case of ASCII.
  func equalsIgnoringCase(_ word: StaticString) -> Bool {
    guard count == word.utf8CodeUnitCount else { return false }
    for index in indices {
      let byte = self[index]
      let isCapital = byte &- UInt8(ascii: "A") < 26
      guard (isCapital ? byte | 0x20 : byte) == word.utf8Start[index] else { return false }
    }
    return true
  }

  /// The first place at or after `start` that is no plain inside of a JSON string: a quote, a backslash, a control byte
  /// or a byte beyond ASCII; else `count`.
  @inline(__always)
  func plainStringEnd(from start: Int) -> Int {
    var index = start
    // Eight bytes at a time: a byte's highest bit tells of each what it is, and the lowest that is set is right.
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    while index + 8 <= count {
      let word = UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
      let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
      let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
      let control = (word &- (ones &* 0x20)) & ~word
      let found = (word | control | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash) & highs
      guard found == 0 else { return index + found.trailingZeroBitCount / 8 }
      index += 8
    }
    while index < count {
      let byte = self[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 || byte >= 0x80 { return index }
      index += 1
    }
    return count
  }

  func allSatisfy(_ condition: (UInt8) -> Bool) -> Bool {
    for index in indices where !condition(self[index]) { return false }
    return true
  }

  /// The same bytes without white space at either end.
  var trimmed: Range<Int> {
    var lower = 0
    var upper = count
    while lower < upper, self[lower].isSpace { lower += 1 }
    while upper > lower, self[upper - 1].isSpace { upper -= 1 }
    return lower..<upper
  }
}

extension String {
  /// The text of UTF-8 bytes; what is broken becomes U+FFFD.
  public init(copying bytes: Span<UInt8>) {
    self = bytes.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
  }
}

extension [UInt8] {
  public init(copying bytes: Span<UInt8>) {
    self = bytes.withUnsafeBufferPointer { Array($0) }
  }

  public mutating func append(_ bytes: Span<UInt8>) {
    bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
  }

  public mutating func append(_ text: StaticString) {
    append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  // Disfavoured: a literal is to be taken for what it is above, which costs nothing to look into.
  @_disfavoredOverload
  public mutating func append(_ text: String) {
    append(text.utf8.span)
  }

  /// Appends the decimal digits, with zeros in front where there are fewer than `width`.
  public mutating func append(decimal number: Int, width: Int = 1) {
    if number < 0 { append(UInt8(ascii: "-")) }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Swift.max(width, 20)) { digits in
      var (rest, start) = (number.magnitude, digits.count)
      while rest > 0 || start > digits.count - width {
        start -= 1
        digits.initializeElement(at: start, to: UInt8(ascii: "0") + UInt8(rest % 10))
        rest /= 10
      }
      append(contentsOf: digits[start...])
    }
  }
}

extension UInt8 {
  var hexDigit: UInt8? {
    switch self {
    case 48...57: return self - 48
    case 65...70: return self - 55
    case 97...102: return self - 87
    default: return nil
    }
  }

  var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}

/// Well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.
enum UTF8Sequence {
  /// The length of the sequence of two to four bytes that starts at `index`; nil where it is broken.
  static func length(in bytes: Span<UInt8>, at index: Int) -> Int? {
    let first = bytes[index]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch first {
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: return nil
    }
    guard index + length <= bytes.count, second.contains(bytes[index + 1]) else { return nil }
    for place in index + 2..<index + length where bytes[place] & 0xC0 != 0x80 { return nil }
    return length
  }

  /// Whether all of it is UTF-8.
  static func isValid(_ bytes: Span<UInt8>) -> Bool {
    var index = 0
    while index < bytes.count {
      if bytes[index] < 0x80 {
        index += 1
      } else if let length = length(in: bytes, at: index) {
        index += length
      } else {
        return false
      }
    }
    return true
  }
}
