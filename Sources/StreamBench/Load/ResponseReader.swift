/// Reads an HTTP/1.1 response, in whatever pieces it comes: as much of RFC 9112 as nginx uses towards us.
///
/// Call `next` with the same input until it returns nil, then with the next input.
struct ResponseReader {
  enum Item: Equatable {
    case head(status: Int)
    /// A piece of the body, where it lies in the input.
    case body(Range<Int>)
    case end
  }

  struct Malformed: Error, Equatable {
    let why: String
  }

  private enum State {
    case head
    /// The body is ended by the connection's end.
    case untilClose
    /// So many bytes of the body, or of a chunk, are still to come.
    case sized(Int)
    case chunkSize
    case chunk(Int)
    /// The line end after a chunk.
    case chunkEnd
    case trailer
    case ended
  }

  private var state = State.head
  private var line: [UInt8] = []
  private var status = 0
  private var length: Int?
  private var isChunked = false
  /// Whether the server keeps the connection after this response.
  private(set) var keepsConnection = true

  /// 64 KiB.
  private static let lineBound = 65536

  mutating func next(in input: Span<UInt8>, from position: inout Int) throws(Malformed) -> Item? {
    while position < input.count {
      switch state {
      case .chunk(let left):
        let range = take(left, of: input, &position)
        state = range.count == left ? .chunkEnd : .chunk(left - range.count)
        return .body(range)
      case .sized(let left):
        let range = take(left, of: input, &position)
        state = range.count == left ? .sized(0) : .sized(left - range.count)
        if range.isEmpty { return end() }
        return .body(range)
      case .untilClose:
        return .body(take(.max, of: input, &position))
      case .ended:
        throw Malformed(why: "bytes after the end of the response")
      case .head, .chunkSize, .chunkEnd, .trailer:
        guard try takeLine(input, &position) else { return nil }
        if let item = try readLine() { return item }
      }
    }
    if case .sized(0) = state { return end() }
    return nil
  }

  /// The connection ended: whether the response is whole.
  mutating func close() -> Bool {
    switch state {
    case .untilClose, .ended: true
    default: false
    }
  }

  private mutating func end() -> Item {
    state = .ended
    return .end
  }

  private func take(_ count: Int, of input: Span<UInt8>, _ position: inout Int) -> Range<Int> {
    let start = position
    position += min(count, input.count - position)
    return start..<position
  }

  /// Moves a line's bytes into `line`, without its end; false where it is not whole yet.
  private mutating func takeLine(_ input: Span<UInt8>, _ position: inout Int) throws(Malformed) -> Bool {
    while position < input.count {
      let byte = input[position]
      position += 1
      if byte == 0x0A {
        if line.last == 0x0D { line.removeLast() }
        return true
      }
      line.append(byte)
    }
    guard line.count <= Self.lineBound else { throw Malformed(why: "a line of more than \(Self.lineBound) bytes") }
    return false
  }

  private mutating func readLine() throws(Malformed) -> Item? {
    defer { line.removeAll(keepingCapacity: true) }
    switch state {
    case .head where status == 0: try readStatusLine()
    case .head where line.isEmpty: return endHead()
    case .head: readField()
    case .chunkSize: state = try chunkSize().map { .chunk($0) } ?? .trailer
    case .chunkEnd:
      guard line.isEmpty else { throw Malformed(why: "a chunk is longer than its size") }
      state = .chunkSize
    case .trailer where line.isEmpty: return end()
    default: break
    }
    return nil
  }

  private mutating func readStatusLine() throws(Malformed) {
    let words = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
    guard words.count >= 2, words[0].starts(with: "HTTP/1.".utf8),
      let status = Int(String(decoding: words[1], as: UTF8.self)), (100...599).contains(status)
    else { throw Malformed(why: "no status line: \(String(decoding: line.prefix(80), as: UTF8.self))") }
    self.status = status
  }

  private mutating func readField() {
    let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return }
    let name = String(decoding: parts[0], as: UTF8.self).lowercased()
    let value = String(decoding: parts[1], as: UTF8.self).lowercased().filter { $0 != " " }
    switch name {
    case "content-length": length = Int(value)
    case "transfer-encoding": isChunked = value.hasSuffix("chunked")
    case "connection": keepsConnection = value != "close"
    default: break
    }
  }

  private mutating func endHead() -> Item? {
    if status < 200 {
      (status, length, isChunked) = (0, nil, false)
      return nil
    }
    if isChunked {
      state = .chunkSize
    } else if status == 204 || status == 304 {
      state = .sized(0)
    } else if let length {
      state = .sized(length)
    } else {
      keepsConnection = false
      state = .untilClose
    }
    return .head(status: status)
  }

  /// Nil: the last chunk.
  private func chunkSize() throws(Malformed) -> Int? {
    let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != 0x20 }
    guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0 else {
      throw Malformed(why: "no chunk size: \(String(decoding: line.prefix(20), as: UTF8.self))")
    }
    return size == 0 ? nil : size
  }
}
