@testable import Streaming

/// What a parser made of its input, copied out of it.
enum ReadItem: Equatable {
  case event(_ data: String, name: String = "", id: String = "")
  case unknownLine(String)

  /// - Parameter isFinished: the last event's blank line may be missing.
  static func read(
    _ chunks: [[UInt8]], bound: Int = 1 << 20, isFinished: Bool = false
  ) throws(EventStreamParser.TooLong) -> [ReadItem] {
    var parser = EventStreamParser(bound: bound)
    var items: [ReadItem] = []
    for chunk in chunks {
      var position = 0
      while let item = try parser.next(in: chunk.span, from: &position) { items.append(ReadItem(item, parser, chunk)) }
    }
    while isFinished, let item = try parser.finish() { items.append(ReadItem(item, parser, [])) }
    return items
  }

  private init(_ item: EventStreamParser.Item, _ parser: EventStreamParser, _ input: [UInt8]) {
    func text(_ place: EventStreamParser.Place) -> String {
      switch place {
      case .input(let range): String(Array(input[range]))
      case .carried(let range): String(copying: parser.carriedBytes.extracting(range))
      }
    }
    switch item {
    case .event(let place): self = .event(text(place), name: String(parser.name), id: String(parser.lastEventID))
    case .unknownLine(let place): self = .unknownLine(text(place))
    }
  }
}
