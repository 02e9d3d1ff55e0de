/// Writes JSON member by member, with the commas where they belong.
public struct JSONBuilder {
  public private(set) var bytes: [UInt8] = []
  /// True where the next member or element needs no comma before it.
  private var isFirst = true

  /// - Parameter capacity: bytes that are expected.
  public init(capacity: Int = 0) {
    bytes.reserveCapacity(capacity)
  }

  public mutating func object(_ body: (inout JSONBuilder) -> Void) {
    nest(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
  }

  public mutating func array(_ body: (inout JSONBuilder) -> Void) {
    nest(UInt8(ascii: "["), UInt8(ascii: "]"), body)
  }

  /// The name of a member, whose value comes next.
  public mutating func name(_ name: String) {
    separate()
    JSONEscaping.append(name, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    isFirst = true
  }

  public mutating func string(_ text: String) {
    separate()
    JSONEscaping.append(text, to: &bytes)
  }

  /// JSON as it stands: a number, `true`, or a text that was checked before.
  public mutating func raw(_ text: some Sequence<UInt8>) {
    separate()
    bytes.append(contentsOf: text)
  }

  public mutating func object(_ name: String, _ body: (inout JSONBuilder) -> Void) {
    self.name(name)
    object(body)
  }

  public mutating func array(_ name: String, _ body: (inout JSONBuilder) -> Void) {
    self.name(name)
    array(body)
  }

  public mutating func string(_ name: String, _ text: String) {
    self.name(name)
    string(text)
  }

  public mutating func raw(_ name: String, _ text: some Sequence<UInt8>) {
    self.name(name)
    raw(text)
  }

  private mutating func nest(_ open: UInt8, _ close: UInt8, _ body: (inout JSONBuilder) -> Void) {
    separate()
    bytes.append(open)
    isFirst = true
    body(&self)
    bytes.append(close)
    isFirst = false
  }

  private mutating func separate() {
    if !isFirst { bytes.append(UInt8(ascii: ",")) }
    isFirst = false
  }
}
