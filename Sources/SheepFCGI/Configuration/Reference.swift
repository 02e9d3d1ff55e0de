/// Where a value is that does not stand in the configuration itself: `$NAME` or `file:/path`.
enum Reference {
  case variable(String)
  case file(path: String)

  /// What is wrong with a reference, and what to do. Never holds the value, nor a literal that was written instead.
  struct Invalid: Error, CustomStringConvertible {
    let description: String
  }

  /// Keys are short; a larger file is some other file.
  private static let limitBytes = 64 << 10

  /// Nil: `text` is a literal.
  init?(_ text: String) throws(Invalid) {
    if text.hasPrefix("$") {
      self = try .variable(Self.variableName(text.dropFirst()))
    } else if text.hasPrefix("file:") {
      let path = text.dropFirst(5)
      guard path.hasPrefix("/") else { throw Invalid(description: "names no absolute path; write file:/path") }
      self = .file(path: String(path))
    } else {
      return nil
    }
  }

  private static func variableName(_ name: Substring) throws(Invalid) -> String {
    let isName = name.utf8.enumerated().allSatisfy { index, byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"): true
      case UInt8(ascii: "0")...UInt8(ascii: "9"): index > 0
      default: false
      }
    }
    guard isName, !name.isEmpty else {
      throw Invalid(description: "begins with $ but names no variable; write $NAME, in letters, digits and _")
    }
    return String(name)
  }

  /// The value. Reads the file, without the newlines at its end.
  func value(_ environment: [String: String]) throws(Invalid) -> String {
    switch self {
    case .variable(let name):
      guard let value = environment[name], !value.isEmpty else {
        let state = environment[name] == nil ? "is not set" : "is empty"
        throw Invalid(description: "names the variable \(name), which \(state); set it where the program is started")
      }
      return try Self.checked(value, "the variable \(name)")
    case .file(let path):
      return try Self.checked(Self.read(path), "the file \(path)")
    }
  }

  private static func read(_ path: String) throws(Invalid) -> String {
    let text: String
    do {
      text = try FileContents.read(path, limitBytes: limitBytes)
    } catch {
      throw Invalid(description: "names the file \(path), which cannot be read: \(error.why)")
    }
    guard let end = text.unicodeScalars.lastIndex(where: { $0 != "\n" && $0 != "\r" }) else {
      throw Invalid(description: "names the file \(path), which is empty; write the value into it")
    }
    return String(text.unicodeScalars[...end])
  }

  /// Values travel in header lines, where a line break would begin another header.
  static func checked(_ value: String, _ origin: String) throws(Invalid) -> String {
    guard isHeaderValue(value) else {
      throw Invalid(
        description: "takes its value from \(origin), which holds a line break or another control character; "
          + "write the value alone, on one line")
    }
    return value
  }

  /// Whether a header line can carry `value` (RFC 9110, section 5.5).
  static func isHeaderValue(_ value: String) -> Bool {
    value.utf8.allSatisfy { ($0 >= 0x20 && $0 != 0x7f) || $0 == 0x09 }
  }
}
