/// Takes an event stream apart (WHATWG HTML, section 9.2.6), in whatever chunks it comes.
///
/// A line that arrives whole is not copied: its event refers to the input. Call `next` with the same input until it
/// returns nil, then with the next input; after the last one, call `finish` until it returns nil.
public struct EventStreamParser {
  /// What the bytes hold.
  public enum Item: Equatable {
    /// An event; `name` and `lastEventID` of the parser belong to it until the next call.
    case event(Place)
    /// A line that is no field of an event stream. Some providers tell failures so.
    case unknownLine(Place)
  }

  /// Where an item's bytes lie: in the input just given, or in `carriedBytes`.
  public enum Place: Equatable {
    case input(Range<Int>)
    case carried(Range<Int>)
  }

  /// A line, or an event's data, is longer than the bound.
  public struct TooLong: Error, Equatable {
    public var bound: Int
  }

  /// The event's type; empty means `message`.
  public private(set) var name: [UInt8] = []
  /// The last `id` that was seen.
  public private(set) var lastEventID: [UInt8] = []

  private let bound: Int
  /// The line that the input so far has not ended.
  private var line: [UInt8] = []
  /// Data that could not stay in the input: lines that were cut by a chunk's end, or several of one event.
  private var carried: [UInt8] = []
  /// Where in `carried` an unknown line stands until the next call.
  private var asideStart: Int?
  /// The data of the event so far; nil before its first data line.
  private var data: Place?
  /// The last line ended in CR, so an LF that follows belongs to it.
  private var mayPassLF = false
  private var isAtStart = true
  /// The event was handed out, so the next call starts afresh.
  private var wasDispatched = false

  /// - Parameter bound: bytes of one line, and of one event's data.
  public init(bound: Int) {
    self.bound = bound
  }

  /// What outlived the input that it came in; valid until the next call.
  public var carriedBytes: Span<UInt8> {
    @_lifetime(borrow self)
    get { carried.span }
  }

  /// The next item at or after `position`, which is moved past it; nil when the input is used up.
  public mutating func next(in input: Span<UInt8>, from position: inout Int) throws(TooLong) -> Item? {
    startAfresh()
    while position < input.count {
      if mayPassLF {
        mayPassLF = false
        if input[position] == 0x0A {
          position += 1
          continue
        }
      }
      guard let end = endOfLine(in: input, from: position) else {
        line.append(input.extracting(position..<input.count))
        position = input.count
        try check(line.count)
        break
      }
      let start = position
      mayPassLF = input[end] == 0x0D
      position = end + 1
      if let item = try takeLine(input, start..<end) { return item }
    }
    carry(input)
    return nil
  }

  /// What the end of the body leaves: a last line without its end, a last event without its blank line. The
  /// specification drops both; a provider that ends so has said them all the same.
  public mutating func finish() throws(TooLong) -> Item? {
    startAfresh()
    let nothing: [UInt8] = []
    if !line.isEmpty, let item = try takeLine(nothing.span, 0..<0) { return item }
    return dispatch()
  }

  // MARK: Lines

  private func endOfLine(in input: Span<UInt8>, from start: Int) -> Int? {
    guard let lf = input.firstIndex(of: 0x0A, from: start) else { return input.firstIndex(of: 0x0D, from: start) }
    return input.extracting(start..<lf).firstIndex(of: 0x0D, from: 0).map { start + $0 } ?? lf
  }

  /// One line of the input, or the end of the line that was carried over.
  private mutating func takeLine(_ input: Span<UInt8>, _ range: Range<Int>) throws(TooLong) -> Item? {
    try check(line.count + range.count)
    if line.isEmpty {
      let start = range.lowerBound + byteOrderMark(in: input.extracting(range))
      return try takeField(input, start..<range.upperBound, isInput: true)
    }
    line.append(input.extracting(range))
    // Moved out, so that its span may be read while the rest of the parser changes.
    var whole: [UInt8] = []
    swap(&whole, &line)
    defer {
      whole.removeAll(keepingCapacity: whole.capacity <= 4096)
      swap(&whole, &line)
    }
    return try takeField(whole.span, byteOrderMark(in: whole.span)..<whole.count, isInput: false)
  }

  private mutating func byteOrderMark(in line: Span<UInt8>) -> Int {
    guard isAtStart else { return 0 }
    isAtStart = false
    return line.count >= 3 && line[0] == 0xEF && line[1] == 0xBB && line[2] == 0xBF ? 3 : 0
  }

  private mutating func takeField(_ bytes: Span<UInt8>, _ range: Range<Int>, isInput: Bool) throws(TooLong) -> Item? {
    if range.isEmpty { return dispatch() }
    let field = bytes.extracting(range)
    let colon = field.firstIndex(of: UInt8(ascii: ":"), from: 0) ?? field.count
    if colon == 0 { return nil }
    var value = min(range.lowerBound + colon + 1, range.upperBound)..<range.upperBound
    if !value.isEmpty, bytes[value.lowerBound] == 0x20 { value = value.lowerBound + 1..<value.upperBound }

    let label = field.extracting(0..<colon)
    if label.equals("data") {
      try append(bytes, value, isInput: isInput)
    } else if label.equals("event") {
      name.removeAll(keepingCapacity: true)
      name.append(bytes.extracting(value))
    } else if label.equals("id") {
      let id = bytes.extracting(value)
      if id.firstIndex(of: 0, from: 0) == nil { lastEventID = [UInt8](copying: id) }
    } else if !label.equals("retry") {
      return .unknownLine(isInput ? .input(range) : carryAside(field))
    }
    return nil
  }

  // MARK: Data

  private mutating func append(_ bytes: Span<UInt8>, _ value: Range<Int>, isInput: Bool) throws(TooLong) {
    if data == nil, isInput {
      data = .input(value)
      return
    }
    if case .input(let first)? = data {
      // Only a line of this same input can be there still: `carry` has moved older ones.
      carried.append(bytes.extracting(first))
    }
    if data != nil { carried.append(0x0A) }
    carried.append(bytes.extracting(value))
    data = .carried(0..<carried.count)
    try check(carried.count)
  }

  /// An unknown line that did not arrive whole, kept behind the data.
  private mutating func carryAside(_ field: Span<UInt8>) -> Place {
    let start = carried.count
    carried.append(field)
    asideStart = start
    return .carried(start..<carried.count)
  }

  private mutating func carry(_ input: Span<UInt8>) {
    guard case .input(let range)? = data else { return }
    carried.append(input.extracting(range))
    data = .carried(0..<carried.count)
  }

  private mutating func dispatch() -> Item? {
    wasDispatched = true
    guard let data else {
      startAfresh()
      return nil
    }
    return .event(data)
  }

  private mutating func startAfresh() {
    if let start = asideStart {
      carried.removeSubrange(start...)
      asideStart = nil
    }
    guard wasDispatched else { return }
    wasDispatched = false
    data = nil
    if !name.isEmpty { name.removeAll(keepingCapacity: true) }
    // A burst must not leave every idle stream with a large buffer.
    if !carried.isEmpty { carried.removeAll(keepingCapacity: carried.capacity <= 4096) }
  }

  private func check(_ count: Int) throws(TooLong) {
    guard count <= bound else { throw TooLong(bound: bound) }
  }
}
