/// Reads a provider's reply, whichever it is: an event stream, an answer in one piece of JSON, or a refusal.
///
/// Call `next` with the same input until it returns nil, then with the next input, and `finish` at the body's end until
/// it returns nil. Each item leaves what it says in `piece` or in `deltas`, whose literals are places in the item's bytes.
struct ReplyReader {
  /// Where an item's bytes lie.
  enum Place: Equatable {
    /// In the input just given.
    case input(Range<Int>)
    /// In `carriedBytes`.
    case carried(Range<Int>)
    /// In `collectedBytes`.
    case collected(Range<Int>)
  }

  /// The reply is not what the wire says it must be; what it is instead.
  struct Malformed: Error, Equatable {
    var what: String
  }

  /// Bytes of the longest answer in one piece, be it taken or given.
  static let wholeBound = 16 << 20
  /// The longest body of a refusal that is looked into.
  static let refusalBound = 64 << 10

  /// The one piece that the item says and nothing else, where that was seen at first glance.
  private(set) var piece: Piece?
  /// What it says otherwise.
  private(set) var deltas: [Delta] = []
  /// Events that were no JSON object.
  private(set) var skipped = 0

  private enum Body { case eventStream, whole, refusal }

  private var head = ResponseHead()
  private var body = Body.eventStream
  private var parser: EventStreamParser
  private var decoder: any ProviderDecoder
  /// That of the last event, if it said one piece.
  private var shape = EventShape()
  private var sawEvent = false
  private var hasFinished = false
  /// A body that is no event stream; of an event stream, the lines that are none.
  private var collected: [UInt8] = []

  init(lineBound: Int, decoder: any ProviderDecoder) {
    parser = EventStreamParser(bound: lineBound)
    self.decoder = decoder
  }

  var isRefusal: Bool { body == .refusal }
  /// Whether the provider has answered at all.
  var hasHead: Bool { head.status != 0 }
  var carriedBytes: Span<UInt8> {
    @_lifetime(borrow self)
    get { parser.carriedBytes }
  }
  var collectedBytes: Span<UInt8> {
    @_lifetime(borrow self)
    get { collected.span }
  }

  /// The head of the reply is there.
  mutating func receive(head: ResponseHead) {
    self.head = head
    if head.status != 200 {
      body = .refusal
    } else if head.contentType == "application/json" || head.contentType.hasSuffix("+json") {
      body = .whole
    }
  }

  /// The next item of the body at or after `position`, which is moved past it.
  mutating func next(in input: Span<UInt8>, from position: inout Int) throws(Malformed) -> Place? {
    if body == .whole, collected.isEmpty { lookAtFirstByte(of: input) }
    switch body {
    case .eventStream:
      while let item = try nextItem(in: input, from: &position) {
        if let place = try read(item, in: input) { return place }
      }
    case .refusal:
      collected.append(input.extracting(position..<position + min(input.count - position, refusalRoom)))
      position = input.count
    case .whole:
      try collect(input.extracting(position..<input.count))
      position = input.count
    }
    return nil
  }

  /// What the end of the body leaves to be said.
  mutating func finish() throws(Malformed) -> Place? {
    guard !hasFinished else { return nil }
    startAfresh()
    if body == .refusal {
      hasFinished = true
      deltas.append(
        .failure(ProviderFailure(status: head.status, body: collected.span, retryAfter: head.retryAfter)))
      return .collected(0..<0)
    }
    let nothing: [UInt8] = []
    while body == .eventStream, let item = try lastItem() {
      if let place = try read(item, in: nothing.span) { return place }
    }
    hasFinished = true
    return try readCollected()
  }

  // MARK: Event streams

  /// Some send an event stream under the name of JSON.
  private mutating func lookAtFirstByte(of input: Span<UInt8>) {
    guard let first = input.trimmed.first.map({ input[$0] }) else { return }
    if first != UInt8(ascii: "{"), first != UInt8(ascii: "[") { body = .eventStream }
  }

