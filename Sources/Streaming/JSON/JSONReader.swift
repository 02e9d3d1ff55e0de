/// A pull reader over one JSON text (RFC 8259) that copies nothing.
///
/// It checks what it passes over as strictly as what it returns: grammar, UTF-8, and no raw control bytes in strings.
/// Strings come back as `JSONLiteral`: a place in the bytes that may be copied into other JSON as it stands.
public struct JSONReader: ~Escapable {
  public let bytes: Span<UInt8>
  public private(set) var position: Int
  /// True between an opening bracket and its first member, where no comma stands.
  private var atFirstMember = false
  private var depth = 0

  public enum Kind { case object, array, string, number, boolean, null }

  /// The text is no JSON; `offset` is the byte at which that showed.
  public struct Malformed: Error, Equatable {
    public var offset: Int
  }

  /// Nesting beyond which a text is taken for an attack on the stack.
  static let depthBound = 200

  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>, at position: Int = 0) {
    self.bytes = bytes
    self.position = position
  }

  // MARK: Structure

  /// What comes next; nothing is consumed but white space.
  @_lifetime(self: copy self)
  public mutating func peek() throws(Malformed) -> Kind {
    switch try nextByte() {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
    case UInt8(ascii: "n"): return .null
    default: return .number
    }
  }

  @_lifetime(self: copy self)
  public mutating func enterObject() throws(Malformed) {
    try enter(UInt8(ascii: "{"))
  }

  /// The next member's name, with the reader at its value; nil past the closing brace.
  @_lifetime(self: copy self)
  public mutating func nextMember() throws(Malformed) -> JSONLiteral? {
    guard try continues(until: UInt8(ascii: "}")) else { return nil }
    let name = try string()
    try expect(UInt8(ascii: ":"))
    return name
  }

  @_lifetime(self: copy self)
  public mutating func enterArray() throws(Malformed) {
    try enter(UInt8(ascii: "["))
  }

  /// True with the reader at the next element; false past the closing bracket.
  @_lifetime(self: copy self)
  public mutating func nextElement() throws(Malformed) -> Bool {
    try continues(until: UInt8(ascii: "]"))
  }

  /// Reads an object member by member: `body` gets each name with the reader at its value, which it must read or skip.
  /// Any other value is passed over.
  @_lifetime(self: copy self)
  public mutating func readObject(
    _ body: (_ name: JSONLiteral, _ json: inout JSONReader) throws(Malformed) -> Void
  ) throws(Malformed) {
    guard try peek() == .object else {
      try skip()
      return
    }
    try enterObject()
    while let name = try nextMember() { try body(name, &self) }
  }

  /// Reads an array element by element, each of which `body` must read or skip. Any other value is passed over.
  @_lifetime(self: copy self)
  public mutating func readArray(
    _ body: (_ json: inout JSONReader) throws(Malformed) -> Void
  ) throws(Malformed) {
    guard try peek() == .array else {
      try skip()
      return
    }
    try enterArray()
    while try nextElement() { try body(&self) }
  }

  /// Nothing but white space may follow.
  @_lifetime(self: copy self)
  public mutating func end() throws(Malformed) {
    skipSpace()
    guard position == bytes.count else { throw Malformed(offset: position) }
  }

  // MARK: Values

  @_lifetime(self: copy self)
  public mutating func string() throws(Malformed) -> JSONLiteral {
    try expect(UInt8(ascii: "\""))
    let start = position
    var hasEscapes = false
    while true {
      position = bytes.plainStringEnd(from: position)
      guard position < bytes.count else { break }
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        defer { position += 1 }
        return JSONLiteral(range: start..<position, hasEscapes: hasEscapes)
      }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        try passEscape()
      } else if byte < 0x20 {
        throw Malformed(offset: position)
      } else {
        guard let length = UTF8Sequence.length(in: bytes, at: position) else { throw Malformed(offset: position) }
        position += length
      }
    }
    throw Malformed(offset: position)
  }

  /// A string, or nil for `null` and for any other value, which is passed over.
  @_lifetime(self: copy self)
  public mutating func stringOrSkip() throws(Malformed) -> JSONLiteral? {
    if try peek() == .string { return try string() }
    try skip()
    return nil
  }

  /// A string with something in it, or nil as above.
  @_lifetime(self: copy self)
  public mutating func nonemptyOrSkip() throws(Malformed) -> JSONLiteral? {
    try stringOrSkip().flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Where an object with something in it stands; nil for an empty one and for any other value, which are passed over.
  @_lifetime(self: copy self)
  public mutating func filledObjectOrSkip() throws(Malformed) -> Range<Int>? {
    let isObject = try peek() == .object
    let range = try skip()
    let isEmpty = bytes.extracting(range.dropFirst().dropLast()).allSatisfy(\.isSpace)
    return isObject && !isEmpty ? range : nil
  }

  /// A whole number; nil for any other value, which is passed over.
  @_lifetime(self: copy self)
  public mutating func integerOrSkip() throws(Malformed) -> Int? {
    guard try peek() == .number else {
      try skip()
      return nil
    }
    return JSONNumber.integer(bytes, in: try number())
  }

  /// True or false; nil for any other value, which is passed over.
  @_lifetime(self: copy self)
  public mutating func boolOrSkip() throws(Malformed) -> Bool? {
    let kind = try peek()
    let isTrue = bytes[position] == UInt8(ascii: "t")
    try skip()
    return kind == .boolean ? isTrue : nil
  }

  /// Where the number stands.
  @_lifetime(self: copy self)
  public mutating func number() throws(Malformed) -> Range<Int> {
    _ = try nextByte()
    guard let end = JSONNumber.end(in: bytes, from: position) else { throw Malformed(offset: position) }
    defer { position = end }
    return position..<end
  }

  /// Passes over one value and returns where it stands.
  @discardableResult
  @_lifetime(self: copy self)
  public mutating func skip() throws(Malformed) -> Range<Int> {
    skipSpace()
    let start = position
    switch try peek() {
    case .object:
      try enterObject()
      while try nextMember() != nil { try skip() }
    case .array:
      try enterArray()
      while try nextElement() { try skip() }
    case .string: _ = try string()
    case .number: _ = try number()
    case .boolean: try pass(bytes[position] == UInt8(ascii: "t") ? "true" : "false")
    case .null: try pass("null")
    }
    return start..<position
  }

  // MARK: Bytes

  @_lifetime(self: copy self)
  @inline(__always)
  private mutating func skipSpace() {
    while position < bytes.count, bytes[position] <= 0x20 {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  @_lifetime(self: copy self)
  @inline(__always)
  private mutating func nextByte() throws(Malformed) -> UInt8 {
    skipSpace()
    guard position < bytes.count else { throw Malformed(offset: position) }
    return bytes[position]
  }

  @_lifetime(self: copy self)
  @inline(__always)
  private mutating func expect(_ byte: UInt8) throws(Malformed) {
    guard try nextByte() == byte else { throw Malformed(offset: position) }
    position += 1
  }

  /// Readers of nested values call themselves, so the depth is bounded for them too, not for `skip` alone.
  @_lifetime(self: copy self)
  private mutating func enter(_ bracket: UInt8) throws(Malformed) {
    try expect(bracket)
    guard depth < Self.depthBound else { throw Malformed(offset: position) }
    depth += 1
    atFirstMember = true
  }

  @_lifetime(self: copy self)
  private mutating func continues(until close: UInt8) throws(Malformed) -> Bool {
    let byte = try nextByte()
    if byte == close {
      position += 1
      atFirstMember = false
      depth -= 1
      return false
    }
    if atFirstMember {
      atFirstMember = false
    } else {
      try expect(UInt8(ascii: ","))
    }
    return true
  }

  @_lifetime(self: copy self)
  private mutating func pass(_ word: StaticString) throws(Malformed) {
    guard bytes.holds(word, at: position) else { throw Malformed(offset: position) }
    position += word.utf8CodeUnitCount
  }

  @_lifetime(self: copy self)
  private mutating func passEscape() throws(Malformed) {
    guard position + 1 < bytes.count else { throw Malformed(offset: position) }
    switch bytes[position + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 2
    case UInt8(ascii: "u"):
      guard position + 6 <= bytes.count else { throw Malformed(offset: position) }
      for index in position + 2..<position + 6 where bytes[index].hexDigit == nil {
        throw Malformed(offset: index)
      }
      position += 6
    default: throw Malformed(offset: position)
    }
  }
}

/// The inside of a checked JSON string: what stands between its quotes.
public struct JSONLiteral: Equatable, Sendable {
  /// Four bytes each, as every open stream holds the last event's literals; no text that is read comes near 4 GiB.
  private let start: UInt32
  private let end: UInt32
  /// False: the bytes are the text.
  public let hasEscapes: Bool

  public init(range: Range<Int>, hasEscapes: Bool) {
    start = UInt32(range.lowerBound)
    end = UInt32(range.upperBound)
    self.hasEscapes = hasEscapes
  }

  public var range: Range<Int> { Int(start)..<Int(end) }

  public var isEmpty: Bool { range.isEmpty }

  /// The text. A lone surrogate becomes U+FFFD.
  public func text(in bytes: Span<UInt8>) -> String {
    let raw = bytes.extracting(range)
    return hasEscapes ? JSONEscaping.decode(raw) : String(copying: raw)
  }

  /// Whether this is that ASCII word; escapes are seen through. A name is held against many words, and most differ in
  /// their length or their first byte.
  @inline(__always)
  public func equals(_ word: StaticString, in bytes: Span<UInt8>) -> Bool {
    if !hasEscapes {
      guard range.count == word.utf8CodeUnitCount, range.isEmpty || bytes[range.lowerBound] == word.utf8Start[0] else {
        return false
      }
    }
    return hasSameBytes(as: word, in: bytes)
  }

  @inline(never)
  private func hasSameBytes(as word: StaticString, in bytes: Span<UInt8>) -> Bool {
    if hasEscapes { return text(in: bytes) == word.description }
    return bytes.holds(word, at: range.lowerBound)
  }
}

/// The grammar of a JSON number.
enum JSONNumber {
  /// The end of the number that starts there; nil where none does.
  static func end(in bytes: Span<UInt8>, from start: Int) -> Int? {
    var index = start
    func digits() -> Bool {
      let first = index
      while index < bytes.count, bytes[index] &- 48 < 10 { index += 1 }
      return index > first
    }
    if index < bytes.count, bytes[index] == UInt8(ascii: "-") { index += 1 }
    let leadingZero = index < bytes.count && bytes[index] == UInt8(ascii: "0")
    let whole = index
    guard digits(), !leadingZero || index == whole + 1 else { return nil }
    if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
      index += 1
      guard digits() else { return nil }
    }
    if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") {
      index += 1
      if index < bytes.count, bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-") { index += 1 }
      guard digits() else { return nil }
    }
    return index
  }

  /// The value where it is whole and fits; `12.0` is whole.
  static func integer(_ bytes: Span<UInt8>, in range: Range<Int>) -> Int? {
    // Up to 18 digits fit for certain.
    if range.count <= 18, bytes.extracting(range).allSatisfy({ $0 &- 48 < 10 }) {
      return range.reduce(0) { $0 * 10 + Int(bytes[$1] - 48) }
    }
    let text = String(copying: bytes.extracting(range))
    return Int(text) ?? Double(text).flatMap { Int(exactly: $0) }
  }
}
