/// How a client wants its answer.
public enum AnswerForm: Equatable, Sendable {
  /// The events of `/stream`.
  case events
  /// OpenAI's chunks, and after them the usage where the client asked for it.
  case chunks(includesUsage: Bool)
  /// One `chat.completion` object.
  case whole

  /// Whether nothing goes out before the answer's end.
  public var isWhole: Bool { self == .whole }

  /// - Parameters:
  ///   - requestID: the answer's `X-Request-Id`.
  ///   - time: seconds since 1970, which OpenAI's objects tell.
  func makeWriter(requestID: String, time: Int) -> any AnswerWriter {
    switch self {
    case .events: EventStreamWriter(requestID: requestID)
    case .chunks(let usage): ChatChunkWriter(requestID: requestID, time: time, includesUsage: usage)
    case .whole: ChatCompletionWriter(requestID: requestID, time: time)
    }
  }
}
