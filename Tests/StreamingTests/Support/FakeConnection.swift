@testable import Streaming

/// A connection without a socket: it feeds a parser, answers each request at once or when told to, and gives held-back
/// input again.
struct FakeConnection {
  private(set) var parser: GatewayParser
  private(set) var arrivals: [Arrival] = []
  private(set) var params: [Params] = []
  private(set) var defects: [Failure] = []
  private(set) var whyClosed = ""
  private var heldBack: [UInt8] = []
  private let answersAtOnce: Bool

  static let bounds = RequestBounds(params: 4096, body: 1000, v1Body: 3000)

  init(answersAtOnce: Bool = true, bounds: RequestBounds = Self.bounds) {
    parser = GatewayParser(bounds: bounds, capacity: 77)
    self.answersAtOnce = answersAtOnce
  }

  /// - Returns: what the bytes amount to when they arrive in these pieces.
  static func arrivals(_ chunks: [[UInt8]], answersAtOnce: Bool = true) -> [Arrival] {
    var connection = FakeConnection(answersAtOnce: answersAtOnce)
    for chunk in chunks { connection.receive(chunk) }
    return connection.arrivals
  }

  private var isClosed: Bool {
    switch arrivals.last {
    case .close, .replyAndClose: true
    default: false
    }
  }

  mutating func receive(_ bytes: [UInt8]) {
    let input = heldBack + bytes
    heldBack = []
    var position = 0
    while !isClosed, let action = parser.consume(input.span, from: &position) { take(action) }
    if !isClosed { heldBack = Array(input[position...]) }
  }

  mutating func answer() {
    parser.requestEnded()
    receive([])
  }

  private mutating func take(_ action: GatewayAction) {
    var replies: [UInt8] = []
    parser.takeReplies(into: &replies)
    let records = ReadRecord.all(replies) ?? []
    switch action {
    case .request(let request):
      params.append(request.params)
      if let defect = request.defect { defects.append(defect) }
      arrivals.append(
        .request(body: String(request.body), defect: request.defect?.status, keeps: parser.keepsConnection))
      if answersAtOnce { parser.requestEnded() }
    case .reply: arrivals.append(.replies(records))
    case .replyAndClose: arrivals.append(.replyAndClose(records))
    case .abort: arrivals.append(.abort)
    case .close(let why):
      whyClosed = why
      arrivals.append(.close)
    }
  }
}
