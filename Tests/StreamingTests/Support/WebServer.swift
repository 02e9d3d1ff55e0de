@testable import Streaming

/// Records and netstrings as a web server makes them, written here from the specifications.
enum WebServer {
  enum RecordType: UInt8 {
    case begin = 1
    case abort, end, params, stdin, stdout, stderr, data, getValues, getValuesResult, unknown
  }

  static func record(
    _ type: RecordType, id: UInt16 = 1, _ content: [UInt8] = [], padding: Int = 0, version: UInt8 = 1
  ) -> [UInt8] {
    record(number: type.rawValue, id: id, content, padding: padding, version: version)
  }

  static func record(
    number: UInt8, id: UInt16 = 1, _ content: [UInt8] = [], padding: Int = 0, version: UInt8 = 1
  ) -> [UInt8] {
    let lengths = [UInt8(id >> 8), UInt8(id & 255), UInt8(content.count >> 8), UInt8(content.count & 255)]
    // Padding is whatever lies about in the sender's memory.
    return [version, number] + lengths + [UInt8(padding), 0xEE] + content + [UInt8](repeating: 1, count: padding)
  }

  static func begin(id: UInt16 = 1, role: UInt16 = 1, keep: Bool = true) -> [UInt8] {
    record(.begin, id: id, [UInt8(role >> 8), UInt8(role & 255), keep ? 1 : 0, 0, 0, 0, 0, 0])
  }

  static func pairs(_ params: [(String, String)]) -> [UInt8] {
    func length(_ text: String) -> [UInt8] {
      let count = text.utf8.count
      guard count > 127 else { return [UInt8(count)] }
      return [UInt8(count >> 24 | 0x80), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)]
    }
    return params.flatMap { length($0) + length($1) + $0.bytes + $1.bytes }
  }

  /// A stream in records of at most `size` bytes, padded to eight as nginx does, with the empty record that ends it.
  static func stream(_ type: RecordType, id: UInt16 = 1, _ content: [UInt8], size: Int = 32_768) -> [UInt8] {
    let records = Chunkings.pieces(content, of: size).filter { !$0.isEmpty }
    return records.flatMap { record(type, id: id, $0, padding: (8 - $0.count % 8) % 8) } + record(type, id: id)
  }

  /// A whole FastCGI request.
  /// - Parameter size: of PARAMS and STDIN records; a small one makes parameters straddle records.
  static func request(
    id: UInt16 = 1, keep: Bool = true, _ params: [(String, String)] = [], body: String = "", size: Int = 32_768
  ) -> [UInt8] {
    begin(id: id, keep: keep) + stream(.params, id: id, pairs(params), size: size)
      + stream(.stdin, id: id, body.bytes, size: size)
  }

  static func post(_ body: String, path: String = "/stream", length: Int? = nil) -> [(String, String)] {
    [("REQUEST_METHOD", "POST"), ("PATH_INFO", path), ("CONTENT_LENGTH", "\(length ?? body.utf8.count)")]
  }

  /// A whole SCGI request.
  static func scgi(_ params: [(String, String)], body: String = "", length: String? = nil) -> [UInt8] {
    let all = [("CONTENT_LENGTH", length ?? "\(body.utf8.count)"), ("SCGI", "1")] + params
    let headers = all.flatMap { name, value in "\(name)\u{0}\(value)\u{0}".bytes }
    return "\(headers.count):".bytes + headers + ",".bytes + body.bytes
  }
}

extension Params {
  static func of(_ params: [(String, String)]) -> Params {
    (try? Params(fastCGI: WebServer.pairs(params))) ?? Params()
  }
}

extension Params: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, String)...) {
    self = .of(elements)
  }
}
