/// Reads one file of nginx's configuration into directives, by the rules of nginx's own reader (ngx_conf_file.c).
struct NginxParser {
  private enum Token: Equatable {
    case word(String)
    case semicolon, open, close
  }

  private let bytes: [UInt8]
  private let file: String
  private var position = 0
  private var line = 1

  /// - Parameter file: for places.
  static func parse(_ text: String, of file: String) throws(NginxConfiguration.Invalid) -> [NginxDirective] {
    var parser = NginxParser(bytes: Array(text.utf8), file: file)
    return try parser.block(isMain: true)
  }

  private init(bytes: [UInt8], file: String) {
    self.bytes = bytes
    self.file = file
  }

  private var place: String { "\(file):\(line)" }

  private mutating func block(isMain: Bool) throws(NginxConfiguration.Invalid) -> [NginxDirective] {
    var directives: [NginxDirective] = []
    var words: [String] = []
    var start = ""
    while let token = try next() {
      switch token {
      case .word(let word):
        if words.isEmpty { start = place }
        words.append(word)
      case .semicolon, .open:
        guard let name = words.first else { throw invalid("'\(token == .open ? "{" : ";")' without a directive") }
        var inner: [NginxDirective]?
        if token == .open {
          if name.hasSuffix("_by_lua_block") {
            try skipLua()
            inner = []
          } else {
            inner = try block(isMain: false)
          }
        }
        directives.append(
          NginxDirective(name: name, arguments: Array(words.dropFirst()), block: inner, place: start))
        words = []
      case .close:
        guard !isMain else { throw invalid("'}' without its '{'") }
        guard words.isEmpty else { throw invalid("'\(words[0])' has no ';'") }
        return directives
      }
    }
    guard words.isEmpty else { throw invalid("'\(words[0])' has no ';'") }
    guard isMain else { throw invalid("a '{' has no '}'") }
    return directives
  }

  private func invalid(_ text: String) -> NginxConfiguration.Invalid {
    NginxConfiguration.Invalid(description: "\(place): \(text)")
  }

  // MARK: Tokens

  private mutating func next() throws(NginxConfiguration.Invalid) -> Token? {
    skipSpace()
    guard position < bytes.count else { return nil }
    switch bytes[position] {
    case UInt8(ascii: ";"):
      position += 1
      return .semicolon
    case UInt8(ascii: "{"):
      position += 1
      return .open
    case UInt8(ascii: "}"):
      position += 1
      return .close
    case UInt8(ascii: "\""), UInt8(ascii: "'"): return .word(try quoted())
    default: return .word(word())
    }
  }

  /// Spaces, and comments, which begin only where a word could.
  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x0A: line += 1
      case 0x20, 0x09, 0x0D: break
      case UInt8(ascii: "#"):
        while position < bytes.count, bytes[position] != 0x0A { position += 1 }
        continue
      default: return
      }
      position += 1
    }
  }

  private mutating func quoted() throws(NginxConfiguration.Invalid) -> String {
    let quote = bytes[position]
    position += 1
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == quote { return String(decoding: text, as: UTF8.self) }
      if byte == 0x0A { line += 1 }
      if byte == UInt8(ascii: "\\") { unescape(into: &text) } else { text.append(byte) }
    }
    throw invalid("a quote has no end")
  }

  /// A word ends at a space, a semicolon or a brace, but for that of `${name}`.
  private mutating func word() -> String {
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case 0x20, 0x09, 0x0D, 0x0A, UInt8(ascii: ";"): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "{") where text.last != UInt8(ascii: "$"): return String(decoding: text, as: UTF8.self)
      default: break
      }
      position += 1
      if byte == UInt8(ascii: "\\") { unescape(into: &text) } else { text.append(byte) }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// What follows a backslash; before any other byte than these it stays, as regular expressions need it.
  private mutating func unescape(into text: inout [UInt8]) {
    guard position < bytes.count else { return text.append(UInt8(ascii: "\\")) }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"): text.append(byte)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "n"): text.append(0x0A)
    default:
      if byte == 0x0A { line += 1 }
      text += [UInt8(ascii: "\\"), byte]
    }
  }

  /// The block holds Lua, in which nothing is a directive: only its braces outside of strings and comments count.
  private mutating func skipLua() throws(NginxConfiguration.Invalid) {
    var depth = 1
    var quote: UInt8?
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == 0x0A { line += 1 }
      if let open = quote {
        if byte == UInt8(ascii: "\\") { position += 1 } else if byte == open { quote = nil }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "'"): quote = byte
      case UInt8(ascii: "-") where position < bytes.count && bytes[position] == byte:
        while position < bytes.count, bytes[position] != 0x0A { position += 1 }
      case UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "}"):
        depth -= 1
        if depth == 0 { return }
      default: break
      }
    }
    throw invalid("a '{' has no '}'")
  }
}
