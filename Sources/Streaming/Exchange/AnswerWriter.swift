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

/// Writes one answer in one form. Literals are checked JSON and are copied as they stand, never decoded.
protocol AnswerWriter {
  /// The head of an answer that has begun, without what the Front adds to every answer.
  var header: ResponseHeader { get }
  /// How a failure is told before the answer has begun.
  var failureForm: FailureForm { get }
  /// Bytes that are kept back until `done`; 0 in a form that keeps nothing back.
  var collectedBytes: Int { get }

  /// `provider/model` of who speaks from here on; called before any output.
  mutating func begin(model: String)
  mutating func text(_ literal: Span<UInt8>, to output: inout [UInt8])
  mutating func refusal(_ literal: Span<UInt8>, to output: inout [UInt8])
  mutating func reasoning(_ literal: Span<UInt8>, to output: inout [UInt8])
  mutating func toolCall(_ fragment: ToolCallFragment, in data: Span<UInt8>, to output: inout [UInt8])
  /// A sign of life.
  func ping(to output: inout [UInt8])
  mutating func done(_ completion: Completion, to output: inout [UInt8])
  /// A failure after the answer has begun.
  func error(_ failure: Failure, to output: inout [UInt8])
}

/// What the end of a whole answer tells.
public struct Completion: Equatable, Sendable {
  /// `provider/model`, as resolved.
  public var model: String
  public var finishReason: FinishReason
  public var usage: Usage?
  /// US dollars; nil where the price or the usage is unknown.
  public var cost: Double?
  /// Milliseconds until the first token; nil where there was none.
  public var firstToken: Int?
  /// Milliseconds in all.
  public var duration: Int
  /// Events that were no JSON object.
  public var skipped: Int
}
