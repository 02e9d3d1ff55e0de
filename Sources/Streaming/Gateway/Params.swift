/// The CGI parameters of one request (RFC 3875, section 4.1), as FastCGI or SCGI brought them.
public struct Params: Sendable {
  private var bytes: [UInt8]
  private var entries: [(name: Range<Int>, value: Range<Int>)] = []

  /// The bytes are no list of names and values.
  public struct Malformed: Error, Equatable {}

  public init() {
    bytes = []
  }

  /// FastCGI's name-value pairs (specification, section 3.4): lengths of one byte, or of four with the high bit set.
  public init(fastCGI bytes: [UInt8]) throws(Malformed) {
    self.bytes = bytes
    // What nginx's own list comes to.
    entries.reserveCapacity(24)
    var position = 0
    func length() throws(Malformed) -> Int {
      guard position < bytes.count else { throw Malformed() }
      let first = Int(bytes[position])
      if first < 0x80 {
        position += 1
        return first
      }
      guard position + 4 <= bytes.count else { throw Malformed() }
      defer { position += 4 }
      return (first & 0x7F) << 24 | Int(bytes[position + 1]) << 16 | Int(bytes[position + 2]) << 8
        | Int(bytes[position + 3])
    }
    while position < bytes.count {
      let name = try length()
      let value = try length()
      guard name + value <= bytes.count - position else { throw Malformed() }
      entries.append((position..<position + name, position + name..<position + name + value))
      position += name + value
    }
  }

  /// SCGI's headers: names and values, each ended by a NUL.
  public init(scgi bytes: [UInt8]) throws(Malformed) {
    self.bytes = bytes
    var position = 0
    func text() throws(Malformed) -> Range<Int> {
      guard let end = bytes.span.firstIndex(of: 0, from: position) else { throw Malformed() }
      defer { position = end + 1 }
      return position..<end
    }
    while position < bytes.count {
      let name = try text()
      entries.append((name, try text()))
    }
  }

  /// The value of a parameter; an empty one counts as absent. Of several the last counts, as in PHP: so a site's line
  /// after an include has its way. Broken UTF-8 becomes U+FFFD.
  public subscript(_ name: StaticString) -> String? {
    guard let value = raw(name), !value.isEmpty else { return nil }
    return String(decoding: value, as: UTF8.self)
  }

  /// The same, for a name that a setting tells.
  public func value(of name: String) -> String? {
    let name = Array(name.utf8)
    for (entry, value) in entries.reversed() where bytes[entry].elementsEqual(name) {
      return value.isEmpty ? nil : String(decoding: bytes[value], as: UTF8.self)
    }
    return nil
  }

  /// The bytes of a parameter, as they came.
  func raw(_ name: StaticString) -> ArraySlice<UInt8>? {
    let length = name.utf8CodeUnitCount
    for index in entries.indices.reversed() where entries[index].name.count == length {
      if bytes.span.holds(name, at: entries[index].name.lowerBound) { return bytes[entries[index].value] }
    }
    return nil
  }

  /// For tests and for FCGI_GET_VALUES.
  var names: [String] { entries.map { String(decoding: bytes[$0.name], as: UTF8.self) } }
}