  private mutating func nextItem(
    in input: Span<UInt8>, from position: inout Int
  ) throws(Malformed) -> EventStreamParser.Item? {
    do throws(EventStreamParser.TooLong) {
      return try parser.next(in: input, from: &position)
    } catch {
      throw Malformed(what: "a line of more than \(error.bound) bytes")
    }
  }

  private mutating func lastItem() throws(Malformed) -> EventStreamParser.Item? {
    do throws(EventStreamParser.TooLong) {
      return try parser.finish()
    } catch {
      throw Malformed(what: "a line of more than \(error.bound) bytes")
    }
  }

  private mutating func startAfresh() {
    piece = nil
    if !deltas.isEmpty { deltas.removeAll(keepingCapacity: true) }
  }

  private mutating func read(_ item: EventStreamParser.Item, in input: Span<UInt8>) throws(Malformed) -> Place? {
    startAfresh()
    // Where its bytes are the parser's own, a copy of it (not of them) is read while the rest of this changes.
    switch item {
    case .event(.input(let range)):
      return try decode(name: parser.name, input.extracting(range)) ? .input(range) : nil
    case .event(.carried(let range)):
      let parser = parser
      return try decode(name: parser.name, parser.carriedBytes.extracting(range)) ? .carried(range) : nil
    case .unknownLine(.input(let range)):
      return try readUnknownLine(input.extracting(range)) ? .input(range) : nil
    case .unknownLine(.carried(let range)):
      let parser = parser
      return try readUnknownLine(parser.carriedBytes.extracting(range)) ? .carried(range) : nil
    }
  }

  private mutating func decode(name: [UInt8], _ data: Span<UInt8>) throws(Malformed) -> Bool {
    piece = shape.piece(name: name, in: data)
    if piece != nil { return true }
    // Whatever else the event is, it may change what the decoder makes of the next ones.
    shape.forget()
    do throws(JSONReader.Malformed) {
      if try decoder.decode(name: name.span, data: data, into: &deltas) {
        sawEvent = true
        if deltas.count == 1, let piece = Piece(deltas[0]) { shape.take(name: name, data, around: piece) }
        return true
      }
      skipped += 1
      return false
    } catch {
      throw Malformed(what: "an event that is no JSON from its byte \(error.offset) on")
    }
  }

  /// `error: {…}` is a failure at once; other lines may be a JSON text, which shows only at the end.
  private mutating func readUnknownLine(_ line: Span<UInt8>) throws(Malformed) -> Bool {
    if line.holds("error:", at: 0) {
      deltas.append(.failure(ProviderFailure(status: nil, body: line.extracting(6..<line.count))))
      return true
    }
    try collect(line)
    collected.append(0x0A)
    return false
  }

  // MARK: Other bodies

  private var refusalRoom: Int { Self.refusalBound - collected.count }

  private mutating func collect(_ bytes: Span<UInt8>) throws(Malformed) {
    guard collected.count + bytes.count < Self.wholeBound else {
      throw Malformed(what: "more than \(Self.wholeBound) bytes that are no event stream")
    }
    collected.append(bytes)
  }

  /// A JSON text without an event stream around it: a failure, or an answer that was not streamed.
  private mutating func readCollected() throws(Malformed) -> Place? {
    let text = collected
    let range = text.span.trimmed
    guard let first = range.first else { return nil }
    startAfresh()
    switch text[first] {
    case UInt8(ascii: "{"):
      return try decode(name: [], text.span.extracting(range)) ? .collected(range) : nil
    case UInt8(ascii: "["):
      deltas.append(.failure(ProviderFailure(status: nil, body: text.span.extracting(range))))
      return .collected(range)
    default:
      // Odd lines between events are none of our business; a body without any event is.
      if sawEvent { return nil }
      throw Malformed(what: "\(head.contentType.isEmpty ? "something" : head.contentType) that is no event stream")
    }
  }
}
